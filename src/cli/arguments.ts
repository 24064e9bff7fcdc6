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

/** Whether a tag fits one of the patterns: `*` any characters, `?` one, all else itself; the whole tag. */
export function globMatcher(patterns: readonly string[]): (tag: string) => boolean {
  return (tag) => patterns.some((pattern) => fits(pattern, tag));
}

/** Goes back to the last `*` alone, as earlier ones have taken as little as they can: no pattern takes long. */
function fits(pattern: string, tag: string): boolean {
  let at = 0;
  let star: { readonly behind: number; end: number } | undefined;
  for (let index = 0; index < tag.length || at < pattern.length; ) {
    if (pattern[at] === "*") {
      star = { behind: at + 1, end: index };
      at += 1;
    } else if (index < tag.length && (pattern[at] === "?" || pattern[at] === tag[index])) {
      at += 1;
      index += 1;
    } else if (star !== undefined && star.end < tag.length) {
      star.end += 1;
      index = star.end;
      at = star.behind;
    } else {
      return false;
    }
  }
  return true;
}
