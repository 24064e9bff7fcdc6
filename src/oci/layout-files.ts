import { type Digest, digestAlgorithm, digestHex, digestOf, isDigest, matchesDigest } from "../model/digest.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { parseStrictJson } from "../model/strict-json.ts";
import { causeCode } from "../platform/faults.ts";
import { buildIndex } from "./build-manifest.ts";
import type { LayoutHost } from "./layout-host.ts";

/** The files of one layout folder. Paths are made of checked digests alone, so none leads out of it. */
export interface LayoutFiles {
  readonly indexPath: string;
  /** @throws E_LAYOUT_INVALID unless the folder says that it is a layout of version 1. */
  check(): Promise<void>;
  /** Whether nothing is there, or nothing finished, that `prepare` would not make a layout of. */
  isVacant(): Promise<boolean>;
  /** Makes an empty layout where there is nothing. @throws E_LAYOUT_INVALID in a folder that holds something else. */
  prepare(): Promise<void>;
  readIndex(): Promise<Uint8Array>;
  writeIndex(bytes: Uint8Array): Promise<void>;
  /** A blob that was checked against its digest; undefined when there is none. @throws E_DIGEST_MISMATCH, E_TOO_LARGE. */
  readBlob(digest: Digest, limit: number): Promise<Uint8Array | undefined>;
  writeBlob(bytes: Uint8Array, algorithm: "sha256" | "sha512"): Promise<Digest>;
  /** Bytes of a blob; undefined when there is none. */
  blobSize(digest: Digest): Promise<number | undefined>;
  /** The bytes of a blob as they are read, unchecked. */
  openBlob(digest: Digest): AsyncIterable<Uint8Array>;
  /** Stores bytes that whoever gives them has checked. */
  writeBlobFrom(digest: Digest, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  blobs(): Promise<readonly Digest[]>;
}

const ALGORITHMS = ["sha256", "sha512"] as const;
const MARKER = new TextEncoder().encode('{"imageLayoutVersion":"1.0.0"}');

export function createLayoutFiles({ files }: Pick<LayoutHost, "files">, path: string): LayoutFiles {
  const folder = path.replace(/\/+$/, "");
  const markerPath = `${folder}/oci-layout`;
  const indexPath = `${folder}/index.json`;
  const blobPath = (digest: Digest) => `${folder}/blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;

  const read = async (file: string, limit: number): Promise<Uint8Array | undefined> => {
    try {
      return await files.read(file, limit);
    } catch (error) {
      if (!isCountersignError(error)) throw error;
      const cause = causeCode(error.cause);
      if (error.code === "E_FILE_UNREADABLE" && (cause === "ENOENT" || cause === "ENOTDIR")) return undefined;
      if (error.code === "E_FILE_TOO_LARGE") throw new CountersignError("E_TOO_LARGE", error.message, { cause: error });
      // The caller named the folder; that a file in it cannot be read shows only in the middle of the work.
      throw new CountersignError(error.code, error.message, { cause: error, hint: error.hint, exit: 3 });
    }
  };

  const check = async () => {
    const marker = await read(markerPath, LIMITS.errorBody);
    if (marker === undefined) {
      throw invalidLayout(`${path} is no layout folder: it holds no oci-layout file`, "check the path behind oci:");
    }
    const what = `the file ${markerPath}`;
    const document = parseStrictJson(marker, { maxDepth: 8, code: "E_LAYOUT_INVALID", what });
    const version: unknown =
      typeof document === "object" && document !== null ? Reflect.get(document, "imageLayoutVersion") : undefined;
    if (typeof version !== "string" || !/^1\.[0-9]+\.[0-9]+$/.test(version)) {
      throw invalidLayout(`${path} is a layout of a version that is not known`, "write it again as version 1.0.0");
    }
  };

  const holdsOthers = async () => (await files.list(path)).some((name) => !name.startsWith(".") && !isOurs(name));

  return {
    indexPath,
    check,
    isVacant: async () => (await files.size(markerPath)) === undefined && !(await holdsOthers()),
    async prepare() {
      if ((await read(markerPath, LIMITS.errorBody)) !== undefined) return check();
      if (await holdsOthers()) {
        throw invalidLayout(`${path} holds other things and is no layout folder`, "name an empty folder, or a new one");
      }
      // The index before the marker: a folder that calls itself a layout has one. Whoever else makes it comes to the same.
      await createOnce(files, indexPath, buildIndex({ manifests: [] }));
      await createOnce(files, markerPath, MARKER);
    },
    async readIndex() {
      const bytes = await read(indexPath, LIMITS.referrersPage);
      if (bytes === undefined) throw invalidLayout(`${path} has no index.json`, "copy the whole folder again");
      return bytes;
    },
    writeIndex: (bytes) => files.write(indexPath, bytes),
    async readBlob(digest, limit) {
      const bytes = await read(blobPath(digest), limit);
      if (bytes === undefined || matchesDigest(bytes, digest)) return bytes;
      throw new CountersignError(
        "E_DIGEST_MISMATCH",
        `the blob ${digest} of ${path} holds something else: ${digestOf(bytes, digestAlgorithm(digest))}`,
        { hint: "copy the folder again, and ask who has changed it" },
      );
    },
    async writeBlob(bytes, algorithm) {
      const digest = digestOf(bytes, algorithm);
      await files.write(blobPath(digest), bytes);
      return digest;
    },
    blobSize: (digest) => files.size(blobPath(digest)),
    openBlob: (digest) => files.open(blobPath(digest)),
    writeBlobFrom: (digest, chunks) => files.writeFrom(blobPath(digest), chunks),
    async blobs() {
      const lists = await Promise.all(
        ALGORITHMS.map(async (algorithm) => {
          const names = await files.list(`${folder}/blobs/${algorithm}`);
          return names.map((name) => `${algorithm}:${name}`).filter(isDigest);
        }),
      );
      return lists.flat().sort();
    },
  };
}

/** What another writer that prepares the same folder may have put there already. */
function isOurs(name: string): boolean {
  return name === "oci-layout" || name === "blobs" || name.startsWith("index.json");
}

async function createOnce(files: LayoutHost["files"], path: string, bytes: Uint8Array): Promise<void> {
  try {
    await files.write(path, bytes, { exclusive: true });
  } catch (error) {
    if (!isCountersignError(error) || error.code !== "E_FILE_EXISTS") throw error;
  }
}

export function invalidLayout(sentence: string, hint: string): CountersignError {
  return new CountersignError("E_LAYOUT_INVALID", sentence, { hint });
}
