import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isDigest } from "../../src/model/digest.ts";
import { CountersignError } from "../../src/model/errors.ts";
import { COSIGN_SIGNATURE } from "../../src/model/media-types.ts";
import { createReferrersStore, fallbackTag } from "../../src/stores/referrers-store.ts";
import { createTagStore, signatureTag } from "../../src/stores/tag-store.ts";
import { createMemoryRegistry, type MemoryOptions, openMemoryRepository } from "./support/memory-repository.ts";
import { bundleOf, layerOf, settle, subject } from "./support/samples.ts";
import { createVirtualTime } from "./support/virtual-time.ts";

const tag = signatureTag(subject.digest);

/** Numbers in [0, 1) that are the same in every run of one seed. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Race {
  readonly writers: number;
  /** Milliseconds of half a round trip, at most. */
  readonly travel: number;
  /** Milliseconds within which the writers start. */
  readonly spread: number;
  readonly seed: number;
}

async function race(kind: "tag" | "fallback", { writers, travel, spread, seed }: Race, options: MemoryOptions) {
  const random = numbers(seed);
  const registry = createMemoryRegistry(options);
  const time = createVirtualTime(random);
  const signers = Array.from({ length: writers }, (_, index) => `signer ${index}`);
  await time.run(
    Promise.all(
      signers.map(async (signer) => {
        const repository = openMemoryRepository(registry, () => time.sleep(random() * travel));
        await time.sleep(random() * spread);
        if (kind === "tag") await createTagStore(repository, settle, time.host).append(subject, layerOf(signer));
        else await createReferrersStore(repository, settle, time.host).append(subject, bundleOf(signer));
      }),
    ),
  );
  return { registry, signers };
}

const races = fc.record({
  writers: fc.integer({ min: 2, max: 8 }),
  travel: fc.constantFrom(1, 5, 25, 60),
  spread: fc.constantFrom(0, 20, 300, 1500),
  seed: fc.nat(),
});
const registries = fc.constantFrom<MemoryOptions>(
  { honours: "nothing" },
  { honours: "nothing", etags: false },
  { honours: "conditions" },
  { honours: "conditions", etags: false },
  { honours: "refuses-all-conditions" },
);

describe("writers that meet at one signature tag", () => {
  it("lose nothing, whatever the registry honours and in whatever order they come", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(races, registries, async (setting, options) => {
        const { registry, signers } = await race("tag", setting, options);
        const reader = createTagStore(openMemoryRepository(registry), settle, createVirtualTime().host);
        const { entries } = await reader.list(subject.digest);
        const found = entries.map(({ descriptor }) => descriptor.annotations?.[COSIGN_SIGNATURE]).sort();
        expect(found).toEqual(signers.map((signer) => layerOf(signer).annotations[COSIGN_SIGNATURE]).sort());
      }),
      { numRuns: 150 },
    );
  });
});

describe("writers that meet at one fallback index", () => {
  it("lose nothing either", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(races, registries, async (setting, options) => {
        const { registry, signers } = await race("fallback", setting, options);
        const reader = createReferrersStore(openMemoryRepository(registry), settle, createVirtualTime().host);
        const { entries } = await reader.list(subject.digest);
        expect(entries).toHaveLength(signers.length);
      }),
      { numRuns: 75 },
    );
  });
});

describe("a writer that does not wait, as cosign", () => {
  it("takes away neither ours nor what we had found there, when it writes from an older reading", async () => {
    let readings = 0;
    const rival = createMemoryRegistry();
    const registry = createMemoryRegistry({
      fault(request) {
        if (request !== `GET ${tag}`) return;
        readings += 1;
        // Behind our write, before we read it back: the tag with nothing but theirs.
        if (readings !== 3) return;
        for (const [key, value] of rival.blobs) registry.blobs.set(key, value);
        for (const [key, value] of rival.manifests) registry.manifests.set(key, value);
        for (const [key, value] of rival.tags) registry.tags.set(key, value);
      },
    });
    const time = createVirtualTime();
    await time.run(createTagStore(openMemoryRepository(rival), settle, time.host).append(subject, layerOf("theirs")));
    const store = createTagStore(openMemoryRepository(registry), settle, time.host);
    await time.run(store.append(subject, layerOf("found")));
    readings = 1;
    await time.run(store.append(subject, layerOf("ours")));
    const { entries } = await time.run(store.list(subject.digest));
    const names = entries.map(({ descriptor }) => descriptor.annotations?.[COSIGN_SIGNATURE]);
    expect(names).toEqual(["theirs", "found", "ours"].map((signer) => layerOf(signer).annotations[COSIGN_SIGNATURE]));
  });
});

describe("a registry that honours conditions", () => {
  /** Somebody adds to the tag just before our first `turns` writes arrive. */
  async function overtaken(turns: number) {
    let left = 0;
    const rival = createMemoryRegistry();
    const registry = createMemoryRegistry({
      honours: "conditions",
      fault(request) {
        if (request !== `PUT ${tag}` || left === 0) return;
        left -= 1;
        const digest = [...rival.manifests.keys()].at(-1 - left);
        if (digest === undefined || !isDigest(digest)) throw new Error("nothing to add");
        for (const [key, value] of rival.blobs) registry.blobs.set(key, value);
        for (const [key, value] of rival.manifests) registry.manifests.set(key, value);
        registry.tags.set(tag, digest);
      },
    });
    const time = createVirtualTime();
    const rivalStore = createTagStore(openMemoryRepository(rival), settle, time.host);
    for (const signer of ["x", "y", "z"]) await time.run(rivalStore.append(subject, layerOf(signer)));
    const store = createTagStore(openMemoryRepository(registry), settle, time.host);
    left = turns;
    const begun = time.now();
    await time.run(store.append(subject, layerOf("ours")));
    return { time, store, took: time.now() - begun };
  }

  it("merges again when a write is refused, and then has no need to wait", async () => {
    const { time, store, took } = await overtaken(2);
    const { entries } = await time.run(store.list(subject.digest));
    expect(entries).toHaveLength(4);
    expect(took).toBeLessThan(settle.base);
  });

  it("is waited for while only the other condition is known to be honoured", async () => {
    // The first write, over no tag, is refused; the second rests on an entity tag, which has not been put to the test.
    const { time, store, took } = await overtaken(1);
    expect(took).toBeGreaterThan(settle.base);
    const begun = time.now();
    await time.run(store.append(subject, layerOf("ours, later")));
    expect(time.now() - begun).toBeGreaterThan(settle.base);
  });
});

describe("a tag that never rests", () => {
  it("ends in a conflict that names it, after a bounded number of readings", async () => {
    let turn = 0;
    const registry = createMemoryRegistry();
    const time = createVirtualTime();
    const repository = openMemoryRepository(registry);
    const store = createTagStore(
      {
        ...repository,
        async getManifest(reference) {
          // Somebody removes the tag before every reading.
          turn += 1;
          registry.tags.delete(reference);
          return repository.getManifest(reference);
        },
      },
      settle,
      time.host,
    );
    const failed = time.run(store.append(subject, layerOf("alice")));
    await expect(failed).rejects.toMatchObject({ code: "E_REGISTRY_CONFLICT", message: expect.stringContaining(tag) });
    expect(turn).toBeLessThanOrEqual(settle.attempts + 1);
  });
});

describe("a registry that fails while the tag is written", () => {
  it("passes its error on", async () => {
    const registry = createMemoryRegistry({
      fault: (request) => {
        if (request === `PUT ${tag}`) throw new CountersignError("E_REGISTRY_DENIED", "read only");
      },
    });
    const time = createVirtualTime();
    const store = createTagStore(openMemoryRepository(registry), settle, time.host);
    await expect(time.run(store.append(subject, layerOf("a")))).rejects.toMatchObject({ code: "E_REGISTRY_DENIED" });
  });

  it("is asked again where it refuses a manifest for a moment, as Docker's does while a shared blob is uploaded", async () => {
    let refusals = 2;
    const registry = createMemoryRegistry({
      fault: (request) => {
        if (!request.startsWith("PUT sha256") || refusals === 0) return;
        refusals -= 1;
        throw new CountersignError("E_REGISTRY_ANSWER", "400 DIGEST_INVALID");
      },
    });
    const time = createVirtualTime();
    const repository = openMemoryRepository(registry);
    await time.run(createTagStore(repository, settle, time.host).append(subject, layerOf("a")));
    expect(refusals).toBe(0);
    refusals = 2;
    await time.run(createReferrersStore(repository, settle, time.host).append(subject, bundleOf("a")));
    expect(refusals).toBe(0);
  });

  it("is not asked for ever", async () => {
    const registry = createMemoryRegistry({
      fault: (request) => {
        if (request.startsWith("PUT sha256")) throw new CountersignError("E_REGISTRY_ANSWER", "400 MANIFEST_INVALID");
      },
    });
    const time = createVirtualTime();
    const store = createTagStore(openMemoryRepository(registry), settle, time.host);
    await expect(time.run(store.append(subject, layerOf("a")))).rejects.toMatchObject({ code: "E_REGISTRY_ANSWER" });
    expect(registry.requests.filter((request) => request.startsWith("PUT sha256"))).toHaveLength(4);
  });

  it("does not take an unconditional refusal for a conflict", async () => {
    const registry = createMemoryRegistry({
      etags: false,
      fault: (request) => {
        if (request.startsWith("PUT sha256")) throw new CountersignError("E_REGISTRY_CONFLICT", "immutable tag");
      },
    });
    const time = createVirtualTime();
    const store = createTagStore(openMemoryRepository(registry), settle, time.host);
    await expect(time.run(store.append(subject, layerOf("a")))).rejects.toMatchObject({ message: "immutable tag" });
  });
});

describe("waiting for other writers", () => {
  it("takes no longer than it must when nobody else writes", async () => {
    const registry = createMemoryRegistry();
    const time = createVirtualTime(() => 0);
    const store = createTagStore(
      openMemoryRepository(registry, () => time.sleep(1)),
      settle,
      time.host,
    );
    const begun = time.now();
    await time.run(store.append(subject, layerOf("alice")));
    expect(time.now() - begun).toBeLessThan(settle.base + 20);
  });

  it("is longer on a slow way, as others are slow there too", async () => {
    const registry = createMemoryRegistry();
    const time = createVirtualTime(() => 0);
    const store = createTagStore(
      openMemoryRepository(registry, () => time.sleep(150)),
      settle,
      time.host,
    );
    const begun = time.now();
    await time.run(store.append(subject, layerOf("alice")));
    expect(time.now() - begun).toBeGreaterThan(6 * 150 * 2);
  });

  it("rests on the tag read again where the reading is not fresh", async () => {
    const registry = createMemoryRegistry();
    const time = createVirtualTime();
    const store = createTagStore(openMemoryRepository(registry), settle, time.host);
    await store.list(subject.digest);
    await time.run(time.sleep(settle.freshness + 1));
    registry.requests.length = 0;
    await time.run(store.append(subject, layerOf("alice")));
    expect(registry.requests.filter((request) => request === `GET ${tag}`)).toHaveLength(2);
  });
});

describe("the fallback tag's name", () => {
  it("is cut to what a tag may have", () => {
    expect(fallbackTag(`sha512:${"ab".repeat(64)}`)).toBe(`sha512-${"ab".repeat(32)}`);
  });
});
