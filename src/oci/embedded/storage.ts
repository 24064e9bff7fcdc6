import type { Descriptor } from "../../model/descriptor.ts";
import type { Digest } from "../../model/digest.ts";
import { parseManifest } from "../manifest.ts";
import type { ManifestContent } from "../repository.ts";

export interface KeptManifest {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** A signature as the signature extension lists it. */
export interface KeptSignature {
  readonly schemaVersion: number;
  readonly name: string;
  readonly type: string;
  /** Base64. */
  readonly content: string;
}

/** What one repository keeps. The maps are live: reading them shows, and writing them changes, what the registry serves. */
export interface KeptRepository {
  readonly manifests: Map<Digest, KeptManifest>;
  readonly blobs: Map<Digest, Uint8Array>;
  readonly tags: Map<string, Digest>;
  /** By subject, then by digest, in the order they came; as each was when it was stored. Changed through `Storage` alone. */
  readonly referrers: Map<Digest, Map<Digest, Descriptor>>;
  /** Of the signature extension, by the image that they are of. */
  readonly signatures: Map<Digest, readonly KeptSignature[]>;
}

/** The registry's memory, beneath its rules: `put` and the maps take anything, also what a client could not have stored. */
export interface Storage {
  repositories(): readonly string[];
  get(name: string): KeptRepository | undefined;
  getOrCreate(name: string): KeptRepository;
  /** Keeps `manifest` under `digest`, whether or not that is its digest, and lists it under its subject. */
  put(name: string, digest: Digest, manifest: KeptManifest): void;
  /** Removes a manifest with its tags. */
  remove(name: string, digest: Digest): void;
}

export function createStorage(): Storage {
  const repositories = new Map<string, KeptRepository>();
  const getOrCreate = (name: string): KeptRepository => {
    const kept = repositories.get(name) ?? {
      manifests: new Map(),
      blobs: new Map(),
      tags: new Map(),
      referrers: new Map(),
      signatures: new Map(),
    };
    repositories.set(name, kept);
    return kept;
  };
  return {
    repositories: () => [...repositories.keys()].sort(),
    get: (name) => repositories.get(name),
    getOrCreate,
    put(name, digest, manifest) {
      const kept = getOrCreate(name);
      unlist(kept, digest);
      kept.manifests.set(digest, manifest);
      const content = readable(manifest);
      if (content?.subject === undefined) return;
      const { mediaType, artifactType, config, annotations } = content;
      const listed = kept.referrers.get(content.subject.digest) ?? new Map<Digest, Descriptor>();
      kept.referrers.set(content.subject.digest, listed);
      listed.set(digest, {
        mediaType,
        digest,
        size: manifest.bytes.length,
        artifactType: artifactType ?? config?.mediaType,
        annotations,
      });
    },
    remove(name, digest) {
      const kept = repositories.get(name);
      if (kept === undefined) return;
      unlist(kept, digest);
      kept.manifests.delete(digest);
      for (const [tag, target] of kept.tags) if (target === digest) kept.tags.delete(tag);
    },
  };
}

function unlist(kept: KeptRepository, digest: Digest): void {
  if (!kept.manifests.has(digest)) return;
  for (const listed of kept.referrers.values()) listed.delete(digest);
}

/** Undefined for what is no manifest: damage put there on purpose has to be servable. */
function readable(manifest: KeptManifest): ManifestContent | undefined {
  try {
    return parseManifest(manifest.bytes, manifest.mediaType);
  } catch {
    return undefined;
  }
}
