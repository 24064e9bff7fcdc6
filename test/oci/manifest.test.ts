import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Descriptor } from "../../src/model/descriptor.ts";
import { digestOf } from "../../src/model/digest.ts";
import { type CountersignError, isCountersignError } from "../../src/model/errors.ts";
import { LIMITS } from "../../src/model/limits.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  DOCKER_SCHEMA_1,
  DOCKER_SCHEMA_1_SIGNED,
  OCI_CONFIG,
  OCI_EMPTY,
  OCI_INDEX,
  OCI_MANIFEST,
  SIGSTORE_BUNDLE,
} from "../../src/model/media-types.ts";
import { buildImageManifest, buildIndex } from "../../src/oci/build-manifest.ts";
import { parseManifest } from "../../src/oci/manifest.ts";

const utf8 = new TextEncoder();
const digest = digestOf(utf8.encode("content"));
const layer: Descriptor = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest, size: 7 };
const config: Descriptor = { mediaType: OCI_CONFIG, digest, size: 7 };
const child: Descriptor = { mediaType: OCI_MANIFEST, digest, size: 7 };

const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] };
const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [child] };

function parse(document: unknown, contentType?: string) {
  return parseManifest(utf8.encode(typeof document === "string" ? document : JSON.stringify(document)), contentType);
}

function refusal(work: () => unknown): CountersignError {
  try {
    work();
  } catch (error) {
    if (isCountersignError(error)) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

function without<T extends object>(value: T, name: keyof T): object {
  const { [name]: _, ...rest } = value;
  return rest;
}

describe("the type of a manifest", () => {
  it.each([
    ["as the document says", image, undefined, OCI_MANIFEST],
    ["as both say", image, OCI_MANIFEST, OCI_MANIFEST],
    ["whatever the case and the parameters", image, `${OCI_MANIFEST.toUpperCase()} ; charset=utf-8`, OCI_MANIFEST],
    ["as the document says, served as bytes", image, "application/octet-stream", OCI_MANIFEST],
    ["as the document says, served as JSON", index, "application/json; charset=utf-8", OCI_INDEX],
    ["as the document says, served as text", index, "text/plain", OCI_INDEX],
    ["as the header says", without(image, "mediaType"), OCI_MANIFEST, OCI_MANIFEST],
    ["as the header says, for Docker", without(index, "mediaType"), DOCKER_MANIFEST_LIST, DOCKER_MANIFEST_LIST],
    ["by its shape: an image", without(image, "mediaType"), undefined, OCI_MANIFEST],
    ["by its shape: an index", without(index, "mediaType"), "application/json", OCI_INDEX],
    ["Docker's image", { ...image, mediaType: DOCKER_MANIFEST }, DOCKER_MANIFEST, DOCKER_MANIFEST],
    ["Docker's list", { ...index, mediaType: DOCKER_MANIFEST_LIST }, DOCKER_MANIFEST_LIST, DOCKER_MANIFEST_LIST],
  ])("is found %s", (_, document, contentType, mediaType) => {
    expect(parse(document, contentType).mediaType).toBe(mediaType);
  });

  it.each([
    ["an image served as an index", image, OCI_INDEX],
    ["an index served as an image", index, OCI_MANIFEST],
    ["OCI served as Docker", image, DOCKER_MANIFEST],
    ["Docker served as OCI", { ...index, mediaType: DOCKER_MANIFEST_LIST }, OCI_INDEX],
    ["a document without a type served as what it is not", without(image, "mediaType"), OCI_INDEX],
    ["a document that calls itself bytes", { ...image, mediaType: "application/octet-stream" }, OCI_MANIFEST],
    ["a document whose type is empty", { ...image, mediaType: "" }, OCI_MANIFEST],
    ["a document whose type is null", { ...image, mediaType: null }, OCI_MANIFEST],
    ["a document whose type is no text", { ...image, mediaType: [OCI_MANIFEST] }, OCI_MANIFEST],
  ])("is refused for %s", (_, document, contentType) => {
    expect(refusal(() => parse(document, contentType)).code).toBe("E_MANIFEST_INVALID");
  });

  it.each([
    ["schema 1 by its header", { schemaVersion: 1, fsLayers: [] }, DOCKER_SCHEMA_1],
    ["signed schema 1 by its header", { schemaVersion: 1, fsLayers: [] }, DOCKER_SCHEMA_1_SIGNED],
    ["schema 1 by its version", { schemaVersion: 1, name: "a", tag: "b", fsLayers: [] }, undefined],
    ["schema 1 in disguise", { ...image, schemaVersion: 1 }, OCI_MANIFEST],
    [
      "an artifact manifest",
      { mediaType: "application/vnd.oci.artifact.manifest.v1+json" },
      "application/vnd.oci.artifact.manifest.v1+json",
    ],
    ["an unknown type in the document", { ...image, mediaType: "application/vnd.example+json" }, undefined],
    ["an unknown type in the header", image, "application/vnd.example+json"],
  ])("is not supported for %s", (_, document, contentType) => {
    expect(refusal(() => parse(document, contentType)).code).toBe("E_MANIFEST_UNSUPPORTED");
  });

  it("tells how to leave schema 1", () => {
    expect(refusal(() => parse({ schemaVersion: 1 })).hint).toMatch(/push the image again/);
  });

  it("does not take a login page for a manifest that is bad", () => {
    const error = refusal(() => parse("<html>Log in</html>", "text/html; charset=utf-8"));
    expect([error.code, error.exit]).toEqual(["E_REGISTRY_ANSWER", 3]);
  });
});

describe("a manifest that two programs could read in two ways", () => {
  it.each([
    ["layers beside manifests", { ...image, manifests: [child] }, OCI_MANIFEST],
    ["manifests beside layers, served as an index", { ...index, layers: [layer] }, OCI_INDEX],
    ["config beside manifests", { ...index, config }, OCI_INDEX],
    ["empty layers beside manifests", { ...index, layers: [] }, OCI_INDEX],
    ["null manifests beside layers", { ...image, manifests: null }, OCI_MANIFEST],
    ["manifests in another case beside layers", { ...image, Manifests: [child] }, OCI_MANIFEST],
    ["layers in another case as well", { ...image, LAYERS: [] }, OCI_MANIFEST],
    ["a media type in another case", { ...without(image, "mediaType"), MediaType: OCI_INDEX }, OCI_MANIFEST],
    ["a subject in another case", { ...image, Subject: child }, OCI_MANIFEST],
    ["a member twice", `{"schemaVersion":2,"config":{},${JSON.stringify(image).slice(1)}`, OCI_MANIFEST],
    ["a media type twice", `{"mediaType":"${OCI_INDEX}",${JSON.stringify(image).slice(1)}`, OCI_MANIFEST],
    ["a digest twice", JSON.stringify(image).replace('"size":7', `"digest":"${digest}","size":7`), OCI_MANIFEST],
    ["a byte order mark", `\uFEFF${JSON.stringify(image)}`, OCI_MANIFEST],
    ["two documents", `${JSON.stringify(image)}${JSON.stringify(index)}`, OCI_MANIFEST],
  ])("is refused: %s", (_, document, contentType) => {
    expect(refusal(() => parse(document, contentType)).code).toBe("E_MANIFEST_INVALID");
  });
});

describe("a manifest that is not what its type has", () => {
  it.each([
    ["no config", without(image, "config")],
    ["no layers", without(image, "layers")],
    ["no manifests", without(index, "manifests")],
    ["no version", without(image, "schemaVersion")],
    ["version 3", { ...image, schemaVersion: 3 }],
    ["a version in quotes", { ...image, schemaVersion: "2" }],
    ["layers that are no list", { ...image, layers: { 0: layer } }],
    ["a layer that is null", { ...image, layers: [null] }],
    ["a negative size", { ...image, layers: [{ ...layer, size: -1 }] }],
    ["half a byte", { ...image, layers: [{ ...layer, size: 1.5 }] }],
    ["a size beyond what is exact", `${JSON.stringify(image).replace('"size":7', '"size":9007199254740993')}`],
    ["a size without end", `${JSON.stringify(image).replace('"size":7', '"size":1e999')}`],
    ["a size in quotes", { ...image, config: { ...config, size: "7" } }],
    ["no size", { ...image, config: without(config, "size") }],
    ["a digest in upper case", { ...image, config: { ...config, digest: digest.toUpperCase() } }],
    ["a digest that leads elsewhere", { ...image, config: { ...config, digest: "sha256:../../../etc/passwd" } }],
    [
      "a digest of another algorithm",
      { ...image, config: { ...config, digest: "md5:d41d8cd98f00b204e9800998ecf8427e" } },
    ],
    ["a subject without a digest", { ...image, subject: without(child, "digest") }],
    ["an annotation that is no text", { ...image, annotations: { a: 1 } }],
    ["annotations in a list", { ...image, annotations: ["a"] }],
    ["an artifact type that is no text", { ...image, artifactType: 1 }],
    ["an empty media type of a layer", { ...image, layers: [{ ...layer, mediaType: "" }] }],
    ["a list", [image]],
    ["null", null],
    ["a text", '"manifest"'],
    ["nothing", ""],
    ["no JSON", "not found"],
  ])("is refused: %s", (_, document) => {
    expect(refusal(() => parse(document)).code).toBe("E_MANIFEST_INVALID");
  });

  it("is refused when its bytes are not UTF-8", () => {
    const bytes = utf8.encode(JSON.stringify({ ...image, annotations: { a: "~" } }));
    bytes[bytes.indexOf("~".charCodeAt(0))] = 0xff;
    expect(refusal(() => parseManifest(bytes, OCI_MANIFEST)).code).toBe("E_MANIFEST_INVALID");
  });

  it("is refused when it is nested deeply", () => {
    const deep = `${"[".repeat(40)}${"]".repeat(40)}`;
    const document = `${JSON.stringify(image).slice(0, -1)},"x":${deep}}`;
    expect(refusal(() => parse(document)).message).toMatch(/nested deeper/);
  });

  it("is refused when it lists more than is read", () => {
    const layers = Array.from({ length: LIMITS.layers + 1 }, () => layer);
    expect(refusal(() => parse({ ...image, layers })).code).toBe("E_LIMIT");
    const manifests = Array.from({ length: LIMITS.referrers + 1 }, () => child);
    expect(refusal(() => parse({ ...index, manifests })).code).toBe("E_LIMIT");
  });

  it("is named by the place that is wrong", () => {
    const error = refusal(() => parse({ ...image, layers: [layer, { ...layer, size: -1 }] }));
    expect(error.message).toContain('"layers.1.size"');
  });
});

describe("what a good manifest says", () => {
  it("is kept, and what is not known is passed over", () => {
    const document = {
      ...image,
      artifactType: "application/vnd.example",
      annotations: { a: "b" },
      subject: child,
      future: { nested: [1, 2] },
      layers: [{ ...layer, urls: ["http://169.254.169.254/"], data: "AAAA", annotations: { c: "d" } }],
    };
    expect(parse(document)).toEqual({
      mediaType: OCI_MANIFEST,
      artifactType: "application/vnd.example",
      annotations: { a: "b" },
      subject: child,
      config,
      layers: [{ ...layer, annotations: { c: "d" } }],
    });
  });

  it("reaches no prototype by an annotation's name", () => {
    const text = JSON.stringify({ ...image, annotations: { a: "b" } }).replace('"a":"b"', '"a":"b","__proto__":"c"');
    expect(parse(text).annotations?.["a"]).toBe("b");
    expect(Object.getPrototypeOf(parse(text).annotations)).toBe(Object.prototype);
  });

  it("has the platforms of an index", () => {
    const platform = { architecture: "arm", os: "linux", variant: "v7", "os.features": ["x"] };
    const read = parse({ ...index, manifests: [{ ...child, platform }, child] });
    expect(read.manifests?.map((entry) => entry.platform)).toEqual([
      { architecture: "arm", os: "linux", variant: "v7" },
      undefined,
    ]);
  });

  it("takes what Go writes for empty lists and absent members", () => {
    const nulls = { ...image, layers: null, annotations: null, subject: null, artifactType: null };
    expect(parse(nulls)).toEqual({ mediaType: OCI_MANIFEST, config, layers: [] });
    expect(parse({ ...index, manifests: null }).manifests).toEqual([]);
  });
});

describe("manifests that are built", () => {
  const annotations = fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), fc.string({ maxLength: 8 }), {
    maxKeys: 4,
  });
  const anyDescriptor = fc.record(
    {
      mediaType: fc.constantFrom(OCI_MANIFEST, OCI_EMPTY, SIGSTORE_BUNDLE, "text/plain"),
      digest: fc.uint8Array({ maxLength: 8 }).map((bytes) => digestOf(bytes, bytes.length % 2 ? "sha256" : "sha512")),
      size: fc.maxSafeNat(),
      artifactType: fc.constant(SIGSTORE_BUNDLE),
      annotations: annotations.filter((value) => Object.keys(value).length > 0 && !Object.hasOwn(value, "__proto__")),
    },
    { requiredKeys: ["mediaType", "digest", "size"], noNullPrototype: true },
  );

  it("are read back as they were", () => {
    fc.assert(
      fc.property(
        anyDescriptor,
        fc.array(anyDescriptor, { maxLength: 4 }),
        fc.option(anyDescriptor, { nil: undefined }),
        (one, many, subject) => {
          const built = buildImageManifest({ config: one, layers: many, subject, artifactType: "a/b" });
          expect(parseManifest(built, OCI_MANIFEST)).toEqual({
            mediaType: OCI_MANIFEST,
            config: one,
            layers: many,
            subject,
            artifactType: "a/b",
          });
          const list = buildIndex({ manifests: many, subject });
          expect(parseManifest(list, OCI_INDEX)).toEqual({ mediaType: OCI_INDEX, manifests: many, subject });
        },
      ),
    );
  });

  it("have the members in cosign's order and nothing that is absent", () => {
    const built = buildImageManifest({
      artifactType: SIGSTORE_BUNDLE,
      subject: child,
      annotations: { z: "1", a: "2" },
      layers: [{ annotations: { k: "v" }, artifactType: "x", size: 7, digest, mediaType: SIGSTORE_BUNDLE }],
      config: { mediaType: OCI_EMPTY, digest, size: 7 },
    });
    expect(new TextDecoder().decode(built)).toBe(
      `{"schemaVersion":2,"mediaType":"${OCI_MANIFEST}","config":{"mediaType":"${OCI_EMPTY}","size":7,"digest":"${digest}"},` +
        `"layers":[{"mediaType":"${SIGSTORE_BUNDLE}","size":7,"digest":"${digest}","annotations":{"k":"v"},"artifactType":"x"}],` +
        `"annotations":{"a":"2","z":"1"},"subject":{"mediaType":"${OCI_MANIFEST}","size":7,"digest":"${digest}"},` +
        `"artifactType":"${SIGSTORE_BUNDLE}"}`,
    );
    expect(new TextDecoder().decode(buildIndex({ manifests: [], annotations: {} }))).toBe(
      `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[]}`,
    );
  });
});

describe("any document", () => {
  it("is read or refused with a code of its own, whatever is done to a good one", () => {
    const good = JSON.stringify({ ...image, subject: child, annotations: { a: "b" } });
    const cut = fc.nat({ max: good.length });
    const piece = fc.constantFrom("", "null", '"layers"', '"manifests":[],', "}", "[", "-1", ",", "\\", '"');
    const type = fc.constantFrom(undefined, "", OCI_MANIFEST, OCI_INDEX, DOCKER_SCHEMA_1, "text/html", "a/b;c=d");
    fc.assert(
      fc.property(cut, cut, piece, type, (from, to, inserted, contentType) => {
        const changed = good.slice(0, from) + inserted + good.slice(to);
        try {
          const { layers, manifests } = parse(changed, contentType);
          expect((layers === undefined) !== (manifests === undefined)).toBe(true);
        } catch (error) {
          if (!isCountersignError(error)) throw error;
          expect(error.code).toMatch(/^E_(?:MANIFEST_INVALID|MANIFEST_UNSUPPORTED|REGISTRY_ANSWER)$/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("of JSON is read or refused with a code of its own", () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom("config", "layers", "manifests", "subject", "annotations"),
        (value, member) => {
          for (const document of [value, { ...image, [member]: value }, { ...index, [member]: value }]) {
            try {
              parse(document);
            } catch (error) {
              if (!isCountersignError(error)) throw error;
            }
          }
        },
      ),
    );
  });
});
