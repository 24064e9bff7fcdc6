import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Descriptor } from "../../src/model/descriptor.ts";
import { type Digest, digestHex, digestOf } from "../../src/model/digest.ts";
import { isCountersignError } from "../../src/model/errors.ts";
import { LIMITS } from "../../src/model/limits.ts";
import { DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, SIGSTORE_BUNDLE } from "../../src/model/media-types.ts";
import { buildImageManifest, buildIndex } from "../../src/oci/build-manifest.ts";
import { openLayout } from "../../src/oci/layout.ts";
import type { LayoutHost } from "../../src/oci/layout-host.ts";
import { createNodeHost } from "../../src/platform/node-host.ts";
import { type PushedImage, pushImage } from "../support/images.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const host = createNodeHost();
const REF_NAME = "org.opencontainers.image.ref.name";

function newLayout(given: LayoutHost = host) {
  const path = join(temporaryFolder(), "layout");
  return { path, layout: openLayout(given, path) };
}

async function withImage() {
  const { path, layout } = newLayout();
  const image = await pushImage(layout, { tag: "v1" });
  return { path, layout, image };
}

function indexOf(path: string): { manifests: (Descriptor & Record<string, unknown>)[] } & Record<string, unknown> {
  return JSON.parse(readFileSync(join(path, "index.json"), "utf8"));
}

function writeIndex(path: string, document: unknown): void {
  writeFileSync(join(path, "index.json"), typeof document === "string" ? document : JSON.stringify(document));
}

function blobFile(path: string, digest: Digest): string {
  return join(path, "blobs", digest.slice(0, 6), digestHex(digest));
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (isCountersignError(error)) return error.code;
    throw error;
  }
}

function referrer(subject: Descriptor, note: string): Uint8Array {
  const content = { mediaType: SIGSTORE_BUNDLE, digest: digestOf(new TextEncoder().encode("{}")), size: 2 };
  return buildImageManifest({
    config: content,
    layers: [content],
    subject,
    annotations: { note },
    artifactType: SIGSTORE_BUNDLE,
  });
}

describe("an image in a layout folder", () => {
  it("is found by its tag and by its digest, as it was stored", async () => {
    const { layout, image } = await withImage();
    for (const reference of ["v1", image.digest]) {
      const found = await layout.getManifest(reference);
      expect(found).toMatchObject({ digest: image.digest, mediaType: OCI_MANIFEST, size: image.bytes.length });
      expect(Buffer.from(found?.bytes ?? []).equals(image.bytes)).toBe(true);
    }
    expect(await layout.listTags()).toEqual(["v1"]);
  });

  it("has its blobs, checked and bounded", async () => {
    const { layout, image } = await withImage();
    const config = (await layout.getManifest(image.digest))?.content.config;
    if (config === undefined) throw new Error("no config");
    expect((await layout.getBlob(config, 10_000)).length).toBe(config.size);
    expect(await codeOf(layout.getBlob(config, config.size - 1))).toBe("E_TOO_LARGE");
    expect(await codeOf(layout.getBlob({ ...config, size: config.size - 1 }, 10_000))).toBe("E_DIGEST_MISMATCH");
    expect(await codeOf(layout.getBlob({ ...config, digest: digestOf(new Uint8Array([9])) }, 10_000))).toBe(
      "E_BLOB_MISSING",
    );
  });

  it("is not there under another name", async () => {
    const { layout } = await withImage();
    expect(await layout.getManifest("v2")).toBeUndefined();
    expect(await layout.getManifest("latest")).toBeUndefined();
    expect(await layout.getManifest(digestOf(new Uint8Array([9])))).toBeUndefined();
  });

  it("keeps Docker's types, and sha512", async () => {
    const { layout } = newLayout();
    await pushImage(layout, { tag: "docker", docker: true });
    expect((await layout.getManifest("docker"))?.mediaType).toBe(DOCKER_MANIFEST);
    const bytes = buildIndex({ manifests: [] });
    const digest = digestOf(bytes, "sha512");
    expect((await layout.putManifest(digest, { bytes, mediaType: OCI_INDEX })).digest).toBe(digest);
    expect((await layout.getManifest(digest))?.digest).toBe(digest);
  });

  it("has the images of an index by digest", async () => {
    const { layout } = newLayout();
    const platforms = [
      { os: "linux", architecture: "amd64" },
      { os: "linux", architecture: "arm64", variant: "v8" },
    ];
    const index = await pushImage(layout, { tag: "multi", platforms });
    const found = await layout.getManifest("multi");
    expect(found?.content.manifests?.map(({ platform }) => platform)).toEqual(platforms);
    for (const child of index.children) expect((await layout.getManifest(child.digest))?.digest).toBe(child.digest);
    expect(await layout.listTags()).toEqual(["multi"]);
  });

  it("moves to another manifest with its tag; the old one stays by digest", async () => {
    const { path, layout, image } = await withImage();
    const next = await pushImage(layout, { tag: "v1" });
    expect((await layout.getManifest("v1"))?.digest).toBe(next.digest);
    expect((await layout.getManifest(image.digest))?.digest).toBe(image.digest);
    expect(indexOf(path).manifests.map(({ digest }) => digest)).toEqual([next.digest]);
  });

  it("has several tags", async () => {
    const { layout, image } = await withImage();
    await layout.putManifest("v2", image);
    expect(await layout.listTags()).toEqual(["v1", "v2"]);
    expect((await layout.getManifest("v1"))?.digest).toBe((await layout.getManifest("v2"))?.digest);
  });

  it("leaves everything else in index.json as it was", async () => {
    const { path, layout, image } = await withImage();
    const { manifests, ...rest } = indexOf(path);
    const foreign = {
      ...manifests[0],
      annotations: { other: "x", [REF_NAME]: "registry.example/app:1" },
      urls: ["u"],
      "x-y": { z: 1 },
    };
    writeIndex(path, { ...rest, annotations: { top: "1" }, "x-top": [1], manifests: [foreign, ...manifests] });
    await layout.putManifest("v3", image);
    expect(indexOf(path)).toMatchObject({ annotations: { top: "1" }, "x-top": [1] });
    expect(indexOf(path).manifests[0]).toEqual(foreign);
    expect(await layout.listTags()).toEqual(["v1", "v3"]);
    expect((await layout.getManifest("v3"))?.digest).toBe(image.digest);
  });
});

describe("a write under a condition", () => {
  it("happens only where the condition holds", async () => {
    const { layout, image } = await withImage();
    const other = await pushImage(layout);
    const etag = (await layout.getManifest("v1"))?.etag ?? "";
    expect(await codeOf(layout.putManifest("v1", other, { ifNoneMatch: true }))).toBe("E_REGISTRY_CONFLICT");
    expect(await codeOf(layout.putManifest("v1", other, { ifMatch: '"other"' }))).toBe("E_REGISTRY_CONFLICT");
    expect((await layout.getManifest("v1"))?.digest).toBe(image.digest);
    await layout.putManifest("v1", other, { ifMatch: etag });
    await layout.putManifest("v2", other, { ifNoneMatch: true });
    expect((await layout.getManifest("v1"))?.digest).toBe(other.digest);
    expect(await codeOf(layout.putManifest("v3", other, { ifMatch: etag }))).toBe("E_REGISTRY_CONFLICT");
  });

  it("lets exactly one of many writers through", async () => {
    const { path, layout } = newLayout();
    const images = await Promise.all(Array.from({ length: 6 }, () => pushImage(layout)));
    const writes = images.map((image) =>
      codeOf(openLayout(host, path).putManifest("v1", image, { ifNoneMatch: true })),
    );
    const codes = await Promise.all(writes);
    expect(codes.sort()).toEqual([...Array.from({ length: 5 }, () => "E_REGISTRY_CONFLICT"), "done"]);
  });
});

describe("many writers of one folder", () => {
  it("lose nothing, though each has opened it for itself, and leave no lock behind", async () => {
    const { path } = newLayout();
    const names = Array.from({ length: 16 }, (_, at) => `t${String(at).padStart(2, "0")}`);
    await Promise.all(names.map((tag) => pushImage(openLayout(host, path), { tag })));
    expect(await openLayout(host, path).listTags()).toEqual(names);
    expect(readdirSync(path).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  });

  /** Time that passes only while somebody sleeps. */
  function patientHost(): LayoutHost & { slept: number } {
    const patient = {
      ...host,
      slept: 0,
      async sleep(milliseconds: number) {
        patient.slept += milliseconds;
        await new Promise((resolve) => setImmediate(resolve));
      },
    };
    return patient;
  }

  it("take over the lock of one that died, one at a time", async () => {
    const { path, layout } = newLayout();
    await pushImage(layout, { tag: "first" });
    writeFileSync(join(path, "index.json.lock"), "somebody who died");
    const names = Array.from({ length: 8 }, (_, at) => `t${at}`);
    await Promise.all(names.map((tag) => pushImage(openLayout(patientHost(), path), { tag })));
    expect(await layout.listTags()).toEqual(["first", ...names]);
    expect(readdirSync(path).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  });

  it("wait for one that lives, and give up with the name of the lock", async () => {
    const { path, layout, image } = await withImage();
    const lock = join(path, "index.json.lock");
    const busy = patientHost();
    const sleep = busy.sleep;
    let holder = 0;
    busy.sleep = async (milliseconds) => {
      holder += 1;
      writeFileSync(lock, `holder ${holder}`);
      await sleep(milliseconds);
    };
    writeFileSync(lock, "holder 0");
    const before = readFileSync(join(path, "index.json"), "utf8");
    const error = await openLayout(busy, path)
      .putManifest("v2", image)
      .catch((thrown: unknown) => thrown);
    if (!isCountersignError(error)) throw error;
    expect([error.code, error.retry, error.hint?.includes(lock)]).toEqual(["E_REGISTRY_CONFLICT", true, true]);
    expect(busy.slept).toBeGreaterThanOrEqual(60_000);
    expect(readFileSync(join(path, "index.json"), "utf8")).toBe(before);
    expect(await layout.listTags()).toEqual(["v1"]);
  });
});

describe("referrers in a layout folder", () => {
  it("are listed in index.json without a name, and found as descriptors", async () => {
    const { path, layout, image } = await withImage();
    const bytes = referrer(image.descriptor, "one");
    const { digest, subject } = await layout.putManifest(digestOf(bytes), { bytes, mediaType: OCI_MANIFEST });
    expect(subject).toBe(image.digest);
    const listed = indexOf(path).manifests.at(-1);
    expect(listed).toEqual({ mediaType: OCI_MANIFEST, digest, size: bytes.length, artifactType: SIGSTORE_BUNDLE });
    expect(await layout.listReferrers(image.digest)).toEqual({
      supported: true,
      truncated: undefined,
      descriptors: [
        {
          mediaType: OCI_MANIFEST,
          digest,
          size: bytes.length,
          artifactType: SIGSTORE_BUNDLE,
          annotations: { note: "one" },
        },
      ],
    });
    expect((await layout.listReferrers(digestOf(new Uint8Array([9])))).descriptors).toEqual([]);
    expect(await layout.listTags()).toEqual(["v1"]);
  });

  it("cannot name themselves by what they are annotated with", async () => {
    const { layout, image } = await withImage();
    await pushImage(layout, {
      subject: image.descriptor,
      annotations: { [REF_NAME]: "v1", kind: "dev.cosignproject.cosign/image" },
    });
    expect(await layout.listTags()).toEqual(["v1"]);
    expect((await layout.getManifest("v1"))?.digest).toBe(image.digest);
  });

  it("are listed once, however often they are stored", async () => {
    const { path, layout, image } = await withImage();
    const bytes = referrer(image.descriptor, "one");
    for (let time = 0; time < 3; time += 1)
      await layout.putManifest(digestOf(bytes), { bytes, mediaType: OCI_MANIFEST });
    expect(indexOf(path).manifests.length).toBe(2);
    expect((await layout.listReferrers(image.digest)).descriptors.length).toBe(1);
  });

  it("are found among blobs that no index names", async () => {
    const { path, layout, image } = await withImage();
    await layout.listReferrers(image.digest);
    const bytes = referrer(image.descriptor, "hidden");
    const digest = await layout.putBlob(bytes);
    await layout.putBlob(new TextEncoder().encode('{"subject":"of a letter"}'));
    await layout.putBlob(new Uint8Array([0xff, 0xfe]));
    writeFileSync(join(path, "blobs", "sha256", "README"), "not a blob");
    expect((await layout.listReferrers(image.digest)).descriptors.map((found) => found.digest)).toEqual([digest]);
  });

  it("that index.json names but nobody can read are listed, so that fetching them tells why", async () => {
    const { path, layout, image } = await withImage();
    const bytes = referrer(image.descriptor, "one");
    const { digest } = await layout.putManifest(digestOf(bytes), { bytes, mediaType: OCI_MANIFEST });
    writeFileSync(blobFile(path, digest), "tampered with");
    const again = openLayout(host, path);
    expect((await again.listReferrers(image.digest)).descriptors.map((found) => found.digest)).toEqual([digest]);
    expect(await codeOf(again.getManifest(digest))).toBe("E_DIGEST_MISMATCH");
    rmSync(blobFile(path, digest));
    expect((await openLayout(host, path).listReferrers(image.digest)).descriptors).toEqual([]);
  });

  it("are not looked for in the layers of an image", async () => {
    const { path, image, layout } = await withImage();
    const { config, layers = [] } = (await layout.getManifest("v1"))?.content ?? {};
    const read: string[] = [];
    const watched: LayoutHost = {
      ...host,
      files: {
        ...host.files,
        read: (file, limit) => {
          read.push(file);
          return host.files.read(file, limit);
        },
      },
    };
    await openLayout(watched, path).listReferrers(image.digest);
    for (const part of [config, ...layers]) expect(read).not.toContain(blobFile(path, part?.digest ?? image.digest));
    expect(read).toContain(blobFile(path, image.digest));
  });

  it("are looked for within a limit, which is named", async () => {
    const names = Array.from({ length: LIMITS.layoutBlobs + 5 }, (_, at) =>
      digestHex(digestOf(new TextEncoder().encode(`${at}`))),
    );
    const { path, image } = await withImage();
    let read = 0;
    const crowded: LayoutHost = {
      ...host,
      files: {
        ...host.files,
        list: async (folder) => (folder.endsWith("sha256") ? names : []),
        async read(file, limit) {
          if (!file.includes("/blobs/") || existsSync(file)) return host.files.read(file, limit);
          read += 1;
          return new Uint8Array([1]);
        },
      },
    };
    const answer = await openLayout(crowded, path).listReferrers(image.digest);
    expect(answer.truncated).toContain(String(LIMITS.layoutBlobs));
    expect(read).toBe(LIMITS.layoutBlobs);
  });
});

describe("a layout of which a file cannot be read", () => {
  it("could not be looked at: no wrong use, for the work has begun", async () => {
    const { path, image } = await withImage();
    const file = join(path, "blobs", "sha256", digestHex(image.digest));
    rmSync(file);
    mkdirSync(file);
    const failure = openLayout(host, path).getManifest(image.digest);
    await expect(failure).rejects.toMatchObject({ code: "E_FILE_UNREADABLE", exit: 3 });
  });
});

describe("a folder that names no image", () => {
  async function unnamed(): Promise<{ path: string; image: PushedImage }> {
    const { path, image } = await withImage();
    const index = indexOf(path);
    writeIndex(path, { ...index, manifests: index.manifests.map(({ annotations: _, ...entry }) => entry) });
    return { path, image };
  }

  it("has its only image under latest, which is what no tag means", async () => {
    const { path, image } = await unnamed();
    const layout = openLayout(host, path);
    expect((await layout.getManifest("latest"))?.digest).toBe(image.digest);
    expect(await layout.getManifest("v1")).toBeUndefined();
    expect(await layout.listTags()).toEqual([]);
  });

  it("still has it there when it has referrers", async () => {
    const { path, image } = await unnamed();
    const layout = openLayout(host, path);
    const bytes = referrer(image.descriptor, "one");
    await layout.putManifest(digestOf(bytes), { bytes, mediaType: OCI_MANIFEST });
    expect((await openLayout(host, path).getManifest("latest"))?.digest).toBe(image.digest);
  });

  it("gives it its name when it is tagged", async () => {
    const { path, image } = await unnamed();
    const layout = openLayout(host, path);
    await layout.putManifest("v2", image);
    expect(indexOf(path).manifests.map(({ annotations }) => annotations)).toEqual([{ [REF_NAME]: "v2" }]);
    expect(await layout.getManifest("latest")).toBeUndefined();
  });

  it("has none there when it holds two", async () => {
    const { path } = await unnamed();
    const layout = openLayout(host, path);
    const second = await pushImage(layout, { tag: "v2" });
    const index = indexOf(path);
    writeIndex(path, { ...index, manifests: index.manifests.map(({ annotations: _, ...entry }) => entry) });
    expect(await openLayout(host, path).getManifest("latest")).toBeUndefined();
    await layout.putManifest("latest", second);
    expect((await layout.getManifest("latest"))?.digest).toBe(second.digest);
  });
});

describe("a folder that cosign save wrote", () => {
  const KIND = "dev.cosignproject.cosign/";

  /** As cosign 3.1.2 leaves it: kinds in place of names, and the bundle in blobs alone. */
  async function saved() {
    const { path, layout } = newLayout();
    const image = await pushImage(layout);
    const signatures = await pushImage(layout);
    const attestations = await pushImage(layout);
    const bundle = await layout.putBlob(referrer(image.descriptor, "bundle"));
    const entry = (pushed: PushedImage, kind: string) => ({
      ...pushed.descriptor,
      annotations: { kind: KIND + kind },
      artifactType: OCI_CONFIG,
    });
    writeIndex(path, {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [entry(image, "image"), entry(signatures, "sigs"), entry(attestations, "atts")],
    });
    return { path, image, signatures, attestations, bundle, layout: openLayout(host, path) };
  }

  it("has the image, its .sig, its .att and its bundles where the registry had them", async () => {
    const { layout, image, signatures, attestations, bundle } = await saved();
    const stem = image.digest.replace(":", "-");
    expect((await layout.getManifest("latest"))?.digest).toBe(image.digest);
    expect((await layout.getManifest(`${stem}.sig`))?.digest).toBe(signatures.digest);
    expect((await layout.getManifest(`${stem}.att`))?.digest).toBe(attestations.digest);
    expect((await layout.listReferrers(image.digest)).descriptors.map(({ digest }) => digest)).toEqual([bundle]);
  });

  it("has no signatures for another image", async () => {
    const { layout, signatures } = await saved();
    expect(await layout.getManifest(`${signatures.digest.replace(":", "-")}.sig`)).toBeUndefined();
    expect(await layout.getManifest(`sha256-${"0".repeat(64)}.sig`)).toBeUndefined();
  });

  it("takes a new .sig in the place of the old, still of its kind", async () => {
    const { path, layout, image, signatures } = await saved();
    const tag = `${image.digest.replace(":", "-")}.sig`;
    const before = await layout.getManifest(tag);
    const next = await pushImage(layout);
    await layout.putManifest(tag, next, { ifMatch: before?.etag ?? "" });
    expect((await layout.getManifest(tag))?.digest).toBe(next.digest);
    const { manifests } = indexOf(path);
    expect(manifests.map(({ digest }) => digest)).not.toContain(signatures.digest);
    expect(manifests.at(-1)?.annotations).toEqual({ kind: `${KIND}sigs`, [REF_NAME]: tag });
  });
});

describe("a folder that is damaged or no layout", () => {
  it("is refused with its path, and not taken for empty", async () => {
    const folder = temporaryFolder();
    for (const path of [folder, join(folder, "absent"), "/dev/null"]) {
      const layout = openLayout(host, path);
      const works = [layout.getManifest("v1"), layout.listTags(), layout.listReferrers(digestOf(new Uint8Array()))];
      expect(new Set(await Promise.all(works.map(codeOf)))).toEqual(new Set(["E_LAYOUT_INVALID"]));
    }
  });

  it.each([
    ["no index.json", (path: string) => rmSync(join(path, "index.json"))],
    ["an index.json that is no JSON", (path: string) => writeIndex(path, "{")],
    ["an index.json that is a list", (path: string) => writeIndex(path, [])],
    ["an index.json of another kind", (path: string) => writeIndex(path, { schemaVersion: 2, layers: [] })],
    ["an index.json of two kinds", (path: string) => writeIndex(path, { schemaVersion: 2, manifests: [], layers: [] })],
    [
      "an index.json that leads out of the folder",
      (path: string) =>
        writeIndex(path, {
          schemaVersion: 2,
          manifests: [
            {
              mediaType: OCI_MANIFEST,
              digest: "sha256:../../../../etc/passwd",
              size: 1,
              annotations: { [REF_NAME]: "v1" },
            },
          ],
        }),
    ],
    [
      "a marker of another version",
      (path: string) => writeFileSync(join(path, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}'),
    ],
    ["a marker without a version", (path: string) => writeFileSync(join(path, "oci-layout"), "{}")],
    ["a marker that is no JSON", (path: string) => writeFileSync(join(path, "oci-layout"), "1.0.0")],
    [
      "a tag that names two images",
      (path: string) => {
        const index = indexOf(path);
        const [first] = index.manifests;
        writeIndex(path, { ...index, manifests: [first, { ...first, digest: digestOf(new Uint8Array([1])) }] });
      },
    ],
    ["a tag whose manifest is not there", (path: string) => rmSync(join(path, "blobs"), { recursive: true })],
  ])("is refused: %s", async (_, damage) => {
    const { path } = await withImage();
    damage(path);
    expect(await codeOf(openLayout(host, path).getManifest("v1"))).toBe("E_LAYOUT_INVALID");
  });

  it("gives no manifest whose bytes, type or shape are not what was named", async () => {
    const { path, layout, image } = await withImage();
    const index = indexOf(path);
    writeIndex(path, { ...index, manifests: index.manifests.map((entry) => ({ ...entry, mediaType: OCI_INDEX })) });
    expect(await codeOf(layout.getManifest("v1"))).toBe("E_MANIFEST_INVALID");
    writeIndex(path, index);
    const { layers = [] } = (await layout.getManifest("v1"))?.content ?? {};
    expect(await codeOf(layout.getManifest(layers[0]?.digest ?? ""))).toBe("E_MANIFEST_INVALID");
    expect(await codeOf(layout.getManifest("v1", { limit: 10 }))).toBe("E_TOO_LARGE");
    writeFileSync(blobFile(path, image.digest), "tampered with");
    expect(await codeOf(layout.getManifest("v1"))).toBe("E_DIGEST_MISMATCH");
    expect(await codeOf(layout.getManifest(image.digest))).toBe("E_DIGEST_MISMATCH");
  });

  it("checks a blob that a link brings in from elsewhere", async () => {
    const { path, layout, image } = await withImage();
    rmSync(blobFile(path, image.digest));
    symlinkSync("/etc/hostname", blobFile(path, image.digest));
    expect(await codeOf(layout.getManifest(image.digest))).toBe("E_DIGEST_MISMATCH");
  });

  it("is not written into", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "precious.txt"), "mine");
    expect(await codeOf(openLayout(host, folder).putBlob(new Uint8Array([1])))).toBe("E_LAYOUT_INVALID");
    expect(await codeOf(pushImage(openLayout(host, folder), { tag: "v1" }))).toBe("E_LAYOUT_INVALID");
    expect(readdirSync(folder)).toEqual(["precious.txt"]);
  });

  it("is made where there is nothing, or an empty folder", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "empty"));
    for (const path of [join(folder, "empty"), join(folder, "new", "deep")]) {
      await pushImage(openLayout(host, path), { tag: "v1" });
      expect(JSON.parse(readFileSync(join(path, "oci-layout"), "utf8"))).toEqual({ imageLayoutVersion: "1.0.0" });
      expect(await openLayout(host, path).listTags()).toEqual(["v1"]);
    }
  });

  it("takes nothing that is not what it is called", async () => {
    const { layout, image } = await withImage();
    const { bytes, mediaType } = image;
    expect(await codeOf(layout.putManifest(digestOf(new Uint8Array()), { bytes, mediaType }))).toBe(
      "E_DIGEST_MISMATCH",
    );
    expect(await codeOf(layout.putManifest("v1", { bytes, mediaType: OCI_INDEX }))).toBe("E_MANIFEST_INVALID");
    expect(await codeOf(layout.putManifest("v1", { bytes: new Uint8Array([1]), mediaType }))).toBe(
      "E_MANIFEST_INVALID",
    );
  });

  it("is never left by any name that is asked for", async () => {
    const { path, layout } = await withImage();
    const touched: string[] = [];
    const watched: LayoutHost = {
      ...host,
      files: {
        ...host.files,
        read: (file, limit) => {
          touched.push(file);
          return host.files.read(file, limit);
        },
      },
    };
    const watching = openLayout(watched, path);
    const hostile = fc.constantFrom(
      "..",
      "/",
      "../../etc/passwd",
      "sha256:",
      "sha256:..",
      "a".repeat(64),
      "\\",
      "%2e",
      "\0",
      "latest",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 4 }), async (parts) => {
        const reference = parts.join("");
        expect(["done", "E_REFERENCE_INVALID"]).toContain(await codeOf(watching.getManifest(reference)));
      }),
    );
    expect(
      touched.filter((file) => !/\/(?:oci-layout|index\.json|blobs\/sha(?:256|512)\/[0-9a-f]+)$/.test(file)),
    ).toEqual([]);
    expect(await codeOf(layout.getManifest("../v1"))).toBe("E_REFERENCE_INVALID");
  });
});
