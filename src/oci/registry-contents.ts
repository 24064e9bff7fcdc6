import type { Digest } from "../model/digest.ts";
import type { Scope } from "./auth.ts";
import type { SignatureExtension } from "./extension-document.ts";
import { createBlobs } from "./registry-blobs.ts";
import { createSignatureExtension } from "./registry-extension.ts";
import { createListings, type ListingMemory } from "./registry-listings.ts";
import { createBlobStreams } from "./registry-streams.ts";
import type { StreamingRepository } from "./repository.ts";
import type { Transport } from "./transport.ts";

/** What is remembered of a repository, and of its registry, for a run. */
export interface RegistryMemory {
  readonly uploads: Map<Digest, Promise<Digest>>;
  readonly listings: ListingMemory;
  readonly extension: { supported?: Promise<boolean> | undefined };
}

/** All of a repository but its manifests: a file of its own, as a first request is for a manifest and need not wait for this. */
export type RegistryContents = Omit<StreamingRepository, "kind" | "name" | "place" | "getManifest" | "putManifest"> & {
  readonly signatures: SignatureExtension;
};

export function createContents(transport: Transport, scope: Scope, memory: RegistryMemory): RegistryContents {
  return {
    ...createBlobs(transport, scope, memory.uploads),
    ...createBlobStreams(transport, scope, memory.uploads),
    ...createListings(transport, scope, memory.listings),
    signatures: createSignatureExtension(transport, scope, memory.extension),
  };
}
