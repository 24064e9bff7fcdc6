import { CountersignError } from "../model/errors.ts";
import { TAG } from "./der.ts";
import { element, oidOf, sequenceOf } from "./der-writer.ts";
import { attributeType, EMAIL_ADDRESS } from "./names.ts";
import type { RequestedName } from "./requested-names.ts";

const COUNTRY = "2.5.4.6";
const DOMAIN_COMPONENT = "0.9.2342.19200300.100.1.25";
/** Characters of an attribute's value that are not in the middle of an escape. */
const LIMIT = 4096;

/**
 * The DER of a Name from its RFC 4514 text, most specific first: `CN=release,O=Example,C=CH`. Types by the short names that
 * decodeName writes, in any case, or as dotted OIDs; values with the RFC's escapes. Strings are UTF8String, but for those that
 * RFC 5280 fixes.
 * @throws E_USAGE for a text that is no name, or an empty one.
 */
export function encodeName(text: string): Uint8Array {
  if (text === "" || text.length > LIMIT) throw noName(text);
  const levels = split(text, ",").map((level) => split(level, "+").map((pair) => attribute(pair, text)));
  // DER sorts the members of a SET (X.690 11.6).
  const encoded = levels.map((members) => element(TAG.set, ...[...members].sort(Buffer.compare)));
  return sequenceOf(...encoded.reverse());
}

/** Parts between separators that no backslash stands before. */
function split(text: string, separator: string): readonly string[] {
  const parts = [""];
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === separator) {
      parts.push("");
    } else {
      const pair = character === "\\" ? text.slice(at, at + 2) : character;
      parts[parts.length - 1] += pair;
      at += pair.length - 1;
    }
  }
  return parts;
}

function attribute(pair: string, whole: string): Uint8Array {
  const equals = pair.indexOf("=");
  const type = attributeType(pair.slice(0, Math.max(equals, 0)).trim());
  const value = valueBytes(pair.slice(equals + 1), whole);
  if (type === undefined || value.length === 0) throw noName(whole);
  return sequenceOf(oidOf(type), element(stringTag(type, value, whole), value));
}

function stringTag(type: string, value: Uint8Array, whole: string): number {
  const text = Buffer.from(value).toString("latin1");
  if (type === COUNTRY) {
    if (!/^[A-Za-z]{2}$/.test(text)) throw noName(whole, "C takes two letters");
    return TAG.printableString;
  }
  if (type !== EMAIL_ADDRESS && type !== DOMAIN_COMPONENT) return TAG.utf8String;
  if (!/^[ -~]+$/.test(text)) throw noName(whole, "an address takes ASCII");
  return TAG.ia5String;
}

/** UTF-8 of a value, its escapes undone (RFC 4514 3); spaces around it that are not escaped do not belong to it. */
function valueBytes(written: string, whole: string): Uint8Array {
  const start = written.replace(/^ +/, "");
  const value = start.replace(/(?<!\\)((?:\\\\)*(?:\\ )?) +$/, "$1");
  // Values by their encoding are for readers; quotes are of RFC 2253's grandparents.
  if (value.startsWith("#") || /^"/.test(value)) throw noName(whole);
  const bytes: Buffer[] = [];
  for (let at = 0; at < value.length; ) {
    const hex = /^\\([0-9A-Fa-f]{2})/.exec(value.slice(at, at + 3));
    const escaped = /^\\([ "#+,;<=>\\])/.exec(value.slice(at, at + 2));
    const plain = String.fromCodePoint(value.codePointAt(at) ?? 0);
    if (hex !== null) bytes.push(Buffer.from(hex[1] ?? "", "hex"));
    else if (escaped !== null) bytes.push(Buffer.from(escaped[1] ?? ""));
    else if (/["+,;<>\\\u0000]/.test(plain)) throw noName(whole);
    else bytes.push(Buffer.from(plain, "utf8"));
    at += hex?.[0].length ?? escaped?.[0].length ?? plain.length;
  }
  const joined = Buffer.concat(bytes);
  if (!isUtf8(joined)) throw noName(whole);
  return joined;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function noName(text: string, why = "write it as RFC 4514 has it"): CountersignError {
  return new CountersignError("E_USAGE", `${JSON.stringify(text.slice(0, 200))} is no distinguished name`, {
    hint: `${why}, most specific first: CN=release,O=Example,C=CH`,
  });
}

/** The DER of GeneralNames (RFC 5280 4.2.1.6). @throws E_USAGE for a directory name that is none. */
export function encodeGeneralNames(names: readonly RequestedName[]): Uint8Array {
  return sequenceOf(...names.map(encodeGeneralName));
}

function encodeGeneralName({ type, value }: RequestedName): Uint8Array {
  switch (type) {
    case "email":
      return element(0x81, Buffer.from(value, "latin1"));
    case "dns":
      return element(0x82, Buffer.from(value, "latin1"));
    case "directory":
      return element(0xa4, encodeName(value));
    case "uri":
      return element(0x86, Buffer.from(value, "latin1"));
    case "ip":
      return element(0x87, addressBytes(value));
    case "registered-id":
      // IMPLICIT: the tag stands in place of the OID's own, of which short ones have one octet of length.
      return element(0x88, oidOf(value).subarray(2));
  }
}

/** Octets of an address that a URL can hold: dotted, or IPv6 in any spelling. */
function addressBytes(value: string): Uint8Array {
  if (!value.includes(":")) return Uint8Array.from(value.split(".").map(Number));
  const [head = "", tail] = new URL(`http://[${value}]/`).hostname.slice(1, -1).split("::");
  const groups = (part = "") => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const [first, last] = [groups(head), groups(tail)];
  const all = [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
