import { isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Files } from "../platform/host.ts";
import type { LookasideBase } from "./lookaside-base.ts";

/** As containers/image makes them: anybody may read what is published. */
const MODE = 0o644;

/** A lookaside in a folder of this machine. A file gets its name when it is whole, and never takes that of another. */
export function openLookasideFolder(
  root: string,
  files: Pick<Files, "read" | "size" | "list" | "write" | "exists">,
): LookasideBase {
  const base = root.replace(/(?<=.)\/+$/, "");
  const placed = (path: string) => `${base}/${path}`;
  return {
    name: base,
    async read(path) {
      if ((await files.size(placed(path))) === undefined) return undefined;
      return files.read(placed(path), LIMITS.lookasideFile);
    },
    async create(path, bytes) {
      try {
        await files.write(placed(path), bytes, { exclusive: true, mode: MODE });
        return true;
      } catch (error) {
        if (isCountersignError(error) && error.code === "E_FILE_EXISTS") return false;
        throw error;
      }
    },
    isThere: () => files.exists(`${base}/.`),
    names: (folder) => files.list(placed(folder)),
  };
}
