import { CountersignError } from "../model/errors.ts";
import { FORMATS, type FormatName } from "../model/signature.ts";

/** `cosign,bundle` as names of formats, each once; the formats themselves stay unloaded. @throws E_USAGE for a name that is none. */
export function formatNamesOf(text: string): readonly FormatName[] {
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
    if (known !== undefined) return known;
    throw new CountersignError("E_USAGE", `--format: ${JSON.stringify(name)} is no format of this version`, {
      hint: `name ${FORMATS.join(" or ")}, or several by comma`,
    });
  });
}
