import { close, constants, fstat, open, promises, read } from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import { causeCode } from "./faults.ts";
import type { Files } from "./host.ts";

// Files are read without node:fs/promises, which takes two milliseconds to load: before a first request nothing else is done with them.
const openToRead = promisify(open);
const statOf = promisify(fstat);
const readFrom = promisify(read);
const closeFile = promisify(close);

/** The file system. Reads are bounded, also of pipes and devices; writes are whole or not at all. */
export function createNodeFiles(randomName: () => string): Files {
  return {
    async read(path, limit) {
      const file = await openToRead(path, constants.O_RDONLY).catch((cause: unknown) => {
        throw unreadable(path, cause);
      });
      try {
        return await readAtMost(file, path, limit);
      } finally {
        await closeFile(file);
      }
    },
    async exists(path) {
      return promises.stat(path).then(
        () => true,
        () => false,
      );
    },
    async list(path) {
      return promises.readdir(path).catch((cause: unknown) => {
        if (causeCode(cause) === "ENOENT") return [];
        throw unreadable(path, cause);
      });
    },
    async isLink(path) {
      return promises.lstat(path).then(
        (found) => found.isSymbolicLink(),
        (cause: unknown) => {
          if (["ENOENT", "ENOTDIR"].includes(causeCode(cause))) return false;
          throw unreadable(path, cause);
        },
      );
    },
    async size(path) {
      return promises.stat(path).then(
        (found) => found.size,
        (cause: unknown) => {
          if (["ENOENT", "ENOTDIR"].includes(causeCode(cause))) return undefined;
          throw unreadable(path, cause);
        },
      );
    },
    open: (path) => readPieces(path),
    write: (path, bytes, options = {}) =>
      beside(path, randomName(), async (temporary) => {
        await writeNew(temporary, bytes, options.mode ?? 0o666);
        await (options.exclusive ? place(temporary, path) : promises.rename(temporary, path));
      }),
    writeFrom: (path, chunks) =>
      beside(path, randomName(), async (temporary) => {
        await writeNew(temporary, chunks, 0o666);
        await promises.rename(temporary, path);
      }),
    async remove(path) {
      await promises.rm(path, { recursive: true, force: true }).catch((cause: unknown) => {
        throw unwritable(path, cause);
      });
    },
  };
}

async function readAtMost(file: number, path: string, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    const { size: expected } = await statOf(file);
    for (;;) {
      const room = Math.min(Math.max(expected - size, 0), limit - size) + 1;
      const buffer = new Uint8Array(Math.max(room, 4096));
      const { bytesRead } = await readFrom(file, buffer, 0, buffer.length, null);
      if (bytesRead === 0) return Buffer.concat(chunks, size);
      size += bytesRead;
      if (size > limit) break;
      chunks.push(buffer.subarray(0, bytesRead));
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
  throw new CountersignError("E_FILE_TOO_LARGE", `${path} holds more than the ${limit} bytes that are read`, {
    hint: "check that this is the right file",
  });
}

/** Runs `work` with the path of a temporary file in the folder of `path`, which is made; nothing of a failure stays. */
async function beside(path: string, random: string, work: (temporary: string) => Promise<void>): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path).slice(0, 100)}.${random}.tmp`);
  try {
    await promises.mkdir(folder, { recursive: true });
    await work(temporary);
  } catch (cause) {
    await promises.rm(temporary, { force: true }).catch(() => {});
    throw unwritable(path, cause);
  }
}

const PIECE = 256 * 1024;

async function* readPieces(path: string): AsyncIterable<Uint8Array> {
  const file = await promises.open(path, constants.O_RDONLY).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(PIECE), 0, PIECE, null).catch((cause: unknown) => {
        throw unreadable(path, cause);
      });
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function writeNew(path: string, bytes: Uint8Array | AsyncIterable<Uint8Array>, mode: number): Promise<void> {
  const file = await promises.open(path, "wx", mode);
  try {
    if (bytes instanceof Uint8Array) await file.writeFile(bytes);
    else for await (const chunk of bytes) await file.writeFile(chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Gives a finished file its name unless something has it already: `link` never replaces, where `rename` does. */
async function place(from: string, to: string): Promise<void> {
  await promises.link(from, to).catch((cause: unknown) => {
    if (causeCode(cause) !== "EEXIST") throw cause;
    throw new CountersignError("E_FILE_EXISTS", `${to} is there already`, {
      cause,
      hint: "remove it or choose another name",
    });
  });
  await promises.rm(from);
}

function unreadable(path: string, cause: unknown): CountersignError {
  const code = causeCode(cause);
  return new CountersignError("E_FILE_UNREADABLE", `${path} cannot be read: ${code}`, { cause, hint: mend(code) });
}

function unwritable(path: string, cause: unknown): CountersignError {
  if (isCountersignError(cause)) return cause;
  const code = causeCode(cause);
  return new CountersignError("E_FILE_UNWRITABLE", `${path} cannot be written: ${code}`, { cause, hint: mend(code) });
}

function mend(code: string): string {
  if (code === "ENOENT") return "check the path";
  if (code === "EISDIR") return "name a file, not a folder";
  if (code === "EACCES" || code === "EPERM") return "check who owns it and its permissions";
  return "check the path and the disk";
}
