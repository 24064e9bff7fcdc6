const shortOf: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};
const loneSurrogate = /^\p{Surrogate}$/u;

/** A text as Go's encoding/json writes it with HTML escaping on; half a surrogate pair becomes U+FFFD, as there. */
export function goString(text: string): string {
  let encoded = "";
  for (const character of text) {
    encoded += loneSurrogate.test(character)
      ? "\\ufffd"
      : (shortOf[character] ?? JSON.stringify(character).slice(1, -1));
  }
  return `"${encoded}"`;
}

/** A map of texts as Go's encoding/json writes it: keys sorted by their UTF-8 bytes. */
export function goStringMap(values: Readonly<Record<string, string>>): string {
  const members = Object.entries(values)
    .map(([key, value]) => ({ key, value, order: Buffer.from(key) }))
    .sort((a, b) => Buffer.compare(a.order, b.order))
    .map(({ key, value }) => `${goString(key)}:${goString(value)}`);
  return `{${members.join(",")}}`;
}
