import type { Digest } from "./digest.ts";

/** An OCI content descriptor (image-spec, descriptor.md): what and how long a blob or manifest is, and where by digest. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly platform?: Platform | undefined;
}

/** The platform an image of an index runs on (image-spec, image-index.md). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

/** What a signature is about: one manifest of one repository, pinned by digest. No tag in here. */
export interface Subject {
  /** Canonical name, `registry/path`, as cosign writes it: Docker Hub is `index.docker.io`, short names get `library/`. */
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the manifest. */
  readonly size: number;
}
