import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/model/limits.ts";
import { OCI_INDEX } from "../../src/model/media-types.ts";
import { buildIndex } from "../../src/oci/build-manifest.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { descendants, resolve } from "../../src/operations/resolve.ts";
import { createMemoryRegistry, openMemoryRepository } from "../stores/support/memory-repository.ts";
import { type PushedImage, pushImage, type Sink } from "../support/images.ts";

const repository = () => openMemoryRepository(createMemoryRegistry());
const named = (tail: string) => parseReference(`registry.example.com/app${tail}`);

async function index(sink: Sink, children: readonly PushedImage["descriptor"][], tag: string) {
  const bytes = buildIndex({ manifests: children });
  const { digest } = await sink.putManifest(tag, { bytes, mediaType: OCI_INDEX });
  return { mediaType: OCI_INDEX, digest, size: bytes.length };
}

describe("resolving a reference", () => {
  it("pins the digest that a tag names", async () => {
    const there = repository();
    const image = await pushImage(there, { tag: "1" });
    const { subject } = await resolve(there, named(":1"));
    expect(subject).toMatchObject({ repository: there.name, digest: image.digest, size: image.bytes.length });
  });

  it("goes by the digest, whatever the tag beside it names", async () => {
    const there = repository();
    const [one] = [await pushImage(there, { tag: "1" }), await pushImage(there, { tag: "2" })];
    expect((await resolve(there, named(`:2@${one.digest}`))).subject.digest).toBe(one.digest);
  });

  it("says that there is no such image", async () => {
    await expect(resolve(repository(), named(":1"))).rejects.toMatchObject({ code: "E_SUBJECT_NOT_FOUND", exit: 1 });
  });
});

describe("the images of an index", () => {
  it("are those at every depth, parents first", async () => {
    const there = repository();
    const leaves = [await pushImage(there), await pushImage(there)];
    const inner = await index(
      there,
      leaves.map(({ descriptor }) => descriptor),
      "inner",
    );
    await index(there, [inner], "outer");
    const { manifest } = await resolve(there, named(":outer"));
    const found = await descendants(there, manifest);
    expect(found.map(({ subject }) => subject.digest)).toEqual([inner.digest, ...leaves.map(({ digest }) => digest)]);
  });

  it("are none for an image", async () => {
    const there = repository();
    await pushImage(there, { tag: "1" });
    expect(await descendants(there, (await resolve(there, named(":1"))).manifest)).toEqual([]);
  });

  it("nested deeper than the limit are refused", async () => {
    const there = repository();
    let inner = (await pushImage(there)).descriptor;
    for (let depth = 0; depth <= LIMITS.indexDepth; depth += 1) inner = await index(there, [inner], `depth-${depth}`);
    const { manifest } = await resolve(there, named(`:depth-${LIMITS.indexDepth}`));
    await expect(descendants(there, manifest)).rejects.toMatchObject({ code: "E_LIMIT" });
  });

  it("beyond number are refused before the first is fetched", async () => {
    const there = repository();
    const { descriptor } = await pushImage(there);
    await index(
      there,
      Array.from({ length: LIMITS.indexChildren + 1 }, () => descriptor),
      "many",
    );
    const { manifest } = await resolve(there, named(":many"));
    await expect(descendants(there, manifest)).rejects.toMatchObject({ code: "E_LIMIT" });
  });

  it("that are not all there are refused", async () => {
    const there = repository();
    const lost = { mediaType: OCI_INDEX, digest: `sha256:${"0".repeat(64)}`, size: 1 } as const;
    await index(there, [lost], "half");
    const { manifest } = await resolve(there, named(":half"));
    await expect(descendants(there, manifest)).rejects.toMatchObject({ code: "E_SUBJECT_NOT_FOUND" });
  });
});
