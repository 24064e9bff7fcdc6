import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import type { SignatureExtension } from "./extension-document.ts";

/** A manifest as a repository gave it: its bytes checked against the digest, its shape against its media type. */
export interface Manifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly content: ManifestContent;
  /** The entity tag it came with, for `If-Match`. */
  readonly etag?: string | undefined;
}

/** The members of an image manifest or an index that this program reads; exactly one of `layers` and `manifests` is there. */
export interface ManifestContent {
  readonly mediaType: string;
  readonly artifactType?: string | undefined;
  readonly config?: Descriptor | undefined;
  readonly layers?: readonly Descriptor[] | undefined;
  readonly manifests?: readonly Descriptor[] | undefined;
  readonly subject?: Descriptor | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** When a tag may be written: only over the manifest with this entity tag, or only where there is none. */
export type WriteCondition = { readonly ifMatch: string } | { readonly ifNoneMatch: true };

/** The answer of the referrers API. */
export interface ReferrersAnswer {
  /** False when the repository has no referrers API (the fallback tag is then all there is). */
  readonly supported: boolean;
  readonly descriptors: readonly Descriptor[];
  /** The limit that cut the listing short. */
  readonly truncated?: string | undefined;
}

/**
 * One repository of a registry, or one layout folder: what stores and operations talk to. Every byte read is checked
 * against its digest and a size limit. Throws the E_REGISTRY_*, E_NETWORK, E_TIMEOUT, E_TLS, E_DIGEST_MISMATCH,
 * E_MANIFEST_INVALID, E_TOO_LARGE codes; `undefined` is only ever an answer that there is no such thing.
 */
export interface Repository {
  readonly kind: "registry" | "layout";
  /** Canonical name as cosign writes it (`index.docker.io/library/alpine`), or `oci:PATH`. */
  readonly name: string;
  /** By digest or by tag. Undefined: the repository answered that it has none. */
  getManifest(reference: string, options?: { readonly limit?: number }): Promise<Manifest | undefined>;
  /**
   * Stores a manifest under a tag or its digest.
   * @throws E_REGISTRY_CONFLICT when the condition does not hold (412).
   */
  putManifest(
    reference: string,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
    condition?: WriteCondition,
  ): Promise<{
    readonly digest: Digest /** The registry indexed it as a referrer of this subject (`OCI-Subject`). */;
    readonly subject?: string | undefined;
  }>;
  /**
   * `once`: not asked for again after a passing fault.
   * @throws E_BLOB_MISSING when the repository has none.
   */
  getBlob(descriptor: Descriptor, limit: number, options?: { readonly once?: boolean }): Promise<Uint8Array>;
  /** Uploads a blob unless this run has done so before; resolves to its digest. */
  putBlob(bytes: Uint8Array): Promise<Digest>;
  /** The referrers API alone, all pages; the fallback tag is read by the store. */
  listReferrers(subject: Digest): Promise<ReferrersAnswer>;
  listTags(): Promise<readonly string[]>;
  /** Simple signatures that the registry keeps itself, where it says that it does; a layout folder never does. */
  readonly signatures?: SignatureExtension | undefined;
}

/** Where a blob comes from, for a repository that is to take it. */
export interface BlobOrigin {
  /** Its bytes from the first, checked, each time. */
  open(): AsyncIterable<Uint8Array>;
  /** The repository of a registry that has it, which may spare the bytes their way. */
  readonly mount?: RegistryPlace | undefined;
}

export interface RegistryPlace {
  readonly registry: string;
  readonly repository: string;
}

/** How a repository came to a blob: its bytes moved; the registry took it from another of its repositories; it was there. */
export type Taken = "moved" | "mounted" | "present";

/** A repository that images are copied from and to: blobs of any size, never whole in memory. */
export interface StreamingRepository extends Repository {
  /** Undefined for a layout folder. */
  readonly place?: RegistryPlace | undefined;
  hasBlob(descriptor: Descriptor): Promise<boolean>;
  /**
   * The bytes of a blob as they come. What breaks off is gone on with; the last piece comes only when size and digest are right.
   * @throws E_BLOB_MISSING, E_DIGEST_MISMATCH.
   */
  openBlob(descriptor: Descriptor): AsyncIterable<Uint8Array>;
  /**
   * Takes a blob: mounts it where it can, else stores the bytes that `origin` opens.
   * @throws what `origin` throws, unchanged; E_DIGEST_MISMATCH when something else was stored.
   */
  takeBlob(descriptor: Descriptor, origin: BlobOrigin): Promise<Taken>;
}
