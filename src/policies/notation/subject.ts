/** Attribute types that a subject must have to be named at all. */
const MANDATORY = ["C", "ST", "O"] as const;

/**
 * The attributes of an `x509.subject` identity by their types, `S` as `ST` (trust-store-trust-policy.md, "Trusted identities"):
 * RFC 4514, each type once, one to a level. A sentence where the text is none.
 */
export function parseSubject(text: string): ReadonlyMap<string, string> | string {
  const attributes = new Map<string, string>();
  for (const level of splitUnescaped(text, ",")) {
    if (splitUnescaped(level, "+").length > 1) return "levels of several attributes are not supported";
    const [, written, value] = /^\s*([A-Za-z][A-Za-z0-9-]*|[0-2](?:\.\d+)+)\s*=\s*([\s\S]*?)\s*$/.exec(level) ?? [];
    if (written === undefined || value === undefined) return "it is no distinguished name of RFC 4514";
    if (value.startsWith("#")) return "values in hex are not supported";
    const type = written === "S" ? "ST" : written;
    if (attributes.has(type)) return `the attribute ${type} stands twice`;
    const decoded = unescaped(value, level);
    if (decoded === undefined) return "it holds a broken escape";
    attributes.set(type, decoded);
  }
  const missing = MANDATORY.find((type) => !attributes.get(type));
  return missing === undefined ? attributes : `it has no ${missing}: C, ST and O must be there`;
}

function splitUnescaped(text: string, separator: string): readonly string[] {
  const parts = [""];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? "";
    if (character === "\\") {
      parts.push(`${parts.pop()}${text.slice(at, at + 2)}`);
      at += 1;
    } else if (character === separator) parts.push("");
    else parts.push(`${parts.pop()}${character}`);
  }
  return parts;
}

/** Characters and hex pairs of UTF-8 behind a backslash (RFC 4514 2.4); an escaped space at the end stays. */
function unescaped(trimmed: string, level: string): string | undefined {
  const value = trimmed.endsWith("\\") && /\\\s+$/.test(level) ? `${trimmed} ` : trimmed;
  const bytes: Buffer[] = [];
  for (let at = 0; at < value.length; ) {
    if (value[at] !== "\\") {
      const point = String.fromCodePoint(value.codePointAt(at) ?? 0);
      if ('"+,;<>'.includes(point)) return undefined;
      bytes.push(Buffer.from(point));
      at += point.length;
      continue;
    }
    const pair = /^[0-9a-fA-F]{2}/.exec(value.slice(at + 1))?.[0];
    const character = value[at + 1];
    if (pair !== undefined) bytes.push(Buffer.from(pair, "hex"));
    else if (character !== undefined && ' "#+,;<=>\\'.includes(character)) bytes.push(Buffer.from(character));
    else return undefined;
    at += pair === undefined ? 2 : 3;
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(bytes));
  } catch {
    return undefined;
  }
}
