import type { AlternativeName } from "../model/certificate.ts";
import { type Element, encodingOf, inside, MalformedDer, oid, oidText, only, text as textOf } from "./der.ts";
import { decodeName } from "./names.ts";

/** Fulcio's otherName for user names that are no e-mail address; cosign matches its text as it matches any other. */
const FULCIO_USERNAME = "1.3.6.1.4.1.57264.1.7";

/**
 * One GeneralName (RFC 5280 4.2.1.6) as text. An otherName is `OID:text`, or `OID:#hex` where its value is not a string,
 * but for Fulcio's, which is its text; x400Address and ediPartyName are `x400:#hex` and `edi:#hex`.
 * @throws MalformedDer
 */
export function decodeGeneralName(element: Element, what: string): AlternativeName {
  if (!element.tag.isContextSpecific()) throw new MalformedDer(`${what} is not a GeneralName`);
  switch (element.tag.number) {
    case 0:
      return { type: "other", value: otherName(element, what) };
    case 1:
      return { type: "email", value: ia5(element, `e-mail address of ${what}`) };
    case 2:
      return { type: "dns", value: ia5(element, `host name of ${what}`) };
    case 3:
      return { type: "other", value: `x400:${hex(encodingOf(element))}` };
    case 4:
      return { type: "directory", value: decodeName(only(element, what), what).text };
    case 5:
      return { type: "other", value: `edi:${hex(encodingOf(element))}` };
    case 6:
      return { type: "uri", value: ia5(element, `URI of ${what}`) };
    case 7:
      return { type: "ip", value: ipText(primitive(element, what), what) };
    case 8:
      return { type: "registered-id", value: oidText(primitive(element, what), what) };
    default:
      throw new MalformedDer(`${what} holds a GeneralName of an unknown kind [${element.tag.number}]`);
  }
}

/** Contents of an IMPLICIT IA5String without control characters: nothing that a name is made of is one. */
export function ia5(element: Element, what: string): string {
  const bytes = primitive(element, what);
  if (bytes.some((byte) => byte < 0x20 || byte > 0x7e)) {
    throw new MalformedDer(`the ${what} holds a character outside printable ASCII`);
  }
  return bytes.toString("latin1");
}

/** An IP address as text: dotted, or as RFC 5952 writes IPv6. */
export function ipText(bytes: Uint8Array, what: string): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) throw new MalformedDer(`an IP address of ${what} has ${bytes.length} octets`);
  const view = Buffer.from(bytes);
  const groups = Array.from({ length: 8 }, (_, index) => view.readUInt16BE(index * 2));
  const { start, length } = longestZeros(groups);
  const part = (from: number, to: number) => groups.slice(from, to).map((group) => group.toString(16));
  if (length < 2) return part(0, 8).join(":");
  return `${part(0, start).join(":")}::${part(start + length, 8).join(":")}`;
}

/** The first of the longest runs of zero groups. */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [index, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: index - length + 1, length };
  }
  return best;
}

function otherName(element: Element, what: string): string {
  const [type, wrapped, ...others] = inside(element, what);
  if (wrapped === undefined || others.length > 0 || !wrapped.tag.isContextSpecific(0)) {
    throw new MalformedDer(`${what} holds a malformed otherName`);
  }
  const dotted = oid(type, `otherName of ${what}`);
  const value = only(wrapped, `otherName of ${what}`);
  const text = textOf(value);
  if (dotted === FULCIO_USERNAME) {
    if (text === undefined) throw new MalformedDer(`the Fulcio user name of ${what} is not text`);
    return text;
  }
  return `${dotted}:${text === undefined || text.startsWith("#") ? hex(encodingOf(value)) : text}`;
}

function primitive(element: Element, what: string): Buffer {
  if (element.tag.constructed) throw new MalformedDer(`${what} holds a constructed name where a primitive one belongs`);
  return element.value;
}

function hex(bytes: Uint8Array): string {
  return `#${Buffer.from(bytes).toString("hex")}`;
}
