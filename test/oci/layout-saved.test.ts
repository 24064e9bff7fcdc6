import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Descriptor } from "../../src/model/descriptor.ts";
import { digestOf } from "../../src/model/digest.ts";
import { isCountersignError } from "../../src/model/errors.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/model/media-types.ts";
import {
  entryOfTag,
  imageEntries,
  kindOf,
  type LayoutIndex,
  nameOf,
  readLayoutIndex,
  writeLayoutIndex,
} from "../../src/oci/layout-index.ts";
import { type SavedImage, withSavedImage } from "../../src/oci/layout-saved.ts";

const utf8 = new TextEncoder();
const EMPTY = read({ schemaVersion: 2, manifests: [] });

function read(document: object): LayoutIndex {
  return readLayoutIndex(utf8.encode(JSON.stringify(document)), "index.json");
}

/** What stands in the file afterwards, read again. */
function save(index: LayoutIndex, saved: SavedImage): LayoutIndex {
  return readLayoutIndex(writeLayoutIndex(index, withSavedImage(index, saved)), "index.json");
}

function manifest(seed: string, mediaType = OCI_MANIFEST): Descriptor {
  return { mediaType, digest: digestOf(utf8.encode(seed)), size: seed.length };
}

function tagOf({ digest }: Descriptor, suffix: string): string {
  return `${digest.replace(":", "-")}.${suffix}`;
}

function image(seed: string, options: Partial<SavedImage> = {}): SavedImage {
  const descriptor = options.image ?? manifest(seed);
  const attachments = new Map([
    [tagOf(descriptor, "sig"), manifest(`${seed} sig`)],
    [tagOf(descriptor, "att"), manifest(`${seed} att`)],
    [tagOf(descriptor, "sbom"), manifest(`${seed} sbom`)],
  ]);
  const repository = "registry.example/app";
  return { image: descriptor, repository, tag: seed, attachments, referrers: [manifest(`${seed} ref`)], ...options };
}

function summary(index: LayoutIndex): unknown[] {
  return index.entries.map((entry) => [kindOf(entry), nameOf(entry), entry.descriptor.digest]);
}

describe("an image saved into an empty folder", () => {
  it("stands as cosign leaves it, with names beside the kinds", () => {
    const saved = image("one");
    const { digest } = saved.image;
    expect(summary(save(EMPTY, saved))).toEqual([
      ["image", "one", digest],
      ["sigs", tagOf(saved.image, "sig"), manifest("one sig").digest],
      ["atts", tagOf(saved.image, "att"), manifest("one att").digest],
      [undefined, tagOf(saved.image, "sbom"), manifest("one sbom").digest],
      [undefined, undefined, manifest("one ref").digest],
    ]);
  });

  it("is an imageIndex when it has several platforms; what hangs on these has no kind", () => {
    const child = manifest("child");
    const attachments = new Map([[tagOf(child, "sig"), manifest("child sig")]]);
    const index = save(EMPTY, image("multi", { image: manifest("multi", OCI_INDEX), attachments, referrers: [] }));
    expect(summary(index)).toEqual([
      ["imageIndex", "multi", manifest("multi").digest],
      [undefined, tagOf(child, "sig"), manifest("child sig").digest],
    ]);
  });

  it("by digest has no tag, and is known by its whole name", () => {
    const [entry] = save(EMPTY, image("one", { tag: undefined, repository: "index.docker.io/library/app" })).entries;
    expect(entry?.descriptor.annotations).toEqual({
      kind: "dev.cosignproject.cosign/image",
      "io.containerd.image.name": `docker.io/library/app@${manifest("one").digest}`,
    });
  });
});

describe("a second image saved into a folder", () => {
  const both = save(save(EMPTY, image("one")), image("two"));

  it("is what cosign then reads; the first keeps its name and all that hangs on it", () => {
    const kinds = both.entries.filter((entry) => kindOf(entry) !== undefined);
    expect(kinds.map((entry) => [kindOf(entry), nameOf(entry)])).toEqual([
      ["image", "two"],
      ["sigs", tagOf(manifest("two"), "sig")],
      ["atts", tagOf(manifest("two"), "att")],
    ]);
    for (const seed of ["one", "two"]) {
      expect(entryOfTag(both, seed)?.descriptor.digest).toBe(manifest(seed).digest);
      for (const suffix of ["sig", "att", "sbom"]) {
        const found = entryOfTag(both, tagOf(manifest(seed), suffix));
        expect(found?.descriptor.digest).toBe(manifest(`${seed} ${suffix}`).digest);
      }
      expect(both.entries.some(({ descriptor }) => descriptor.digest === manifest(`${seed} ref`).digest)).toBe(true);
    }
  });

  it("takes the place of one that had the same name in the same repository", () => {
    const moved = save(save(EMPTY, image("one")), image("one", { image: manifest("newer") }));
    expect(entryOfTag(moved, "one")?.descriptor.digest).toBe(manifest("newer").digest);
    expect(moved.entries.some(({ descriptor }) => descriptor.digest === manifest("one").digest)).toBe(false);
  });

  it("leaves one of the same tag in another repository, and the tag alone then names neither", () => {
    const other = save(save(EMPTY, image("1")), image("other", { tag: "1", repository: "registry.example/db" }));
    expect(imageEntries(other).map(({ descriptor }) => descriptor.digest)).toContain(manifest("1").digest);
    expect(() => entryOfTag(other, "1")).toThrow(/several manifests/);
  });

  it("saved again changes nothing", () => {
    expect(summary(save(both, image("two")))).toEqual(summary(both));
    expect(summary(save(save(both, image("one")), image("two")))).toEqual(summary(both));
  });
});

describe("a folder that cosign saved", () => {
  const old = manifest("old");
  const entry = (descriptor: Descriptor, kind: string) => ({
    ...descriptor,
    annotations: { kind: `dev.cosignproject.cosign/${kind}` },
    "x-unknown": true,
  });
  const sigs = entry(manifest("old sig"), "sigs");

  it("takes another image; what was known by kind alone gets the name that says whose it is", () => {
    const index = save(read({ schemaVersion: 2, manifests: [entry(old, "image"), sigs] }), image("new"));
    expect(entryOfTag(index, tagOf(old, "sig"))?.descriptor.digest).toBe(manifest("old sig").digest);
    expect(imageEntries(index).map(({ descriptor }) => descriptor.digest)).toContain(old.digest);
    expect(index.entries.filter((each) => kindOf(each) === "sigs")).toHaveLength(1);
    expect(index.entries.find(({ descriptor }) => descriptor.digest === old.digest)?.raw["x-unknown"]).toBe(true);
  });

  it("and whose signatures nobody can tell apart is refused", () => {
    const index = read({ schemaVersion: 2, manifests: [entry(old, "image"), entry(manifest("2"), "image"), sigs] });
    try {
      withSavedImage(index, image("new"));
      expect.unreachable();
    } catch (error) {
      expect(isCountersignError(error) && error.code).toBe("E_LAYOUT_INVALID");
    }
  });
});

describe("any row of saves", () => {
  it("keeps every image of a name of its own, and gives cosign one image with its own signatures", () => {
    const saves = fc.array(
      fc.record({ seed: fc.constantFrom("a", "b", "c", "d"), repository: fc.constantFrom("r/x", "r/y") }),
      {
        minLength: 1,
        maxLength: 8,
      },
    );
    fc.assert(
      fc.property(saves, (row) => {
        let index = EMPTY;
        for (const { seed, repository } of row) index = save(index, image(seed, { repository }));
        const digests = new Set(imageEntries(index).map(({ descriptor }) => descriptor.digest));
        for (const { seed } of row) expect(digests).toContain(manifest(seed).digest);
        const last = row.at(-1)?.seed ?? "";
        const kinds = index.entries.filter((each) => kindOf(each) !== undefined);
        expect(kinds.map(({ descriptor }) => descriptor.digest)).toEqual(
          ["", " sig", " att"].map((part) => manifest(`${last}${part}`).digest),
        );
      }),
      { numRuns: 100 },
    );
  });
});
