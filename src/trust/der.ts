// The file itself, not the package's index: that loads time stamps, DSSE and more at every start.
import { ASN1Obj } from "@sigstore/core/dist/asn1/index.js";

/** One decoded element: tag, contents, and the elements inside a constructed one. */
export type Element = ASN1Obj;

/** What is wrong with an encoding, in the words of its caller. Never leaves this room: callers give it a code. */
export class MalformedDer extends Error {}

/** Identifier octets (X.690 8.1.2): class, constructed bit and number in one. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Decodes exactly one DER element. @throws MalformedDer naming `what`. */
export function decodeDer(bytes: Uint8Array, what: string): Element {
  try {
    return ASN1Obj.parseBuffer(Buffer.from(bytes));
  } catch (error) {
    throw new MalformedDer(`${what} is not DER: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** An element that must be there. */
export function required(element: Element | undefined, what: string): Element {
  if (element === undefined) throw new MalformedDer(`${what} is missing`);
  return element;
}

export function identifierOf(element: Element): number {
  return element.tag.toDER();
}

/** Whether `element` carries the context-specific tag `number` (`[number]`), primitive or constructed. */
export function isContext(element: Element | undefined, number: number): element is Element {
  return element?.tag.isContextSpecific(number) ?? false;
}

/** The elements of a SEQUENCE. */
export function sequence(element: Element | undefined, what: string): readonly Element[] {
  return expect(element, TAG.sequence, what).subs;
}

/** The elements inside a constructed element of any tag, as an EXPLICIT tag or an IMPLICIT SEQUENCE has them. */
export function inside(element: Element, what: string): readonly Element[] {
  if (!element.tag.constructed) throw new MalformedDer(`${what} is not constructed`);
  return element.subs;
}

/** The one element that an EXPLICIT tag wraps. */
export function only(element: Element, what: string): Element {
  const [first, ...others] = inside(element, what);
  if (first === undefined || others.length > 0) throw new MalformedDer(`${what} does not hold exactly one element`);
  return first;
}

/** Contents of an INTEGER in the fewest octets (X.690 8.3.2), two's complement. */
export function integerBytes(element: Element | undefined, what: string): Buffer {
  const { value } = expect(element, TAG.integer, what);
  const [first, second] = value;
  if (first === undefined) throw new MalformedDer(`${what} is an empty INTEGER`);
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw new MalformedDer(`${what} is not the shortest INTEGER`);
  }
  return value;
}

/** A serial number in hex, without the octet that only keeps it positive. */
export function serialNumber(element: Element | undefined, what: string): string {
  return integerBytes(element, what)
    .toString("hex")
    .replace(/^00(?=.)/, "");
}

/** A small non-negative INTEGER (counts, versions, path lengths); `bytes` for one of an IMPLICIT tag. */
export function smallInteger(bytes: Uint8Array, what: string): number {
  const [first] = bytes;
  if (first === undefined || first >= 0x80 || bytes.length > 4) {
    throw new MalformedDer(`${what} is not a small number`);
  }
  return bytes.reduce((number, byte) => number * 256 + byte, 0);
}

/** BOOLEAN; DER knows only 00 and FF. */
export function boolean(element: Element, what: string): boolean {
  const { value } = expect(element, TAG.boolean, what);
  if (value.length !== 1 || (value[0] !== 0 && value[0] !== 0xff)) throw new MalformedDer(`${what} is not a BOOLEAN`);
  return value[0] === 0xff;
}

export function octets(element: Element | undefined, what: string): Buffer {
  return expect(element, TAG.octetString, what).value;
}

/** BIT STRING contents: how many bits of the last octet are unused, and the octets. */
export function bitString(element: Element | undefined, what: string): { unused: number; bytes: Buffer } {
  const { value } = expect(element, TAG.bitString, what);
  const unused = value[0] ?? 8;
  const bytes = value.subarray(1);
  const last = bytes.at(-1) ?? 0;
  if (unused > 7 || (bytes.length === 0 && unused > 0) || (last & ((1 << unused) - 1)) !== 0) {
    throw new MalformedDer(`${what} is not a BIT STRING`);
  }
  return { unused, bytes };
}

/** Dotted text of an OBJECT IDENTIFIER. */
export function oid(element: Element | undefined, what: string): string {
  return oidText(expect(element, TAG.oid, what).value, what);
}

/** Dotted text of the contents of an OBJECT IDENTIFIER; padded or cut-off arcs are refused (X.690 8.19.2). */
export function oidText(contents: Uint8Array, what: string): string {
  const arcs: bigint[] = [];
  let arc: bigint | undefined;
  for (const byte of contents) {
    if (arc === undefined && byte === 0x80) throw new MalformedDer(`${what} is not the shortest OID`);
    arc = ((arc ?? 0n) << 7n) | BigInt(byte & 0x7f);
    // Longer arcs than a UUID's 128 bits are nobody's, and would take quadratic work.
    if (arc >> 128n !== 0n) throw new MalformedDer(`${what} is an OID with an arc over 128 bits`);
    if (byte < 0x80) {
      arcs.push(arc);
      arc = undefined;
    }
  }
  const [first, ...rest] = arcs;
  if (first === undefined || arc !== undefined) throw new MalformedDer(`${what} is not an OID`);
  const root = first < 40n ? 0n : first < 80n ? 1n : 2n;
  return [root, first - root * 40n, ...rest].join(".");
}

const times = {
  [TAG.utcTime]: /^()(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
  [TAG.generalizedTime]: /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
};

/** UTCTime or GeneralizedTime as RFC 5280 4.1.2.5 restricts them: with seconds, without fractions, in Z; a day that exists. */
export function time(element: Element | undefined, what: string): Date {
  const tag = element === undefined ? undefined : identifierOf(element);
  const grammar = tag === TAG.utcTime || tag === TAG.generalizedTime ? times[tag] : undefined;
  const parts = grammar?.exec(element?.value.toString("latin1") ?? "");
  if (!parts) throw new MalformedDer(`${what} is not a time of the form that RFC 5280 allows`);
  const [, century = "", year = "", month, day, hour, minute, second] = parts;
  const iso = `${century || (Number(year) >= 50 ? "19" : "20")}${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const date = new Date(iso);
  // 31 February would slide into March.
  if (Number.isNaN(date.getTime()) || date.toISOString() !== iso) throw new MalformedDer(`${what} is no real time`);
  return date;
}

const decoders: Readonly<Record<number, (bytes: Buffer) => string>> = {
  [TAG.utf8String]: (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
  [TAG.numericString]: ascii,
  [TAG.printableString]: ascii,
  [TAG.ia5String]: ascii,
  [TAG.visibleString]: ascii,
  [TAG.teletexString]: (bytes) => bytes.toString("latin1"),
  [TAG.bmpString]: bmp,
  [TAG.universalString]: universal,
};

/** The text of a character string of any type that a DirectoryString can have; undefined when it is not one. */
export function text(element: Element): string | undefined {
  const decode = decoders[identifierOf(element)];
  try {
    return decode?.(element.value);
  } catch {
    return undefined;
  }
}

function ascii(bytes: Buffer): string {
  if (bytes.some((byte) => byte > 0x7f)) throw new MalformedDer("not ASCII");
  return bytes.toString("latin1");
}

function bmp(bytes: Buffer): string {
  if (bytes.length % 2 !== 0) throw new MalformedDer("half a character");
  return new TextDecoder("utf-16be", { fatal: true, ignoreBOM: true }).decode(bytes);
}

function universal(bytes: Buffer): string {
  if (bytes.length % 4 !== 0) throw new MalformedDer("part of a character");
  let decoded = "";
  for (let at = 0; at < bytes.length; at += 4) decoded += String.fromCodePoint(bytes.readUInt32BE(at));
  return decoded;
}

/** The whole encoding of an element: identifier, length, contents. */
export function encodingOf(element: Element): Uint8Array {
  return encodeElement(identifierOf(element), element.value);
}

/** Encodes one element in DER around its contents. */
function encodeElement(identifier: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  const head: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) head.unshift(left % 256);
  const prefix = length < 128 ? [identifier, length] : [identifier, 0x80 | head.length, ...head];
  return new Uint8Array(Buffer.concat([Uint8Array.from(prefix), ...contents]));
}

function expect(element: Element | undefined, identifier: number, what: string): Element {
  const found = required(element, what);
  if (identifierOf(found) === identifier) return found;
  const [has, belongs] = [identifierOf(found), identifier].map((tag) => `0x${tag.toString(16).padStart(2, "0")}`);
  throw new MalformedDer(`${what} has tag ${has} where ${belongs} belongs`);
}
