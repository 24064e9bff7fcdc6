import { formatNamed } from "../formats/registry.ts";
import { CountersignError } from "../model/errors.ts";
import type { Format } from "../model/format.ts";
import { FORMATS } from "../model/signature.ts";

/** `cosign,bundle` as formats, each once. @throws E_USAGE for a name that is none. */
export function formatsOf(text: string): readonly Format[] {
  const names = [
    ...new Set(
      text
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== ""),
    ),
  ];
  if (names.length === 0)
    throw new CountersignError("E_USAGE", "--format names no format", { hint: `name ${FORMATS.join(" or ")}` });
  return names.map((name) => {
    const known = FORMATS.find((format) => format === name);
    if (known === undefined) {
      throw new CountersignError("E_USAGE", `--format: ${JSON.stringify(name)} is no format of this version`, {
        hint: `name ${FORMATS.join(" or ")}, or several by comma`,
      });
    }
    return formatNamed(known);
  });
}
