import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { z } from "zod";

const root = fileURLToPath(new URL("../../../", import.meta.url));

const actionFile = z.strictObject({
  name: z.string(),
  description: z.string(),
  author: z.string(),
  branding: z.strictObject({ icon: z.string(), color: z.string() }),
  inputs: z.record(
    z.string(),
    z.strictObject({ description: z.string(), required: z.boolean().optional(), default: z.string().optional() }),
  ),
  outputs: z.record(z.string(), z.strictObject({ description: z.string() })),
  runs: z.strictObject({ using: z.string(), main: z.string(), post: z.string() }),
});

/** action.yml, held to the members that the runner knows. */
export const action = actionFile.parse(parse(readFileSync(`${root}action.yml`, "utf8")));

/** The variables that the runner makes of a step's `with:` and the defaults of action.yml. */
export function inputVariables(given: Readonly<Record<string, string>>): Record<string, string> {
  const defaults = Object.entries(action.inputs).map(([name, input]) => {
    const value = input.default ?? "";
    return [name, value.startsWith("${{") ? "" : value] as const;
  });
  const all = { ...Object.fromEntries(defaults), ...given };
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]));
}
