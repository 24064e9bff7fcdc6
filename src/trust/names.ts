import type { DistinguishedName } from "../model/certificate.ts";
import {
  decodeDer,
  type Element,
  encodingOf,
  identifierOf,
  MalformedDer,
  oid,
  required,
  sequence,
  TAG,
  text as textOf,
} from "./der.ts";

/** One attribute of a name: its type, its value where that is text, and the value's whole encoding. */
interface Attribute {
  readonly type: string;
  readonly text: string | undefined;
  readonly encoding: Uint8Array;
}

/** Attributes that name one level together; nearly always one. */
type RelativeName = readonly Attribute[];

export const EMAIL_ADDRESS = "1.2.840.113549.1.9.1";

/** Short names registered for LDAP (RFC 4519, RFC 4524) and what OpenSSL's RFC2253 output calls the rest, so texts compare. */
const shortNames: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.4": "SN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "street",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "title",
  "2.5.4.17": "postalCode",
  "2.5.4.42": "GN",
  "2.5.4.43": "initials",
  "2.5.4.44": "generationQualifier",
  "2.5.4.46": "dnQualifier",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
  [EMAIL_ADDRESS]: "emailAddress",
};

/** The OID of an attribute type by its short name, in any case, or by itself; undefined for anything else. */
export function attributeType(name: string): string | undefined {
  if (/^[0-2](?:\.(?:0|[1-9]\d{0,14}))+$/.test(name)) return name;
  const wanted = name.toLowerCase();
  return Object.entries(shortNames).find(([, short]) => short.toLowerCase() === wanted)?.[0];
}

/**
 * A Name (RFC 5280 4.1.2.4): its DER, and its RFC 4514 text, most specific first. Attributes without a short name stand
 * as dotted OID and `#` with the hex of the value's DER.
 * @throws MalformedDer
 */
export function decodeName(element: Element | undefined, what: string): DistinguishedName {
  const name = required(element, what);
  const levels = readLevels(name, what);
  const text = [...levels].reverse().map((level) => level.map(attributeText).join("+"));
  return { der: encodingOf(name), text: text.join(",") };
}

/** Values of every attribute of one type, as text; `undefined` stands for a value that is none. */
export function attributeValues(name: DistinguishedName, type: string): readonly (string | undefined)[] {
  return levelsOf(name)
    .flat()
    .filter((attribute) => attribute.type === type)
    .map((attribute) => attribute.text);
}

/** What Go's `pkix.Name` names; every other attribute it writes as OID and hex, which Notary's identities cannot hold. */
const notaryTypes: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.5": "SERIALNUMBER",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "STREET",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.17": "POSTALCODE",
};

/**
 * The attributes of a subject as Notary's `x509.subject` identities see them, by their types; a sentence where they see none: an
 * attribute that stands twice, one of a type that they do not know, or C, ST or O missing.
 */
export function notarySubject(name: DistinguishedName): ReadonlyMap<string, string> | string {
  const attributes = new Map<string, string>();
  for (const { type: id, text } of levelsOf(name).flat()) {
    const type = notaryTypes[id];
    if (type === undefined || text === undefined) return `it has the attribute ${shortNames[id] ?? id}`;
    if (attributes.has(type)) return `it has the attribute ${type} twice`;
    attributes.set(type, text);
  }
  const missing = ["C", "ST", "O"].find((type) => !attributes.get(type));
  return missing === undefined ? attributes : `it has no ${missing}`;
}

const canonical = new WeakMap<DistinguishedName, readonly string[]>();

/**
 * A name for comparing, a text for each level from the root on (RFC 5280 7.1): strings of different types are equal
 * when they differ in case and in spaces alone.
 */
export function canonicalName(name: DistinguishedName): readonly string[] {
  const known = canonical.get(name);
  if (known !== undefined) return known;
  const levels = levelsOf(name).map((level) => level.map(canonicalAttribute).sort().join("\u0000"));
  canonical.set(name, levels);
  return levels;
}

/** Whether two names are the same (RFC 5280 7.1). */
export function sameName(left: DistinguishedName, right: DistinguishedName): boolean {
  const [one, other] = [canonicalName(left), canonicalName(right)];
  return one.length === other.length && one.every((level, index) => level === other[index]);
}

function levelsOf(name: DistinguishedName): readonly RelativeName[] {
  return readLevels(decodeDer(name.der, "name"), "name");
}

function readLevels(element: Element, what: string): readonly RelativeName[] {
  return sequence(element, what).map((level) => {
    if (identifierOf(level) !== TAG.set || level.subs.length === 0) {
      throw new MalformedDer(`${what} holds an empty or foreign level`);
    }
    return level.subs.map((pair) => {
      const [type, value, ...others] = sequence(pair, what);
      if (value === undefined || others.length > 0) throw new MalformedDer(`${what} holds a malformed attribute`);
      return { type: oid(type, `attribute type of ${what}`), text: textOf(value), encoding: encodingOf(value) };
    });
  });
}

function attributeText({ type, text, encoding }: Attribute): string {
  const shortName = shortNames[type];
  if (shortName === undefined || text === undefined) {
    return `${shortName ?? type}=#${Buffer.from(encoding).toString("hex")}`;
  }
  return `${shortName}=${escapeValue(text)}`;
}

/** RFC 4514 2.4, with control characters as hex pairs so that no text can end a line or drive a terminal. */
function escapeValue(text: string): string {
  const escaped = text
    .replace(/["+,;<>\\]/g, "\\$&")
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, hexPairs)
    .replace(/^[ #]/, "\\$&");
  return escaped.endsWith(" ") && text.length > 1 ? `${escaped.slice(0, -1)}\\ ` : escaped;
}

function hexPairs(character: string): string {
  return [...Buffer.from(character, "utf8")]
    .map((byte) => `\\${byte.toString(16).padStart(2, "0").toUpperCase()}`)
    .join("");
}

function canonicalAttribute({ type, text, encoding }: Attribute): string {
  if (text === undefined) return `${type}#${Buffer.from(encoding).toString("hex")}`;
  return `${type}=${text.normalize("NFKC").trim().replace(/\s+/g, " ").toLowerCase()}`;
}
