import { CountersignError } from "../../model/errors.ts";

/** Packet types by their numbers (RFC 9580 5). */
export const PACKET = {
  signature: 2,
  onePassSignature: 4,
  secretKey: 5,
  publicKey: 6,
  secretSubkey: 7,
  compressed: 8,
  marker: 10,
  literal: 11,
  publicSubkey: 14,
} as const;

export interface Packet {
  readonly tag: number;
  readonly body: Uint8Array;
  /** As it stood, header included. */
  readonly whole: Uint8Array;
}

/** Nobody writes more into one key file; a message has three. */
const MAX_PACKETS = 20_000;

/**
 * Splits bytes into packets (RFC 9580 4.2): old and new headers, also of partial lengths, and of no length, where the packet takes all
 * that is left. Nothing may stand behind the last.
 * @throws E_SIGNATURE_MALFORMED
 */
export function readPackets(bytes: Uint8Array): readonly Packet[] {
  const packets: Packet[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (packets.length >= MAX_PACKETS) throw malformed(`there are more than ${MAX_PACKETS} packets`);
    const { packet, end } = readPacket(bytes, at);
    packets.push(packet);
    at = end;
  }
  return packets;
}

/** The packet that begins at `at`, and where it ends. @throws E_SIGNATURE_MALFORMED */
export function readPacket(bytes: Uint8Array, at: number): { readonly packet: Packet; readonly end: number } {
  const first = octet(bytes, at);
  if ((first & 0x80) === 0) throw malformed(`no OpenPGP packet begins with 0x${first.toString(16).padStart(2, "0")}`);
  const { tag, body, end } = (first & 0x40) === 0 ? readOld(bytes, at, first) : readNew(bytes, at, first);
  return { packet: { tag, body, whole: bytes.subarray(at, end) }, end };
}

/** A packet with a new header and a length of one, two or five octets. */
export function writePacket(tag: number, body: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(0xc0 | tag), writeLength(body.length), body]);
}

/** A length of a packet or subpacket (RFC 9580 4.2.1). */
export function writeLength(length: number): Uint8Array {
  if (length < 192) return Uint8Array.of(length);
  if (length < 8384) return Uint8Array.of(((length - 192) >> 8) + 192, (length - 192) & 0xff);
  return concat([Uint8Array.of(0xff), uint32(length)]);
}

export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    octet(bytes, at) * 0x1000000 + (octet(bytes, at + 1) << 16) + (octet(bytes, at + 2) << 8) + octet(bytes, at + 3)
  );
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** @throws E_SIGNATURE_MALFORMED behind the end. */
export function octet(bytes: Uint8Array, at: number): number {
  const value = bytes[at];
  if (value === undefined) throw malformed("it ends within a packet");
  return value;
}

/** `length` octets from `at`. @throws E_SIGNATURE_MALFORMED when there are fewer. */
export function slice(bytes: Uint8Array, at: number, length: number): Uint8Array {
  if (at + length > bytes.length) throw malformed("it ends within a packet");
  return bytes.subarray(at, at + length);
}

export function malformed(what: string): CountersignError {
  return new CountersignError("E_SIGNATURE_MALFORMED", `malformed OpenPGP data: ${what}`, {
    hint: "have it written again: one binary message, or a key block as gpg exports it",
  });
}

interface Framed {
  readonly tag: number;
  readonly body: Uint8Array;
  readonly end: number;
}

function readOld(bytes: Uint8Array, at: number, first: number): Framed {
  const tag = (first >> 2) & 0x0f;
  const kind = first & 0x03;
  const start = at + 1;
  if (kind === 3) {
    if (!isData(tag)) throw malformed(`a packet of type ${tag} says no length`);
    return { tag, body: bytes.subarray(start), end: bytes.length };
  }
  const width = [1, 2, 4][kind] ?? 4;
  let length = 0;
  for (let index = 0; index < width; index += 1) length = length * 256 + octet(bytes, start + index);
  return { tag, body: slice(bytes, start + width, length), end: start + width + length };
}

function readNew(bytes: Uint8Array, at: number, first: number): Framed {
  const tag = first & 0x3f;
  const parts: Uint8Array[] = [];
  for (let start = at + 1; ; ) {
    const lead = octet(bytes, start);
    const partial = lead >= 224 && lead < 255;
    const { length, width } = partial ? { length: 2 ** (lead & 0x1f), width: 1 } : readLength(bytes, start);
    parts.push(slice(bytes, start + width, length));
    start += width + length;
    if (!partial) return { tag, body: parts.length === 1 ? (parts[0] ?? bytes) : concat(parts), end: start };
    // The first of them of no less than 512 octets (RFC 9580 4.2.1.4).
    if (!isData(tag)) throw malformed(`a packet of type ${tag} comes in pieces`);
    if (parts.length === 1 && length < 512) throw malformed("the first piece of a packet is shorter than 512 octets");
  }
}

/** Only data may come in pieces or without a length (RFC 9580 4.2.1.4, 4.2.2). */
function isData(tag: number): boolean {
  return tag === PACKET.literal || tag === PACKET.compressed;
}

/** A length of one, two or five octets, as of packets and subpackets. */
export function readLength(bytes: Uint8Array, at: number): { readonly length: number; readonly width: number } {
  const lead = octet(bytes, at);
  if (lead < 192) return { length: lead, width: 1 };
  if (lead < 255) return { length: ((lead - 192) << 8) + octet(bytes, at + 1) + 192, width: 2 };
  return { length: readUint32(bytes, at + 1), width: 5 };
}
