import { inflateRawSync, inflateSync } from "node:zlib";
import { LIMITS } from "../../model/limits.ts";
import {
  concat,
  malformed,
  octet,
  PACKET,
  type Packet,
  readPackets,
  slice,
  writePacket,
} from "../../trust/openpgp/packets.ts";
import { readSignaturePacket, type SignaturePacket } from "../../trust/openpgp/signature-packet.ts";

/** A signed message (RFC 9580 10.3), decoded. */
export interface SignedMessage {
  readonly literal: Uint8Array;
  readonly packet: SignaturePacket;
}

/** One binary signed message: one-pass signature, literal data without a name, version 4 signature. */
export function encodeMessage(literal: Uint8Array, signature: Uint8Array, keyId: string): Uint8Array {
  const [, type = 0, keyAlgorithm = 0, hashAlgorithm = 0] = signature;
  const announced = concat([
    Uint8Array.of(3, type, hashAlgorithm, keyAlgorithm),
    Buffer.from(keyId, "hex"),
    Uint8Array.of(1),
  ]);
  // Binary, no file name, no date.
  const data = concat([Uint8Array.of(0x62, 0, 0, 0, 0, 0), literal]);
  return concat([
    writePacket(PACKET.onePassSignature, announced),
    writePacket(PACKET.literal, data),
    writePacket(PACKET.signature, signature),
  ]);
}

/**
 * Reads one signed message: exactly one-pass signature, literal data, signature, or signature, literal data, also inside one
 * compressed packet; nothing behind it. No armor, no clear text.
 * @throws E_SIGNATURE_MALFORMED, E_ATTRIBUTE_UNKNOWN.
 */
export function decodeMessage(bytes: Uint8Array): SignedMessage {
  if (bytes.length === 0) throw malformed("it is empty");
  if (bytes.length > LIMITS.openpgpMessage) throw malformed(`it has more than ${LIMITS.openpgpMessage} bytes`);
  return readSigned(unpacked(readPackets(bytes)));
}

/** The packets of one message as they stand, or those of its compressed packet. */
export function unpacked(packets: readonly Packet[]): readonly Packet[] {
  const [first, ...others] = packets;
  if (first?.tag !== PACKET.compressed) return packets;
  if (others.length > 0) throw malformed("something stands behind the compressed packet");
  return readPackets(inflate(first.body));
}

/** @throws E_SIGNATURE_MALFORMED, E_ATTRIBUTE_UNKNOWN. */
export function readSigned(packets: readonly Packet[]): SignedMessage {
  const tags = packets.map(({ tag }) => tag);
  const [first, second, third] = packets;
  if (first === undefined || second === undefined) throw malformed(sequence(tags));
  if (is(tags, [PACKET.onePassSignature, PACKET.literal, PACKET.signature]) && third !== undefined) {
    const packet = readDocumentSignature(third);
    ensureAnnounced(first.body, packet);
    return { literal: readLiteral(second.body), packet };
  }
  if (is(tags, [PACKET.signature, PACKET.literal])) {
    return { literal: readLiteral(second.body), packet: readDocumentSignature(first) };
  }
  throw malformed(sequence(tags));
}

function readDocumentSignature({ body }: Packet): SignaturePacket {
  const packet = readSignaturePacket(body);
  if (packet.type !== 0) throw malformed(`the signature is of type ${packet.type}, not one over a binary document`);
  return packet;
}

/** A program that reads in one pass hashes as it is announced: what is announced must be what is signed. */
function ensureAnnounced(onePass: Uint8Array, { type, attributes }: SignaturePacket): void {
  if (onePass.length !== 13 || onePass[0] !== 3 || onePass[12] !== 1) {
    throw malformed("its one-pass signature is not of version 3, or more of them follow");
  }
  const agrees =
    onePass[1] === type && onePass[2] === attributes.hashAlgorithm && onePass[3] === attributes.keyAlgorithm;
  if (!agrees) throw malformed("its one-pass signature announces another signature than follows");
}

function readLiteral(body: Uint8Array): Uint8Array {
  const mode = octet(body, 0);
  if (![0x62, 0x74, 0x75].includes(mode)) throw malformed(`its data has the form 0x${mode.toString(16)}`);
  const name = octet(body, 1);
  slice(body, 2, name + 4);
  return body.subarray(2 + name + 4);
}

/** Bounded: a few bytes can hold gigabytes. */
function inflate(body: Uint8Array): Uint8Array {
  const algorithm = octet(body, 0);
  const packed = body.subarray(1);
  const open = { 1: inflateRawSync, 2: inflateSync }[algorithm];
  if (open === undefined) throw malformed(`it is compressed by algorithm ${algorithm}; read are ZIP and ZLIB`);
  let opened: { buffer: Buffer; engine: { bytesWritten: number } };
  try {
    const info = open(packed, { maxOutputLength: LIMITS.openpgpMessage, info: true });
    opened = info as unknown as typeof opened;
  } catch {
    throw malformed(`its compressed data cannot be read, or holds more than ${LIMITS.openpgpMessage} bytes`);
  }
  if (opened.engine.bytesWritten !== packed.length) throw malformed("something stands behind its compressed data");
  return new Uint8Array(opened.buffer);
}

const names: Readonly<Record<number, string>> = {
  1: "encrypted session key",
  2: "signature",
  3: "encrypted session key",
  4: "one-pass signature",
  8: "compressed",
  9: "encrypted",
  11: "literal",
  18: "encrypted",
};

function sequence(tags: readonly number[]): string {
  const found = tags.slice(0, 8).map((tag) => names[tag] ?? `type ${tag}`);
  return `it holds the packets ${found.join(", ") || "of nothing"}; a signature has one-pass signature, literal, signature`;
}

function is(tags: readonly number[], wanted: readonly number[]): boolean {
  return tags.length === wanted.length && wanted.every((tag, index) => tags[index] === tag);
}
