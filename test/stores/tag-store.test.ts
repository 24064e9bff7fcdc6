import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/model/digest.ts";
import { CountersignError } from "../../src/model/errors.ts";
import { LIMITS } from "../../src/model/limits.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, SIMPLE_SIGNING } from "../../src/model/media-types.ts";
import { createTagStore, signatureTag } from "../../src/stores/tag-store.ts";
import {
  createMemoryRegistry,
  type MemoryOptions,
  type MemoryRegistry,
  openMemoryRepository,
} from "./support/memory-repository.ts";
import { layerOf, settle, subject } from "./support/samples.ts";
import { createVirtualTime } from "./support/virtual-time.ts";

const tag = signatureTag(subject.digest);

function start(options: MemoryOptions = {}) {
  const registry = createMemoryRegistry(options);
  const time = createVirtualTime();
  const store = createTagStore(openMemoryRepository(registry), settle, time.host);
  return { registry, time, store };
}

function documentUnder(registry: MemoryRegistry, name: string): Record<string, unknown> {
  const bytes = registry.manifests.get(registry.tags.get(name) ?? "")?.bytes ?? new Uint8Array();
  return JSON.parse(Buffer.from(bytes).toString());
}

function putUnder(registry: MemoryRegistry, name: string, document: object, mediaType: string): void {
  const bytes = Buffer.from(JSON.stringify(document));
  registry.manifests.set(digestOf(bytes), { bytes, mediaType });
  registry.tags.set(name, digestOf(bytes));
}

describe("an image without signatures", () => {
  it("has an empty listing, and nothing that could not be looked at", async () => {
    const { store } = start();
    expect(await store.list(subject.digest)).toEqual({ entries: [], failures: [] });
  });

  it("gets a manifest that cosign can read and append to", async () => {
    const { registry, time, store } = start();
    await time.run(store.append(subject, layerOf("alice")));
    const document = documentUnder(registry, tag);
    const { bytes, annotations } = layerOf("alice");
    expect(document).toMatchObject({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG },
      layers: [{ mediaType: SIMPLE_SIGNING, size: bytes.length, digest: digestOf(bytes), annotations }],
    });
    const { digest } = document["config"] as { digest: string };
    const config = JSON.parse(Buffer.from(registry.blobs.get(digest) ?? []).toString());
    expect(config.rootfs).toEqual({ type: "layers", diff_ids: [digestOf(bytes)] });
    expect(config.history).toHaveLength(1);
  });

  it("is signed with one reading of the tag before and one after, when it has just been listed", async () => {
    const { registry, time, store } = start();
    await store.list(subject.digest);
    const entry = await time.run(store.append(subject, layerOf("alice")));
    await store.fetch(entry, subject.digest);
    expect(registry.requests.map((request) => request.replace(/ sha256\S+/, ""))).toEqual([
      "GET",
      "PUT blob",
      "PUT blob",
      "PUT",
      "GET",
      "GET blob",
    ]);
  });
});

describe("an image with signatures", () => {
  it("keeps them, in their order, beside a new one", async () => {
    const { time, store } = start();
    for (const signer of ["alice", "bob", "carol"]) await time.run(store.append(subject, layerOf(signer)));
    const { entries } = await store.list(subject.digest);
    expect(entries.map(({ descriptor }) => descriptor.annotations)).toEqual(
      ["alice", "bob", "carol"].map((signer) => layerOf(signer).annotations),
    );
  });

  it("gives each with its bytes, its annotations and its place, sharing a payload on its way", async () => {
    const { registry, time, store } = start();
    for (const signer of ["alice", "bob"]) await time.run(store.append(subject, layerOf(signer)));
    const { entries } = await store.list(subject.digest);
    registry.requests.length = 0;
    const stored = await Promise.all(entries.map((entry) => store.fetch(entry, subject.digest)));
    expect(stored).toEqual(
      ["alice", "bob"].map((signer) => {
        const { bytes, annotations, mediaType } = layerOf(signer);
        return { place: { kind: "tag", name: tag, digest: digestOf(bytes) }, mediaType, bytes, annotations };
      }),
    );
    expect(registry.requests).toHaveLength(1);
  });

  it("is left alone when the same signature comes again", async () => {
    const { registry, time, store } = start();
    await time.run(store.append(subject, layerOf("alice")));
    const before = registry.tags.get(tag);
    registry.requests.length = 0;
    await time.run(store.append(subject, layerOf("alice")));
    expect(registry.tags.get(tag)).toBe(before);
    expect(registry.requests).toEqual([`GET ${tag}`]);
  });

  it("keeps what others wrote that is not known here", async () => {
    const { registry, time, store } = start();
    const layer = {
      mediaType: "application/x",
      digest: digestOf(Buffer.from("x")),
      size: 1,
      urls: ["https://example.com"],
    };
    registry.blobs.set(layer.digest, Buffer.from("x"));
    const config = { mediaType: OCI_CONFIG, digest: layer.digest, size: 1 };
    const annotations = { note: "theirs" };
    putUnder(
      registry,
      tag,
      { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer], annotations },
      OCI_MANIFEST,
    );
    await time.run(store.append(subject, layerOf("alice")));
    const document = documentUnder(registry, tag);
    expect(document).toMatchObject({ annotations, layers: [layer, { mediaType: SIMPLE_SIGNING }] });
  });

  it("is not added to beyond the number that is read", async () => {
    const { registry, time, store } = start();
    fill(registry, LIMITS.signatures);
    await expect(time.run(store.append(subject, layerOf("one too many")))).rejects.toMatchObject({ code: "E_LIMIT" });
  });

  it("is listed up to the limit, and says that there is more", async () => {
    const { registry, store } = start();
    fill(registry, LIMITS.signatures + 5);
    const { entries, failures } = await store.list(subject.digest);
    expect(entries).toHaveLength(LIMITS.signatures);
    expect(failures).toMatchObject([{ code: "E_LIMIT", place: `tag ${tag}` }]);
  });
});

function fill(registry: MemoryRegistry, count: number): void {
  const { bytes, mediaType } = layerOf("");
  registry.blobs.set(digestOf(bytes), bytes);
  const layers = Array.from({ length: count }, (_, index) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
    annotations: { index: String(index) },
  }));
  const config = { mediaType: OCI_CONFIG, digest: digestOf(bytes), size: bytes.length };
  putUnder(registry, tag, { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers }, OCI_MANIFEST);
}

describe("a payload that is foretold", () => {
  const { bytes } = layerOf("alice");
  const payload = { mediaType: SIMPLE_SIGNING, digest: digestOf(bytes), size: bytes.length };
  const getBlob = `GET blob ${payload.digest}`;

  async function foretold(registry: MemoryRegistry, descriptor = payload) {
    const store = createTagStore(openMemoryRepository(registry), settle, createVirtualTime().host, {
      foretell: () => descriptor,
    });
    registry.requests.length = 0;
    const { entries, failures } = await store.list(subject.digest);
    expect(failures).toEqual([]);
    return { store, entry: entries[0] };
  }

  async function signed(options: MemoryOptions = {}) {
    const started = start(options);
    await started.time.run(started.store.append(subject, layerOf("alice")));
    return started.registry;
  }

  it("is asked for together with the tag, and once", async () => {
    const registry = await signed();
    const { store, entry } = await foretold(registry);
    expect(registry.requests).toEqual([getBlob, `GET ${tag}`]);
    if (entry === undefined) throw new Error("nothing is listed");
    expect(Buffer.from((await store.fetch(entry, subject.digest)).bytes)).toEqual(Buffer.from(bytes));
    expect(registry.requests).toEqual([getBlob, `GET ${tag}`]);
  });

  it("is asked for again when it did not come and a signature names it: no verdict rests on a guess", async () => {
    const registry = await signed();
    registry.blobs.delete(payload.digest);
    const { store, entry } = await foretold(registry);
    if (entry === undefined) throw new Error("nothing is listed");
    await expect(store.fetch(entry, subject.digest)).rejects.toMatchObject({ code: "E_BLOB_MISSING" });
    expect(registry.requests).toEqual([getBlob, `GET ${tag}`, getBlob]);
  });

  it("is not taken where a signature names another, or another size", async () => {
    const registry = await signed();
    const other = Buffer.from("another payload");
    registry.blobs.set(digestOf(other), other);
    for (const wrong of [
      { ...payload, digest: digestOf(other), size: other.length },
      { ...payload, size: payload.size + 1 },
    ]) {
      const { store, entry } = await foretold(registry, wrong);
      if (entry === undefined) throw new Error("nothing is listed");
      expect(Buffer.from((await store.fetch(entry, subject.digest)).bytes)).toEqual(Buffer.from(bytes));
    }
  });

  it("that is not there is no failure of a listing in which nothing names it", async () => {
    const registry = createMemoryRegistry();
    expect((await foretold(registry)).entry).toBeUndefined();
  });
});

describe("a tag that cannot be read", () => {
  it.each(["E_REGISTRY_THROTTLED", "E_NETWORK", "E_REGISTRY_DENIED", "E_MANIFEST_INVALID"] as const)(
    "is a failure with the code %s, not an empty place",
    async (code) => {
      const { store } = start({
        fault: () => {
          throw new CountersignError(code, "the registry said no", { hint: "wait" });
        },
      });
      const { entries, failures } = await store.list(subject.digest);
      expect(entries).toEqual([]);
      expect(failures).toMatchObject([{ code, place: `tag ${tag}`, message: "the registry said no", hint: "wait" }]);
    },
  );

  it("is one that holds an index: listed as a failure, and never written over", async () => {
    const { registry, time, store } = start();
    putUnder(registry, tag, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }, OCI_INDEX);
    const before = registry.tags.get(tag);
    expect((await store.list(subject.digest)).failures).toMatchObject([{ code: "E_MANIFEST_UNSUPPORTED" }]);
    await expect(time.run(store.append(subject, layerOf("alice")))).rejects.toMatchObject({
      code: "E_MANIFEST_UNSUPPORTED",
    });
    expect(registry.tags.get(tag)).toBe(before);
  });

  it("does not hide a bug of ours", async () => {
    const { store } = start({
      fault: () => {
        throw new TypeError("ours");
      },
    });
    await expect(store.list(subject.digest)).rejects.toThrow(TypeError);
  });
});

describe("a sha512 digest", () => {
  const longer = { ...subject, digest: digestOf(Buffer.from("an image"), "sha512") };

  it("has no signature tag to list, and asks nothing", async () => {
    const { registry, store } = start();
    expect(await store.list(longer.digest)).toEqual({ entries: [], failures: [] });
    expect(registry.requests).toEqual([]);
  });

  it("is refused for signing, naming the other format", async () => {
    const { store } = start();
    await expect(store.append(longer, layerOf("alice"))).rejects.toMatchObject({
      code: "E_FORMAT_UNSUPPORTED",
      hint: expect.stringContaining("bundle"),
    });
  });
});
