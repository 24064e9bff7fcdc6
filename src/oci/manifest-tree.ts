import type { Descriptor } from "../model/descriptor.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { isIndexType, isManifestType } from "../model/media-types.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { Manifest, Repository } from "./repository.ts";

/** A manifest with the manifests that it lists, at every depth. */
export interface ManifestTree {
  readonly manifest: Manifest;
  readonly children: readonly ManifestTree[];
}

const AT_ONCE = 16;

/**
 * Reads what an index lists, to every depth. What is listed and is no manifest that can be read (build caches keep blobs so) is left to whoever
 * copies blobs.
 *
 * @throws what the repository throws; E_LIMIT; E_BLOB_MISSING when what is listed is not there.
 */
export async function readTree(
  repository: Pick<Repository, "getManifest" | "name">,
  root: Manifest,
): Promise<ManifestTree> {
  let count = 0;
  const read = async (manifest: Manifest, depth: number): Promise<ManifestTree> => {
    const listed = (manifest.content.manifests ?? []).filter(isReadableManifest);
    count += listed.length;
    if (listed.length > 0 && depth >= LIMITS.indexDepth) throw tooDeep(manifest);
    if (count > LIMITS.indexChildren) throw tooMany(root);
    const children = await mapConcurrently(listed, AT_ONCE, async ({ digest }) => {
      const child = await repository.getManifest(digest);
      if (child === undefined) throw missingChild(`${repository.name}@${digest}`, manifest);
      return read(child, depth + 1);
    });
    return { manifest, children };
  };
  return read(root, 0);
}

/** Every manifest of a tree, the root first, each once. */
export function manifestsOf(tree: ManifestTree): readonly Manifest[] {
  const found = new Map<string, Manifest>();
  const walk = ({ manifest, children }: ManifestTree) => {
    if (found.has(manifest.digest)) return;
    found.set(manifest.digest, manifest);
    for (const child of children) walk(child);
  };
  walk(tree);
  return [...found.values()];
}

export function isReadableManifest({ mediaType }: Descriptor): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType);
}

/** Layers that registries need not have (image-spec layer.md, "Non-Distributable Layers"; Docker's foreign layers). */
export function isForeignLayer({ mediaType }: Descriptor): boolean {
  return mediaType.includes(".nondistributable.") || mediaType.includes(".foreign.");
}

function tooDeep({ digest }: Manifest): CountersignError {
  return new CountersignError("E_LIMIT", `${digest} nests indexes deeper than ${LIMITS.indexDepth}`, {
    hint: "name the images in it by digest",
  });
}

function tooMany({ digest }: Manifest): CountersignError {
  return new CountersignError("E_LIMIT", `${digest} lists more than ${LIMITS.indexChildren} images`, {
    hint: "name the images in it by digest",
  });
}

function missingChild(name: string, { digest }: Manifest): CountersignError {
  return new CountersignError("E_BLOB_MISSING", `${name} is not there, though the index ${digest} lists it`, {
    hint: "push the whole index again; a sparse index cannot be copied whole",
  });
}
