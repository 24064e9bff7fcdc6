import { CountersignError } from "../model/errors.ts";

/** The value of `--dir`. @throws E_USAGE when it is not given. */
export function directoryOf(dir: string | undefined): string {
  if (dir !== undefined && dir !== "") return dir;
  throw new CountersignError("E_USAGE", "no folder is named", { hint: "name it with --dir FOLDER" });
}
