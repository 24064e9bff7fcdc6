import { inflateRawSync, inflateSync } from "node:zlib";
import { LIMITS } from "../../model/limits.ts";
import type { Reason } from "../../model/signature.ts";
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
  /** What the format forbids and gpg lets pass. */
  readonly lapses: readonly Reason[];
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
 * compressed packet; nothing behind it. What gpg lets pass all the same is a lapse: bytes behind compressed data, a signature over text.
 * @throws E_SIGNATURE_MALFORMED, E_ATTRIBUTE_UNKNOWN.
 */
export function decodeMessage(bytes: Uint8Array): SignedMessage {
  if (bytes.length === 0) throw malformed("it is empty");
  if (bytes.length > LIMITS.openpgpMessage) throw malformed(`it has more than ${LIMITS.openpgpMessage} bytes`);
  const [first, ...others] = readPackets(bytes);
  if (first?.tag !== PACKET.compressed) return readSigned(first === undefined ? [] : [first, ...others], []);
  if (others.length > 0) throw malformed("something stands behind the compressed packet");
  const { opened, rest } = inflate(first.body);
  if (rest === 0) return readSigned(readPackets(opened), []);
  // A packet without a length takes all that is left: gpg reads the compressed data in it, and stops there.
  if (first.whole[0] !== WITHOUT_LENGTH) throw malformed("something stands behind its compressed data");
  return readSigned(readPackets(opened), [lapse(`${rest} bytes stand behind the signature`)]);
}

/** Old header of a compressed packet that says no length. */
const WITHOUT_LENGTH = 0xa3;

/** What the specification of atomic container signatures forbids. */
export function lapse(what: string): Reason {
  return {
    code: "E_SIGNATURE_MALFORMED",
    message: `${what}: containers/image lets it pass, its specification does not`,
  };
}

function readSigned(packets: readonly Packet[], lapses: readonly Reason[]): SignedMessage {
  const tags = packets.map(({ tag }) => tag);
  const [first, second, third] = packets;
  if (first === undefined || second === undefined) throw malformed(sequence(tags));
  if (is(tags, [PACKET.onePassSignature, PACKET.literal, PACKET.signature]) && third !== undefined) {
    const packet = readDocumentSignature(third);
    ensureAnnounced(first.body, packet);
    return readDocument(second, packet, lapses);
  }
  if (is(tags, [PACKET.signature, PACKET.literal])) {
    return readDocument(second, readDocumentSignature(first), lapses);
  }
  throw malformed(sequence(tags));
}

function readDocumentSignature({ body }: Packet): SignaturePacket {
  const packet = readSignaturePacket(body);
  if (packet.type !== BINARY && packet.type !== TEXT) {
    throw malformed(`the signature is of type ${packet.type}, not one over a document`);
  }
  return packet;
}

const BINARY = 0;
const TEXT = 1;

function readDocument({ body }: Packet, packet: SignaturePacket, lapses: readonly Reason[]): SignedMessage {
  const literal = readLiteral(body);
  return packet.type === BINARY
    ? { literal, packet, lapses }
    : { literal, packet, lapses: [...lapses, lapse("the signature is over text, not over bytes")] };
}

/** What of the data is hashed: the bytes, or of text its lines, each ended as RFC 9580 5.2.4 has it. */
export function documentOf({ literal, packet }: Pick<SignedMessage, "literal" | "packet">): Uint8Array {
  if (packet.type === BINARY) return literal;
  const text = Buffer.from(literal).toString("latin1").replace(/\r?\n/g, "\r\n");
  return new Uint8Array(Buffer.from(text, "latin1"));
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
function inflate(body: Uint8Array): { readonly opened: Uint8Array; readonly rest: number } {
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
  return { opened: new Uint8Array(opened.buffer), rest: packed.length - opened.engine.bytesWritten };
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
