import type { Descriptor } from "../model/descriptor.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../model/media-types.ts";

export interface ImageManifestParts {
  /** OCI image manifest unless told. */
  readonly mediaType?: string | undefined;
  readonly artifactType?: string | undefined;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly subject?: Descriptor | undefined;
}

export interface IndexParts {
  /** OCI image index unless told. */
  readonly mediaType?: string | undefined;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly artifactType?: string | undefined;
  readonly subject?: Descriptor | undefined;
}

const utf8 = new TextEncoder();

/**
 * The bytes of an image manifest: UTF-8 JSON without white space, members in the order that cosign writes, annotations sorted
 * by name. The same parts always give the same bytes, and so the same digest.
 */
export function buildImageManifest(parts: ImageManifestParts): Uint8Array {
  return encode({
    schemaVersion: 2,
    mediaType: parts.mediaType ?? OCI_MANIFEST,
    config: orderedDescriptor(parts.config),
    layers: parts.layers.map(orderedDescriptor),
    annotations: sorted(parts.annotations),
    subject: parts.subject && orderedDescriptor(parts.subject),
    artifactType: parts.artifactType,
  });
}

/** The bytes of an index, by the same rules as `buildImageManifest`; `manifests` stay in the order given. */
export function buildIndex(parts: IndexParts): Uint8Array {
  return encode({
    schemaVersion: 2,
    mediaType: parts.mediaType ?? OCI_INDEX,
    manifests: parts.manifests.map(orderedDescriptor),
    annotations: sorted(parts.annotations),
    subject: parts.subject && orderedDescriptor(parts.subject),
    artifactType: parts.artifactType,
  });
}

function encode(document: object): Uint8Array {
  return utf8.encode(JSON.stringify(document));
}

function orderedDescriptor(value: Descriptor): object {
  return {
    mediaType: value.mediaType,
    size: value.size,
    digest: value.digest,
    annotations: sorted(value.annotations),
    platform: value.platform && {
      architecture: value.platform.architecture,
      os: value.platform.os,
      variant: value.platform.variant,
    },
    artifactType: value.artifactType,
  };
}

function sorted(values: Readonly<Record<string, string>> | undefined): Record<string, string> | undefined {
  const entries = Object.entries(values ?? {});
  if (entries.length === 0) return undefined;
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
