import { type Digest, digestOf } from "../model/digest.ts";
import { asCountersignError, CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { OPENPGP_SIGNATURE } from "../model/media-types.ts";
import type { Entry, Listing, LookFailure, Stored } from "../model/signature.ts";
import { lookFailure } from "./look-failure.ts";
import type { LookasideBase } from "./lookaside-base.ts";
import { readLookasideBlob } from "./lookaside-blob.ts";
import { indexOfFile, lookasideFile, lookasideFolder } from "./lookaside-path.ts";
import type { Store } from "./store.ts";

export interface LookasideRoute {
  /** Path of the repository in its registry, without the host; undefined for a layout folder. */
  readonly repository: string | undefined;
  /** Where signatures are looked for. */
  readonly read?: LookasideBase | undefined;
  /** Where they are put; the same one, or a staging folder that is published later. */
  readonly write?: LookasideBase | undefined;
}

/** The files of one image in one base, as far as they could be read. */
interface Reading {
  readonly files: readonly { readonly path: string; readonly bytes: Uint8Array }[];
  readonly failures: readonly LookFailure[];
  /** Nothing is known to stand there. */
  readonly free: number;
}

/**
 * Simple signatures beside the registry: `signature-1`, `signature-2`, … in a folder for each image (containers/image
 * docs/signature-protocols.md). Only a file that is not there ends the list, and the next one is looked for too: a gap hides signatures from
 * every reader. Files are added and never replaced, where containers/image writes all of them anew.
 */
export function createLookasideStore({ repository, read, write }: LookasideRoute): Store {
  /** What was read on the way to an entry; as long as that entry lives. */
  const contents = new WeakMap<Entry, Uint8Array>();

  function entryOf(base: LookasideBase, path: string, bytes: Uint8Array): Entry {
    const blob = readLookasideBlob(bytes);
    const mediaType = "fault" in blob ? OPENPGP_SIGNATURE : blob.mediaType;
    const digest = digestOf(blob.bytes);
    return {
      place: { kind: "lookaside", name: `${base.name}/${path}`, digest },
      descriptor: { mediaType, digest, size: blob.bytes.length },
    };
  }

  /** Staged signatures are no published ones, but who adds to them must see them. */
  const bases = [...new Set([read, write])].filter((base) => base !== undefined);

  return {
    kind: "lookaside",
    async list(subject): Promise<Listing> {
      const folder = lookasideFolder(repository, subject);
      const readings = await Promise.all(
        bases.map(async (base) => ({ base, reading: await readFolder(base, folder, base === write) })),
      );
      const entries = new Map<Digest, Entry>();
      for (const { base, reading } of readings) {
        for (const { path, bytes } of reading.files) {
          const entry = entryOf(base, path, bytes);
          if (entries.has(entry.descriptor.digest)) continue;
          entries.set(entry.descriptor.digest, entry);
          contents.set(entry, bytes);
        }
      }
      return { entries: [...entries.values()], failures: readings.flatMap(({ reading }) => reading.failures) };
    },
    async fetch(entry): Promise<Stored> {
      const { place } = entry;
      const base = bases.find(({ name }) => place.name.startsWith(`${name}/`));
      const kept = contents.get(entry) ?? (await base?.read(place.name.slice(base.name.length + 1)));
      if (kept === undefined) {
        throw new CountersignError("E_BLOB_MISSING", `${place.name} is not there any more`, {
          hint: "try again; nothing that is published in a lookaside should go away",
        });
      }
      const blob = readLookasideBlob(kept);
      if ("fault" in blob) throw noSignature(place.name, blob.fault);
      return { place, mediaType: blob.mediaType, bytes: blob.bytes, annotations: {} };
    },
    async append({ digest: subject }, { bytes }) {
      if (write === undefined) throw nowhere(read);
      const folder = lookasideFolder(repository, subject);
      if (read !== undefined && read !== write) await seed(read, write, folder);
      const { path } = await add(write, folder, bytes);
      return entryOf(write, path, bytes);
    },
  };
}

/**
 * Puts into a staging folder what is published of an image already, so that what is published from there begins with the same files.
 * @throws what reading throws: without it, a signature could take another's place.
 */
async function seed(published: LookasideBase, staging: LookasideBase, folder: string): Promise<void> {
  const { files, failures } = await readFolder(published, folder, false);
  throwFirst(failures);
  for (const { bytes } of files) await add(staging, folder, bytes);
}

/**
 * Adds a file beside those that are there, unless one of them holds the same signature; resolves to its path, and whether it is new. Another writer who takes
 * the same number first is read, and the next number taken.
 *
 * @throws what base throws; E_LOOKASIDE_GAP; E_LOOKASIDE_ANSWER where what has a number is not shown; E_LIMIT when the folder is full.
 */
export async function add(
  base: LookasideBase,
  folder: string,
  bytes: Uint8Array,
): Promise<{ readonly path: string; readonly added: boolean }> {
  const { files, failures, free } = await readFolder(base, folder, true);
  throwFirst(failures);
  const wanted = Buffer.from(readLookasideBlob(bytes).bytes);
  const isSame = (other: Uint8Array) => wanted.equals(readLookasideBlob(other).bytes);
  const known = files.find((file) => isSame(file.bytes));
  if (known !== undefined) return { path: known.path, added: false };
  for (let index = free; index <= LIMITS.lookasideFiles; index += 1) {
    const path = lookasideFile(folder, index);
    if (await base.create(path, bytes)) return { path, added: true };
    const taken = await base.read(path);
    if (taken === undefined) throw hidden(base, path);
    if (isSame(taken)) return { path, added: false };
  }
  throw tooMany(base, folder);
}

/** How often a folder is read anew that has changed in the meantime. */
const READINGS = 4;

/**
 * Reads the next file while it waits for this one; never throws for what the base answers.
 * @param isNew whether the base itself need not be there, as it is made for the first signature.
 */
async function readFolder(base: LookasideBase, folder: string, isNew: boolean, again = READINGS): Promise<Reading> {
  const files: { path: string; bytes: Uint8Array }[] = [];
  const failures: LookFailure[] = [];
  const fail = (error: unknown, path: string) => failures.push(lookFailure(error, `lookaside ${base.name}/${path}`));
  const begin = (index: number) => base.read(lookasideFile(folder, index)).then(found, failed);
  let next = begin(1);
  for (let index = 1; index <= LIMITS.lookasideFiles; index += 1) {
    const path = lookasideFile(folder, index);
    const reading = next;
    next = begin(index + 1);
    const outcome = await reading;
    if ("error" in outcome) {
      const { code } = asCountersignError(outcome.error);
      fail(outcome.error, path);
      // One file may be unreadable for itself; a server that does not answer is not asked on.
      if (code === "E_TOO_LARGE" || code === "E_FILE_TOO_LARGE") continue;
      return { files, failures, free: index };
    }
    if (outcome.bytes === undefined) {
      if (index === 1 && !isNew && (await base.isThere?.()) === false) {
        return { files, failures: [lookFailure(absent(base), `lookaside ${base.name}`)], free: index };
      }
      const following = await next;
      if ("error" in following) {
        fail(following.error, lookasideFile(folder, index + 1));
        return { files, failures, free: index };
      }
      try {
        const beyond = following.bytes === undefined ? await indexBeyond(base, folder, index) : index + 1;
        // Two writers may have come between the two looks.
        const filled = beyond !== undefined && (await base.read(path)) !== undefined;
        if (filled && again > 0) return readFolder(base, folder, isNew, again - 1);
        if (beyond !== undefined) fail(gap(base, folder, index, beyond), path);
      } catch (error) {
        fail(error, folder);
      }
      return { files, failures, free: index };
    }
    files.push({ path, bytes: outcome.bytes });
  }
  const more = await next;
  if (!("bytes" in more) || more.bytes !== undefined) fail(tooMany(base, folder), folder);
  return { files, failures, free: LIMITS.lookasideFiles + 1 };
}

type Outcome = { readonly bytes: Uint8Array | undefined } | { readonly error: unknown };

const found = (bytes: Uint8Array | undefined): Outcome => ({ bytes });
const failed = (error: unknown): Outcome => ({ error });

/** The first file behind one that is missing, where the folder can be listed. */
async function indexBeyond(base: LookasideBase, folder: string, missing: number): Promise<number | undefined> {
  const names = (await base.names?.(folder)) ?? [];
  const beyond = names.flatMap((name) => indexOfFile(name) ?? []).filter((index) => index > missing);
  return beyond.length === 0 ? undefined : beyond.reduce((one, other) => Math.min(one, other));
}

function throwFirst([failure]: readonly LookFailure[]): void {
  if (failure === undefined) return;
  const { code, place, message, hint, retry } = failure;
  throw new CountersignError(code, `${place}: ${message}`, { hint, retry });
}

function absent(base: LookasideBase): CountersignError {
  return new CountersignError("E_LOOKASIDE_ABSENT", `there is no folder ${base.name} to look for signatures in`, {
    hint: "check the path, and whether what holds it is mounted; where nothing has been signed yet, make the folder",
  });
}

function gap(base: LookasideBase, folder: string, missing: number, beyond: number): CountersignError {
  return new CountersignError(
    "E_LOOKASIDE_GAP",
    `${base.name}/${folder} has signature-${beyond}, but no signature-${missing}: readers stop there`,
    { hint: `find out what removed signature-${missing}, and number the files from 1 without a gap` },
  );
}

/** Going on to the next number would leave a gap, or put one signature under every number. */
function hidden(base: LookasideBase, path: string): CountersignError {
  return new CountersignError("E_LOOKASIDE_ANSWER", `${base.name}/${path} is taken, and yet not there to be read`, {
    hint: "look for a cache that remembers what was not there, or a link to nowhere; then sign again: nothing is added twice",
  });
}

function tooMany(base: LookasideBase, folder: string): CountersignError {
  return new CountersignError(
    "E_LIMIT",
    `${base.name}/${folder} holds more than the ${LIMITS.lookasideFiles} signatures that are read`,
    { hint: "check that its server answers 404 for files that are not there, or remove what nobody needs" },
  );
}

function noSignature(name: string, fault: string): CountersignError {
  return new CountersignError("E_SIGNATURE_MALFORMED", `${name} is no signature: ${fault}`, {
    hint: "ask who wrote it, and remove it if nothing needs it",
  });
}

function nowhere(read: LookasideBase | undefined): CountersignError {
  const what = read === undefined ? "no lookaside is named" : `${read.name} is only read`;
  return new CountersignError("E_LOOKASIDE_MISSING", `${what}: there is nowhere to put the signature`, {
    hint: "name where to put it with --lookaside-staging DIR",
  });
}
