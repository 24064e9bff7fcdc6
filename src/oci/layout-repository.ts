import { type Digest, digestAlgorithm, digestOf, isDigest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { memoUnlessFailed } from "../platform/memo.ts";
import { checkedStream } from "./checked-stream.ts";
import { createLayoutFiles } from "./layout-files.ts";
import type { LayoutHost } from "./layout-host.ts";
import {
  entryOfTag,
  type IndexEntry,
  type LayoutIndex,
  nameOf,
  readLayoutIndex,
  unnamedEntries,
  withEntry,
  withTag,
  writeLayoutIndex,
} from "./layout-index.ts";
import { createLock } from "./layout-lock.ts";
import { createReferrerFinder } from "./layout-referrers.ts";
import { parseManifest } from "./manifest.ts";
import type { Manifest, StreamingRepository, WriteCondition } from "./repository.ts";

export interface LayoutOptions {
  /** For one that is to be written: where there is nothing yet, an empty one is read. */
  readonly fresh?: boolean | undefined;
}

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
/** What a reference without a tag means; in a folder whose only image has no name, that image. */
const DEFAULT_TAG = "latest";

/** The repository behind `openLayout`, which says what it does. */
export function createLayoutRepository(
  host: LayoutHost,
  path: string,
  { fresh = false }: LayoutOptions = {},
): StreamingRepository {
  const files = createLayoutFiles(host, path);
  const locked = createLock(host, `${files.indexPath}.lock`);
  const referrers = createReferrerFinder(files);
  const written = new Map<Digest, Promise<Digest>>();

  const readIndex = async (): Promise<LayoutIndex> => {
    if (fresh && (await files.isVacant())) return { raw: {}, entries: [] };
    await files.check();
    return readLayoutIndex(await files.readIndex(), files.indexPath);
  };

  const find = async (index: LayoutIndex, tag: string): Promise<IndexEntry | undefined> => {
    const entry = entryOfTag(index, tag);
    if (entry !== undefined || tag !== DEFAULT_TAG) return entry;
    const images = await referrers.withoutSubject(unnamedEntries(index));
    return images.length === 1 ? images[0] : undefined;
  };

  const load = async (digest: Digest, mediaType: string | undefined, limit: number): Promise<Manifest | undefined> => {
    const bytes = await files.readBlob(digest, limit);
    if (bytes === undefined) return undefined;
    const content = parseManifest(bytes, mediaType);
    return { digest, mediaType: content.mediaType, size: bytes.length, bytes, content, etag: entityTag(digest) };
  };

  return {
    kind: "layout",
    name: `oci:${path}`,

    async getManifest(reference, { limit = LIMITS.manifest } = {}) {
      const index = await readIndex();
      if (isDigest(reference)) {
        const listed = index.entries.find(({ descriptor }) => descriptor.digest === reference);
        return load(reference, listed?.descriptor.mediaType, limit);
      }
      const entry = await find(index, checkTag(reference));
      if (entry === undefined) return undefined;
      const { digest, mediaType } = entry.descriptor;
      const manifest = await load(digest, mediaType, limit);
      if (manifest !== undefined) return manifest;
      // The name is there, so this is damage and not absence.
      throw new CountersignError("E_LAYOUT_INVALID", `${path} names ${reference} but has no blob ${digest}`, {
        hint: "copy the whole folder again",
      });
    },

    async putManifest(reference, { bytes, mediaType }, condition) {
      const digest = digestOf(bytes, isDigest(reference) ? digestAlgorithm(reference) : "sha256");
      if (isDigest(reference) && reference !== digest) {
        throw new CountersignError("E_DIGEST_MISMATCH", `the manifest to be stored as ${reference} is ${digest}`, {
          hint: "store it under its own digest",
        });
      }
      const tag = isDigest(reference) ? undefined : checkTag(reference);
      const content = parseManifest(bytes, mediaType);
      const descriptor = {
        mediaType: content.mediaType,
        digest,
        size: bytes.length,
        ...(content.artifactType === undefined ? {} : { artifactType: content.artifactType }),
      };
      await files.prepare();
      await files.writeBlob(bytes, digestAlgorithm(digest));
      // A manifest without a subject is found by its digest; a referrer has to be listed, as readers look nowhere else.
      if (tag !== undefined || content.subject !== undefined) {
        await locked(async () => {
          const index = await readIndex();
          if (condition !== undefined && !holds(condition, await find(index, reference)))
            throw conflict(path, reference);
          const entries = tag === undefined ? withEntry(index, descriptor) : withTag(index, tag, descriptor);
          if (entries !== index.entries) await files.writeIndex(writeLayoutIndex(index, entries));
        });
      }
      return { digest, subject: content.subject?.digest };
    },

    async getBlob({ digest, size }, limit) {
      const name = `the blob ${digest} of ${path}`;
      if (size > limit) {
        throw new CountersignError("E_TOO_LARGE", `${name} has ${size} bytes, more than the ${limit} that are read`, {
          hint: "ask who wrote it: no signature is that large",
        });
      }
      const bytes = await files.readBlob(digest, limit);
      if (bytes === undefined) throw missing(name);
      if (bytes.length === size) return bytes;
      throw new CountersignError(
        "E_DIGEST_MISMATCH",
        `${name} has ${bytes.length} bytes, not the ${size} that its manifest says`,
        {
          hint: "copy the folder again, and ask who has changed it",
        },
      );
    },

    putBlob(bytes) {
      return memoUnlessFailed(written, digestOf(bytes), async () => {
        await files.prepare();
        return files.writeBlob(bytes, "sha256");
      });
    },

    hasBlob: async ({ digest, size }) => (await files.blobSize(digest)) === size,

    openBlob: async function* (descriptor) {
      const name = `${descriptor.digest} of ${path}`;
      if ((await files.blobSize(descriptor.digest)) === undefined) throw missing(`the blob ${name}`);
      yield* checkedStream(files.openBlob(descriptor.digest), descriptor, name);
    },

    async takeBlob({ digest }, origin) {
      if (written.has(digest)) {
        await written.get(digest);
        return "present";
      }
      await memoUnlessFailed(written, digest, async () => {
        await files.prepare();
        await files.writeBlobFrom(digest, origin.open());
        return digest;
      });
      return "moved";
    },

    async listReferrers(subject) {
      return referrers.find(await readIndex(), subject);
    },

    async listTags() {
      const names = (await readIndex()).entries.map(nameOf);
      return [...new Set(names)].filter((name): name is string => name !== undefined && TAG.test(name)).sort();
    },
  };
}

function missing(name: string): CountersignError {
  return new CountersignError("E_BLOB_MISSING", `${name} is not there, though a manifest names it`, {
    hint: "copy the whole folder again",
    retry: false,
  });
}

function checkTag(reference: string): string {
  if (TAG.test(reference)) return reference;
  throw new CountersignError(
    "E_REFERENCE_INVALID",
    `${JSON.stringify(reference.slice(0, 160))} is neither a tag nor a digest`,
    { hint: "a tag has at most 128 letters, digits, underscores, dots and dashes" },
  );
}

function entityTag(digest: Digest): string {
  return `"${digest}"`;
}

function holds(condition: WriteCondition, current: IndexEntry | undefined): boolean {
  if ("ifNoneMatch" in condition) return current === undefined;
  return current !== undefined && entityTag(current.descriptor.digest) === condition.ifMatch;
}

function conflict(path: string, reference: string): CountersignError {
  return new CountersignError("E_REGISTRY_CONFLICT", `${reference} in ${path} was not written: it has changed`, {
    hint: "try again",
  });
}
