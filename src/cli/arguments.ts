import { CountersignError } from "../model/errors.ts";

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
