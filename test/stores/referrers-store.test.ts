import { describe, expect, it } from "vitest";
import type { Descriptor } from "../../src/model/descriptor.ts";
import { type Digest, digestOf } from "../../src/model/digest.ts";
import { CountersignError } from "../../src/model/errors.ts";
import { OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, SIGSTORE_BUNDLE } from "../../src/model/media-types.ts";
import { buildImageManifest, buildIndex } from "../../src/oci/build-manifest.ts";
import { createReferrersStore, fallbackTag } from "../../src/stores/referrers-store.ts";
import {
  createMemoryRegistry,
  type MemoryOptions,
  type MemoryRegistry,
  openMemoryRepository,
} from "./support/memory-repository.ts";
import { bundleOf, settle, subject } from "./support/samples.ts";
import { createVirtualTime } from "./support/virtual-time.ts";

const tag = fallbackTag(subject.digest);
const emptyConfig = { mediaType: OCI_EMPTY, digest: digestOf(Buffer.from("{}")), size: 2 };

function start(options: MemoryOptions = {}) {
  const registry = createMemoryRegistry(options);
  const time = createVirtualTime();
  const store = createReferrersStore(openMemoryRepository(registry), settle, time.host);
  return { registry, time, store };
}

function put(registry: MemoryRegistry, bytes: Uint8Array, mediaType: string, name?: string): Descriptor {
  const digest = digestOf(bytes);
  registry.manifests.set(digest, { bytes, mediaType });
  if (name !== undefined) registry.tags.set(name, digest);
  return { mediaType, digest, size: bytes.length };
}

function blob(registry: MemoryRegistry, text: string): Descriptor {
  const bytes = Buffer.from(text);
  registry.blobs.set(digestOf(bytes), bytes);
  return { mediaType: SIGSTORE_BUNDLE, digest: digestOf(bytes), size: bytes.length };
}

/** A manifest that is listed for the subject, whatever it says itself. */
function listed(registry: MemoryRegistry, parts: { layers: Descriptor[]; subject?: Digest | undefined }): void {
  const bytes = buildImageManifest({
    artifactType: SIGSTORE_BUNDLE,
    config: emptyConfig,
    layers: parts.layers,
    subject: parts.subject && { mediaType: OCI_MANIFEST, digest: parts.subject, size: 8 },
  });
  const descriptor = put(registry, bytes, OCI_MANIFEST);
  put(registry, buildIndex({ manifests: [{ ...descriptor, artifactType: SIGSTORE_BUNDLE }] }), OCI_INDEX, tag);
}

describe.each([
  { kind: "with the referrers API", options: { referrersApi: true }, place: "referrer" },
  { kind: "without the referrers API", options: { referrersApi: false }, place: "fallback-tag" },
])("a registry $kind", ({ options, place }) => {
  it("shows what was appended, with its bytes, annotations, type and place", async () => {
    const { time, store } = start(options);
    const entry = await time.run(store.append(subject, bundleOf("alice")));
    const { entries, failures } = await store.list(subject.digest);
    expect(failures).toEqual([]);
    expect(entries.map(({ descriptor }) => descriptor)).toEqual([entry.descriptor]);
    expect(entry.descriptor).toMatchObject({
      artifactType: SIGSTORE_BUNDLE,
      annotations: bundleOf("alice").annotations,
    });
    const [found] = entries;
    if (found === undefined) throw new Error("nothing found");
    const { bytes, annotations, mediaType } = bundleOf("alice");
    expect(await store.fetch(found, subject.digest)).toEqual({
      place: { kind: place, name: entry.descriptor.digest, digest: digestOf(bytes) },
      mediaType,
      artifactType: SIGSTORE_BUNDLE,
      bytes,
      annotations,
    });
  });

  it("keeps several, and gains nothing when one comes again", async () => {
    const { registry, time, store } = start(options);
    for (const signer of ["alice", "bob", "alice"]) await time.run(store.append(subject, bundleOf(signer)));
    const { entries } = await store.list(subject.digest);
    expect(entries).toHaveLength(2);
    expect(registry.manifests.size).toBe(place === "referrer" ? 2 : 4);
  });
});

describe("a referrer as it is written", () => {
  it("has cosign's shape and no time, so that the same signature is the same manifest", async () => {
    const { registry, time, store } = start({ referrersApi: true });
    const { descriptor } = await time.run(store.append(subject, bundleOf("alice")));
    const { bytes } = bundleOf("alice");
    expect(JSON.parse(Buffer.from(registry.manifests.get(descriptor.digest)?.bytes ?? []).toString())).toEqual({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { ...emptyConfig, artifactType: SIGSTORE_BUNDLE },
      layers: [{ mediaType: SIGSTORE_BUNDLE, digest: digestOf(bytes), size: bytes.length }],
      annotations: bundleOf("alice").annotations,
      subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
      artifactType: SIGSTORE_BUNDLE,
    });
  });

  it("needs no tag where the registry has indexed it", async () => {
    const { registry, time, store } = start({ referrersApi: true });
    await time.run(store.append(subject, bundleOf("alice")));
    expect([...registry.tags]).toEqual([]);
    expect(registry.requests.filter((request) => request.startsWith("PUT"))).toHaveLength(3);
  });

  it("costs three requests more under the fallback tag than with the API, when the tag has just been listed", async () => {
    const { registry, time, store } = start({ referrersApi: false });
    await store.list(subject.digest);
    const entry = await time.run(store.append(subject, bundleOf("alice")));
    await store.fetch(entry, subject.digest);
    expect(registry.requests.map((request) => request.replace(/sha256:\S+/, "digest"))).toEqual([
      "GET referrers",
      `GET ${tag}`,
      "PUT blob",
      "PUT blob",
      "PUT digest",
      `PUT ${tag}`,
      `GET ${tag}`,
      "GET digest",
      "GET blob digest",
    ]);
  });
});

describe("a fallback index that others wrote", () => {
  it("keeps their entries, with members that are not known here", async () => {
    const { registry, time, store } = start();
    const theirs = { mediaType: OCI_MANIFEST, digest: digestOf(Buffer.from("x")), size: 1, data: "eA==" };
    const document = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [theirs], annotations: { note: "theirs" } };
    put(registry, Buffer.from(JSON.stringify(document)), OCI_INDEX, tag);
    await time.run(store.append(subject, bundleOf("alice")));
    const now = JSON.parse(Buffer.from(registry.manifests.get(registry.tags.get(tag) ?? "")?.bytes ?? []).toString());
    expect(now).toMatchObject({
      manifests: [theirs, { artifactType: SIGSTORE_BUNDLE }],
      annotations: { note: "theirs" },
    });
  });

  it("is read beside the API, each entry once", async () => {
    const { registry, time, store } = start({ referrersApi: true });
    await time.run(store.append(subject, bundleOf("both")));
    const [both] = (await store.list(subject.digest)).entries;
    const old: Descriptor = { mediaType: OCI_MANIFEST, digest: digestOf(Buffer.from("old")), size: 3 };
    put(registry, buildIndex({ manifests: both ? [both.descriptor, old] : [old] }), OCI_INDEX, tag);
    const { entries } = await store.list(subject.digest);
    expect(entries.map(({ place, descriptor }) => [place.kind, descriptor.digest])).toEqual([
      ["referrer", both?.descriptor.digest],
      ["fallback-tag", old.digest],
    ]);
  });
});

describe("a fallback tag that holds the image itself, as cosign copy leaves it", () => {
  const platform: Descriptor = { mediaType: OCI_MANIFEST, digest: digestOf(Buffer.from("linux")), size: 5 };
  const image = buildIndex({ manifests: [platform] });
  const copied = { ...subject, digest: digestOf(image), mediaType: OCI_INDEX, size: image.length };

  it("lists no referrers: its platforms are none", async () => {
    const { registry, store } = start();
    put(registry, image, OCI_INDEX, fallbackTag(copied.digest));
    expect(await store.list(copied.digest)).toEqual({ entries: [], failures: [] });
  });

  it("is not written over", async () => {
    const { registry, time, store } = start();
    put(registry, image, OCI_INDEX, fallbackTag(copied.digest));
    await expect(time.run(store.append(copied, bundleOf("alice")))).rejects.toMatchObject({
      code: "E_MANIFEST_UNSUPPORTED",
    });
    expect(registry.tags.get(fallbackTag(copied.digest))).toBe(copied.digest);
  });
});

describe("a place that cannot be looked at", () => {
  const broken = (pattern: RegExp) => ({
    fault: (request: string) => {
      if (pattern.test(request)) throw new CountersignError("E_REGISTRY_THROTTLED", "429");
    },
  });

  it("is a failure, and what the other place has still counts", async () => {
    const { registry, store } = start({ referrersApi: true, ...broken(/^GET referrers/) });
    const old: Descriptor = { mediaType: OCI_MANIFEST, digest: digestOf(Buffer.from("old")), size: 3 };
    put(registry, buildIndex({ manifests: [old] }), OCI_INDEX, tag);
    const { entries, failures } = await store.list(subject.digest);
    expect(entries).toHaveLength(1);
    expect(failures).toMatchObject([{ code: "E_REGISTRY_THROTTLED", place: "referrers API" }]);
  });

  it("is the fallback tag too", async () => {
    const { store } = start({ referrersApi: true, ...broken(/^GET sha256-/) });
    expect((await store.list(subject.digest)).failures).toMatchObject([{ place: `tag ${tag}` }]);
  });

  it("is an image under the fallback tag that is not this one", async () => {
    const { registry, store } = start();
    put(registry, buildImageManifest({ config: emptyConfig, layers: [] }), OCI_MANIFEST, tag);
    expect((await store.list(subject.digest)).failures).toMatchObject([{ code: "E_MANIFEST_UNSUPPORTED" }]);
  });

  it("is a list that was cut short", async () => {
    const repository = openMemoryRepository(createMemoryRegistry());
    const cut = {
      ...repository,
      listReferrers: async () => ({ supported: true, descriptors: [], truncated: "200 pages" }),
    };
    const { failures } = await createReferrersStore(cut, settle, createVirtualTime().host).list(subject.digest);
    expect(failures).toMatchObject([{ code: "E_LIMIT", message: expect.stringContaining("200 pages") }]);
  });
});

describe("a referrer that is not what it is listed as", () => {
  async function fetchOnly(change: (registry: MemoryRegistry) => void): Promise<unknown> {
    const { registry, store } = start();
    change(registry);
    const [entry] = (await store.list(subject.digest)).entries;
    if (entry === undefined) throw new Error("nothing is listed");
    return store.fetch(entry, subject.digest);
  }

  it("is refused when it names another subject", async () => {
    const other = digestOf(Buffer.from("another image"));
    const fetched = fetchOnly((registry) => listed(registry, { layers: [blob(registry, "{}")], subject: other }));
    await expect(fetched).rejects.toMatchObject({
      code: "E_SUBJECT_MISMATCH",
      message: expect.stringContaining(other),
    });
  });

  it("is refused when it names none", async () => {
    const fetched = fetchOnly((registry) => listed(registry, { layers: [blob(registry, "{}")] }));
    await expect(fetched).rejects.toMatchObject({ code: "E_SUBJECT_MISMATCH" });
  });

  it.each([0, 2])("is refused with %i layers", async (count) => {
    const fetched = fetchOnly((registry) => {
      const layers = Array.from({ length: count }, (_, index) => blob(registry, `{"n":${index}}`));
      listed(registry, { layers, subject: subject.digest });
    });
    await expect(fetched).rejects.toMatchObject({ code: "E_SIGNATURE_MALFORMED" });
  });

  it("is missing, not empty, when it is gone", async () => {
    const fetched = fetchOnly((registry) => {
      listed(registry, { layers: [blob(registry, "{}")], subject: subject.digest });
      for (const [digest, { mediaType }] of registry.manifests)
        if (mediaType === OCI_MANIFEST) registry.manifests.delete(digest);
    });
    await expect(fetched).rejects.toMatchObject({ code: "E_BLOB_MISSING" });
  });
});
