import type { Descriptor } from "../../../src/model/descriptor.ts";
import { type Digest, digestOf, isDigest } from "../../../src/model/digest.ts";
import { CountersignError } from "../../../src/model/errors.ts";
import { parseManifest } from "../../../src/oci/manifest.ts";
import type { Manifest, Repository } from "../../../src/oci/repository.ts";

/** What a registry holds, and how it behaves. Several repositories over one registry are several clients of it. */
export interface MemoryRegistry {
  readonly blobs: Map<string, Uint8Array>;
  readonly manifests: Map<string, { readonly bytes: Uint8Array; readonly mediaType: string }>;
  readonly tags: Map<string, Digest>;
  /** `METHOD thing` in the order of arrival. */
  readonly requests: string[];
  readonly options: MemoryOptions;
}

export interface MemoryOptions {
  readonly referrersApi?: boolean;
  /** Whether answers carry an entity tag, which says nothing about its being honoured. */
  readonly etags?: boolean;
  readonly honours?: "nothing" | "conditions" | "refuses-all-conditions";
  /** Called for every request as it arrives; what it throws is the answer. */
  readonly fault?: (request: string) => void;
}

export function createMemoryRegistry(options: MemoryOptions = {}): MemoryRegistry {
  return { blobs: new Map(), manifests: new Map(), tags: new Map(), requests: [], options };
}

/** A client; `travel` takes the time of half a round trip. */
export function openMemoryRepository(
  registry: MemoryRegistry,
  travel: () => Promise<void> = async () => undefined,
): Repository {
  const { blobs, manifests, tags, requests, options } = registry;
  const uploaded = new Map<Digest, Promise<Digest>>();

  async function ask<T>(request: string, answer: () => T): Promise<T> {
    await travel();
    requests.push(request);
    options.fault?.(request);
    const value = answer();
    await travel();
    return value;
  }

  function read(reference: string): Manifest | undefined {
    const digest = isDigest(reference) ? reference : tags.get(reference);
    const stored = digest && manifests.get(digest);
    if (digest === undefined || stored === undefined) return undefined;
    const content = parseManifest(stored.bytes, stored.mediaType);
    const etag = options.etags === false ? undefined : `"${digest}"`;
    return { digest, mediaType: stored.mediaType, size: stored.bytes.length, bytes: stored.bytes, content, etag };
  }

  function isRefused(tag: string, condition: Parameters<Repository["putManifest"]>[2]): boolean {
    if (condition === undefined || options.honours === undefined || options.honours === "nothing") return false;
    if (options.honours === "refuses-all-conditions") return true;
    return "ifMatch" in condition ? condition.ifMatch !== `"${tags.get(tag)}"` : tags.has(tag);
  }

  return {
    kind: "registry",
    name: "registry.test/app",
    getManifest: (reference) => ask(`GET ${reference}`, () => read(reference)),
    putManifest: (reference, { bytes, mediaType }, condition) =>
      ask(`PUT ${reference}`, () => {
        if (isRefused(reference, condition)) throw new CountersignError("E_REGISTRY_CONFLICT", "412");
        const { config, layers = [], subject } = parseManifest(bytes, mediaType);
        for (const part of config === undefined ? [] : [config, ...layers]) {
          if (!blobs.has(part.digest)) throw new CountersignError("E_MANIFEST_INVALID", `${part.digest} is not there`);
        }
        const digest = digestOf(bytes);
        manifests.set(digest, { bytes, mediaType });
        if (!isDigest(reference)) tags.set(reference, digest);
        return { digest, subject: options.referrersApi ? subject?.digest : undefined };
      }),
    getBlob: (descriptor) =>
      ask(`GET blob ${descriptor.digest}`, () => {
        const bytes = blobs.get(descriptor.digest);
        if (bytes === undefined) throw new CountersignError("E_BLOB_MISSING", `${descriptor.digest} is not there`);
        return bytes;
      }),
    putBlob(bytes) {
      const digest = digestOf(bytes);
      const upload = uploaded.get(digest) ?? ask("PUT blob", () => void blobs.set(digest, bytes)).then(() => digest);
      uploaded.set(digest, upload);
      return upload;
    },
    listReferrers: (subject) =>
      ask("GET referrers", () => {
        if (!options.referrersApi) return { supported: false, descriptors: [] };
        const descriptors = [...manifests].flatMap(([digest, { bytes, mediaType }]): Descriptor[] => {
          const { artifactType, annotations, ...content } = parseManifest(bytes, mediaType);
          if (content.subject?.digest !== subject || !isDigest(digest)) return [];
          return [{ mediaType, digest, size: bytes.length, artifactType, annotations }];
        });
        return { supported: true, descriptors };
      }),
    listTags: () => ask("GET tags", () => [...tags.keys()]),
  };
}
