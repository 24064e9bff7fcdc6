/** Writes DER by hand, so that tests can write what no careful library would. */
export function tlv(identifier: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(contents);
  if (body.length < 0x80) return Buffer.concat([Uint8Array.of(identifier, body.length), body]);
  const length = body.length.toString(16);
  const octets = Buffer.from(length.length % 2 === 0 ? length : `0${length}`, "hex");
  return Buffer.concat([Uint8Array.of(identifier, 0x80 | octets.length), octets, body]);
}

export const sequenceOf = (...parts: readonly Uint8Array[]) => tlv(0x30, ...parts);
export const setOf = (...parts: readonly Uint8Array[]) => tlv(0x31, ...parts);
export const octetString = (bytes: Uint8Array) => tlv(0x04, bytes);
export const bitStringOf = (bytes: Uint8Array, unused = 0) => tlv(0x03, Uint8Array.of(unused), bytes);
export const booleanOf = (value: boolean) => tlv(0x01, Uint8Array.of(value ? 0xff : 0));
export const utf8 = (text: string) => tlv(0x0c, Buffer.from(text, "utf8"));
export const printable = (text: string) => tlv(0x13, Buffer.from(text, "latin1"));
export const ia5String = (text: string) => tlv(0x16, Buffer.from(text, "latin1"));
export const context = (number: number, ...parts: readonly Uint8Array[]) => tlv(0xa0 | number, ...parts);
export const contextPrimitive = (number: number, bytes: Uint8Array | string) =>
  tlv(0x80 | number, typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);

export function integerOf(value: number | bigint | string): Uint8Array {
  const hex = typeof value === "string" ? value : value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return tlv(0x02, (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Uint8Array.of(0), bytes]) : bytes);
}

export function oidOf(dotted: string): Uint8Array {
  const [first = 0n, second = 0n, ...rest] = dotted.split(".").map(BigInt);
  return tlv(0x06, ...[first * 40n + second, ...rest].map(base128));
}

export function timeOf(at: Date): Uint8Array {
  const digits = at.toISOString().replace(/[-:T]|\.\d+/g, "");
  const short = at.getUTCFullYear() >= 1950 && at.getUTCFullYear() < 2050;
  return short ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits));
}

function base128(value: bigint): Uint8Array {
  const octets = [Number(value & 0x7fn)];
  for (let left = value >> 7n; left > 0n; left >>= 7n) octets.unshift(Number(left & 0x7fn) | 0x80);
  return Uint8Array.from(octets);
}
