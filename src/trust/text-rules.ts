import { CountersignError } from "../model/errors.ts";
import type { TextRule } from "../model/policy.ts";

/** Characters of the longest pattern, and of the longest text that one is tried on. */
const MAX_PATTERN = 4096;
const MAX_TEXT = 65_536;

/** A rule that only the very same text satisfies. */
export function exactRule(text: string): TextRule {
  return { kind: "exact", text };
}

/**
 * A rule by RE2, Go's regular expressions (linear time), over the whole text: anchored at both ends.
 * @throws E_PATTERN_INVALID for what RE2 does not read, back references and look-around among it, or a pattern too long.
 */
export async function patternRule(source: string): Promise<TextRule> {
  if (source.length > MAX_PATTERN) {
    throw new CountersignError("E_PATTERN_INVALID", `a pattern of ${source.length} characters is too long`, {
      hint: `write at most ${MAX_PATTERN} characters`,
    });
  }
  const { RE2JS } = await import("re2js");
  try {
    // `matches` is over the whole input; writing `^(?:` and `)$` around the source would change `a)|(b` and `\Qa`.
    const pattern = RE2JS.compile(source);
    return { kind: "pattern", source, matches: (text) => text.length <= MAX_TEXT && pattern.matches(text) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CountersignError(
      "E_PATTERN_INVALID",
      `the pattern ${JSON.stringify(source.slice(0, 200))} is not RE2: ${why.slice(0, 200)}`,
      {
        hint: "write it in the syntax of https://github.com/google/re2/wiki/Syntax; escape literal dots as \\.",
        cause: error,
      },
    );
  }
}

/** Whether a text satisfies a rule. */
export function matchesText(rule: TextRule, text: string): boolean {
  return rule.kind === "exact" ? rule.text === text : rule.matches(text);
}

/** A rule as messages show it. */
export function describeRule(rule: TextRule): string {
  return rule.kind === "exact" ? JSON.stringify(rule.text) : `the pattern ${JSON.stringify(rule.source)}`;
}
