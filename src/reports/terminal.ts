/**
 * Text from a registry, a certificate or a file, made safe for one line of a terminal or a log: control characters
 * (C0, DEL, C1), line and paragraph separators and bidirectional overrides become `\u{hex}`, and so does the first mark of
 * `##[` and `##vso[`, which CI runners take for commands wherever in a line of a log they stand. What is longer than `limit`
 * characters is cut with `…`.
 */
export function oneLine(text: string, limit = 400): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return cut.replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|#(?=#[A-Za-z]*\[)/g,
    (character) => `\\u{${character.charCodeAt(0).toString(16)}}`,
  );
}

/** A digest as people compare it: algorithm and twelve digits. */
export function shortDigest(digest: string): string {
  const colon = digest.indexOf(":");
  return digest.length > colon + 13 ? `${digest.slice(0, colon + 13)}…` : digest;
}
