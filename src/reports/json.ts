/**
 * A report as one JSON document with a line end. Control characters beyond JSON's own escapes (DEL, C1, bidirectional
 * overrides) are escaped too, so that a terminal shown the document cannot be steered by it, and the first mark of `##[` and
 * `##vso[`, so that neither can a CI runner.
 */
export function jsonText(report: unknown): string {
  const text = JSON.stringify(report, null, 2).replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]|#(?=#[A-Za-z]*\[)/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `${text}\n`;
}
