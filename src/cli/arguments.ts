import type { z } from "zod";
import { formatNamed } from "../formats/registry.ts";
import { CountersignError } from "../model/errors.ts";
import type { Format } from "../model/format.ts";
import { FORMATS } from "../model/signature.ts";

/** Options as commander read them, held against their schema. @throws E_USAGE naming the first that does not fit. */
export function parseOptions<T extends z.ZodType>(schema: T, raw: unknown): z.infer<T> {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const name = String(issue?.path[0] ?? "").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new CountersignError("E_USAGE", `--${name}: ${issue?.message ?? "is not understood"}`, { hint: "see --help" });
}

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
        hint: `name ${FORMATS.join(" or ")}, or both by comma`,
      });
    }
    return formatNamed(known);
  });
}

/**
 * `key=value` pairs, split at the first `=`, as cosign takes them.
 * @throws E_USAGE for a pair without key or `=`, or a key given two values.
 */
export function annotationsOf(pairs: readonly string[]): Readonly<Record<string, string>> {
  const annotations = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at < 1) {
      throw new CountersignError("E_USAGE", `the annotation ${JSON.stringify(pair)} is not KEY=VALUE`, {
        hint: "write -a KEY=VALUE",
      });
    }
    const [key, value] = [pair.slice(0, at), pair.slice(at + 1)];
    if ((annotations.get(key) ?? value) !== value) {
      throw new CountersignError("E_USAGE", `the annotation ${JSON.stringify(key)} is given two values`, {
        hint: "give each key once",
      });
    }
    annotations.set(key, value);
  }
  return Object.fromEntries(annotations);
}

/** A tag pattern: `*` any characters, `?` one, all else itself; anchored. */
export function globMatcher(patterns: readonly string[]): (tag: string) => boolean {
  const source = patterns.map((pattern) =>
    pattern
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replace(/\*+/g, ".*")
      .replace(/\?/g, "."),
  );
  const matcher = new RegExp(`^(?:${source.join("|")})$`, "s");
  return (tag) => matcher.test(tag);
}
