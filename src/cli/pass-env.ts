import { CountersignError } from "../model/errors.ts";

/** Names of `--pass-env`. @throws E_USAGE for what is no variable's name, which may be `NAME=value` and is not shown. */
export function checkedNames(names: readonly string[]): readonly string[] {
  for (const name of names) {
    if (/^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name)) continue;
    throw new CountersignError("E_USAGE", "--pass-env takes the name of an environment variable", {
      hint: "write --pass-env NAME, without a value: the program sees the one that is set here",
    });
  }
  return names;
}
