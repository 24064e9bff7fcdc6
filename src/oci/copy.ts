import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import { memoUnlessFailed } from "../platform/memo.ts";
import { createSemaphore, mapConcurrently } from "../platform/parallel.ts";
import { isForeignLayer, isReadableManifest, type ManifestTree } from "./manifest-tree.ts";
import type { Manifest, RegistryPlace, StreamingRepository } from "./repository.ts";

/** What copying came to; counted up while it goes on. */
export interface CopyTally {
  /** Written. */
  manifests: number;
  /** Whose bytes moved. */
  blobs: number;
  mounted: number;
  /** Manifests and blobs that were there. */
  present: number;
  /** Layers that are fetched from elsewhere and are not in the source. */
  foreign: number;
  /** Of blobs that moved. */
  bytes: number;
}

export function newTally(): CopyTally {
  return { manifests: 0, blobs: 0, mounted: 0, present: 0, foreign: 0, bytes: 0 };
}

export interface CopyOptions {
  /** Blobs whose bytes move at once; 8 unless told. */
  readonly streams?: number | undefined;
  /** Looks and counts what would be done, and writes nothing. */
  readonly dryRun?: boolean | undefined;
  /** Told of bytes as they move. */
  readonly onMoved?: ((bytes: number) => void) | undefined;
  /** Writes a manifest by its digest; `putManifest` of the destination unless told. */
  readonly write?: ((destination: StreamingRepository, manifest: Manifest) => Promise<Written>) | undefined;
}

export interface Written {
  /** The destination indexed it as a referrer of this subject. */
  readonly subject?: string | undefined;
}

/** What became of a manifest; `present` ones were not written, so that nothing is known of an index of referrers. */
export type CopiedManifest = (Written & { readonly present: false }) | { readonly present: true };

/** Copies from one repository to another. Each digest is dealt with once in its life; who asks again waits for the same work. */
export interface Copier {
  /**
   * Copies a manifest with all beneath it: blobs before manifests, children before their index, never a tag. What the destination has stays
   * unread but for its manifests, which are held against their digests.
   *
   * @throws what either repository throws; E_BLOB_MISSING, E_DIGEST_MISMATCH.
   */
  copy(tree: ManifestTree, tally: CopyTally): Promise<CopiedManifest>;
  copyBlobs(descriptors: readonly Descriptor[], tally: CopyTally): Promise<void>;
}

/** The copiers of one run: they share the bound on what moves at once, and mount what the run has moved to the same registry before. */
export interface Copying {
  between(source: StreamingRepository, destination: StreamingRepository): Copier;
}

/** Blobs that are looked for at once, and children of an index that are copied at once. */
const AT_ONCE = 16;

export function createCopying(options: CopyOptions = {}): Copying {
  const streams = createSemaphore(options.streams ?? 8);
  const copiers = new Map<string, Copier>();
  /** Where a registry has a blob that this run has brought there: for its other repositories to mount. */
  const brought = new Map<string, Promise<RegistryPlace | undefined>>();
  return {
    between(source, destination) {
      const key = `${source.name} ${destination.name}`;
      const known = copiers.get(key);
      if (known !== undefined) return known;
      const copier = createCopier(source, destination, { ...options, acquire: streams.acquire, brought });
      copiers.set(key, copier);
      return copier;
    },
  };
}

interface Shared extends CopyOptions {
  readonly acquire: () => Promise<() => void>;
  readonly brought: Map<string, Promise<RegistryPlace | undefined>>;
}

function createCopier(source: StreamingRepository, destination: StreamingRepository, shared: Shared): Copier {
  const { acquire, brought, dryRun = false, onMoved } = shared;
  const write = shared.write ?? ((to, { digest, bytes, mediaType }) => to.putManifest(digest, { bytes, mediaType }));
  const manifests = new Map<Digest, Promise<CopiedManifest>>();
  const blobs = new Map<Digest, Promise<void>>();

  const open = async function* (descriptor: Descriptor): AsyncIterable<Uint8Array> {
    for await (const chunk of source.openBlob(descriptor)) {
      onMoved?.(chunk.length);
      yield chunk;
    }
  };

  /** From the source where both are one registry, else from where this run has brought it. */
  const mountable = async ({ digest }: Descriptor): Promise<RegistryPlace | undefined> => {
    const { place } = destination;
    if (place === undefined) return undefined;
    if (source.place?.registry === place.registry) return source.place;
    return brought.get(`${place.registry} ${digest}`);
  };

  const take = async (descriptor: Descriptor, tally: CopyTally): Promise<void> => {
    const mount = await mountable(descriptor);
    if (dryRun) {
      count(tally, mount === undefined ? "moved" : "mounted", descriptor);
      return;
    }
    const release = await acquire();
    try {
      count(tally, await destination.takeBlob(descriptor, { open: () => open(descriptor), mount }), descriptor);
    } finally {
      release();
    }
  };

  const copyBlob = (descriptor: Descriptor, tally: CopyTally): Promise<void> => {
    if (blobs.has(descriptor.digest)) tally.present += 1;
    return memoUnlessFailed(blobs, descriptor.digest, async () => {
      if (isForeignLayer(descriptor) && !(await source.hasBlob(descriptor))) {
        tally.foreign += 1;
        return;
      }
      if (await destination.hasBlob(descriptor)) {
        tally.present += 1;
        return;
      }
      const { place } = destination;
      const key = place && `${place.registry} ${descriptor.digest}`;
      const work = take(descriptor, tally);
      if (key !== undefined && !brought.has(key)) {
        brought.set(
          key,
          work.then(
            () => place,
            () => undefined,
          ),
        );
      }
      await work;
    });
  };

  const copyBlobs = async (descriptors: readonly Descriptor[], tally: CopyTally): Promise<void> => {
    await mapConcurrently(unique(descriptors), AT_ONCE, (descriptor) => copyBlob(descriptor, tally));
  };

  const copy = (tree: ManifestTree, tally: CopyTally): Promise<CopiedManifest> => {
    const { manifest, children } = tree;
    const { digest, content } = manifest;
    if (manifests.has(digest)) tally.present += 1;
    return memoUnlessFailed(manifests, digest, async () => {
      const there = destination.getManifest(digest);
      // An index may be there without its images; an image is never there without its blobs.
      await Promise.all([
        there,
        mapConcurrently(children, AT_ONCE, (child) => copy(child, tally)),
        copyBlobs(
          (content.manifests ?? []).filter((child) => !isReadableManifest(child)),
          tally,
        ),
      ]);
      if ((await there) !== undefined) {
        tally.present += 1;
        return { present: true };
      }
      const { config, layers = [] } = content;
      await copyBlobs(config === undefined ? layers : [config, ...layers], tally);
      const written = dryRun ? {} : await write(destination, manifest);
      tally.manifests += 1;
      return { ...written, present: false };
    });
  };

  return { copy, copyBlobs };
}

function count(tally: CopyTally, taken: "moved" | "mounted" | "present", { size }: Descriptor): void {
  if (taken === "mounted") tally.mounted += 1;
  else if (taken === "present") tally.present += 1;
  else {
    tally.blobs += 1;
    tally.bytes += size;
  }
}

/** Two sizes for one digest: one of them is wrong. @throws E_MANIFEST_INVALID. */
function unique(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  const byDigest = new Map<Digest, Descriptor>();
  for (const descriptor of descriptors) {
    const known = byDigest.get(descriptor.digest);
    if (known !== undefined && known.size !== descriptor.size) throw twoSizes(descriptor, known.size);
    byDigest.set(descriptor.digest, known ?? descriptor);
  }
  return [...byDigest.values()];
}

function twoSizes({ digest, size }: Descriptor, other: number): CountersignError {
  return new CountersignError(
    "E_MANIFEST_INVALID",
    `the manifest says of ${digest} that it has ${size} and ${other} bytes`,
    {
      hint: "push it again with a program that writes image-spec manifests, and ask who wrote this one",
    },
  );
}
