import { TAG } from "./der.ts";

/** One element in DER: identifier, the shortest length, contents (X.690 8.1, 10.1). */
export function element(identifier: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(contents);
  const length: number[] = [];
  for (let left = body.length; left > 0; left = Math.floor(left / 256)) length.unshift(left % 256);
  const head = body.length < 128 ? [identifier, body.length] : [identifier, 0x80 | length.length, ...length];
  return Buffer.concat([Uint8Array.from(head), body]);
}

export const sequenceOf = (...members: readonly Uint8Array[]) => element(TAG.sequence, ...members);
export const octetsOf = (bytes: Uint8Array) => element(TAG.octetString, bytes);
/** `[number]`, constructed: an EXPLICIT tag around one element. */
export const explicit = (number: number, member: Uint8Array) => element(0xa0 | number, member);

/** A non-negative INTEGER of these big-endian octets, in the fewest octets. */
export function integerOf(bytes: Uint8Array): Uint8Array {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at += 1;
  const shortest = bytes.subarray(at);
  return element(TAG.integer, ...((shortest[0] ?? 0) >= 0x80 ? [Uint8Array.of(0)] : []), shortest);
}

/** OBJECT IDENTIFIER of dotted text whose arcs fit into 53 bits. */
export function oidOf(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return element(TAG.oid, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** UTCTime through 2049, then GeneralizedTime (RFC 5280 4.1.2.5); whole seconds. */
export function timeOf(at: Date): Uint8Array {
  const digits = at.toISOString().replace(/[-:T]|\.\d+/g, "");
  return at.getUTCFullYear() < 2050
    ? element(TAG.utcTime, Buffer.from(digits.slice(2)))
    : element(TAG.generalizedTime, Buffer.from(digits));
}

/** An extension (RFC 5280 4.2), not critical. */
export const extensionOf = (id: string, value: Uint8Array) => sequenceOf(oidOf(id), octetsOf(value));

function base128(arc: number): readonly number[] {
  const octets = [arc % 128];
  for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) octets.unshift((left % 128) | 0x80);
  return octets;
}
