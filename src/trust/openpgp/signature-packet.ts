import type { HashName } from "../../model/algorithm.ts";
import { CountersignError } from "../../model/errors.ts";
import type { OpenPgpAttributes } from "../../model/openpgp.ts";
import { concat, malformed, octet, readLength, readUint32, slice, uint32, writeLength } from "./packets.ts";

/** Hash algorithms by their numbers (RFC 9580 9.5), those that count here. */
const hashNumbers: Readonly<Record<HashName, number>> = { sha256: 8, sha384: 9, sha512: 10 };
const otherHashes: Readonly<Record<number, string>> = {
  1: "MD5",
  2: "SHA-1",
  3: "RIPEMD-160",
  11: "SHA-224",
  12: "SHA3-256",
  14: "SHA3-512",
};

const SUBPACKET = { created: 2, expires: 3, issuerKeyId: 16, issuerFingerprint: 33 } as const;
/** Critical ones that are understood, or that say nothing about whether data was signed: policy URI, signer's user ID. */
const understood: ReadonlySet<number> = new Set([...Object.values(SUBPACKET), 26, 28]);

/** A version 4 signature packet (RFC 9580 5.2.3), decoded. */
export interface SignaturePacket {
  readonly type: number;
  readonly attributes: OpenPgpAttributes;
  /** From the version to the end of the hashed subpackets: what is hashed behind the data. */
  readonly hashed: Uint8Array;
  /** Of the digest, as a quick check; says nothing. */
  readonly leftBits: Uint8Array;
  /** The algorithm's own part, to the end of the packet. */
  readonly values: Uint8Array;
}

export interface HashedParts {
  readonly keyAlgorithm: number;
  readonly hash: HashName;
  /** 40 hex digits. */
  readonly fingerprint: string;
  readonly at: Date;
}

/** The hashed part of a version 4 signature over a binary document: issuer's fingerprint and time, as gpg writes them. */
export function encodeHashedPart({ keyAlgorithm, hash, fingerprint, at }: HashedParts): Uint8Array {
  const issuer = subpacket(SUBPACKET.issuerFingerprint, concat([Uint8Array.of(4), Buffer.from(fingerprint, "hex")]));
  const created = subpacket(SUBPACKET.created, uint32(Math.floor(at.getTime() / 1000)));
  const subpackets = concat([issuer, created]);
  const head = Uint8Array.of(4, 0, keyAlgorithm, hashNumbers[hash], subpackets.length >> 8, subpackets.length & 0xff);
  return concat([head, subpackets]);
}

/** What is hashed last (RFC 9580 5.2.4). */
export function trailerOf(hashed: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(4, 0xff), uint32(hashed.length)]);
}

/** The body of a signature packet; the key ID stands unhashed, for programs that know no fingerprints. */
export function encodeSignaturePacket(
  hashed: Uint8Array,
  keyId: string,
  leftBits: Uint8Array,
  values: Uint8Array,
): Uint8Array {
  const issuer = subpacket(SUBPACKET.issuerKeyId, Buffer.from(keyId, "hex"));
  return concat([hashed, Uint8Array.of(issuer.length >> 8, issuer.length & 0xff), issuer, leftBits, values]);
}

/**
 * Reads the body of a signature packet.
 * @throws E_SIGNATURE_MALFORMED, also for versions other than 4; E_ATTRIBUTE_UNKNOWN for a critical subpacket that is not understood.
 */
export function readSignaturePacket(body: Uint8Array): SignaturePacket {
  const hashed = readHashedPart(body);
  const unhashedLength = (octet(body, hashed.end) << 8) + octet(body, hashed.end + 1);
  const unhashed = readSubpackets(slice(body, hashed.end + 2, unhashedLength));
  ensureUnderstood(unhashed);
  const at = hashed.end + 2 + unhashedLength;
  // Older programs name the issuer unhashed; times count only where they are signed.
  const issuers = unhashed.filter(({ type }) => type === SUBPACKET.issuerKeyId || type === SUBPACKET.issuerFingerprint);
  return {
    type: hashed.type,
    attributes: { ...issuerOf(issuers), ...hashed.attributes },
    hashed: body.subarray(0, hashed.end),
    leftBits: slice(body, at, 2),
    values: body.subarray(at + 2),
  };
}

/**
 * The hashed part that `bytes` begin with, and where it ends.
 * @throws as readSignaturePacket
 */
export function readHashedPart(bytes: Uint8Array): {
  readonly type: number;
  readonly attributes: OpenPgpAttributes;
  readonly end: number;
} {
  const version = octet(bytes, 0);
  if (version !== 4) {
    throw new CountersignError(
      "E_SIGNATURE_MALFORMED",
      `the signature packet has version ${version}; read is version 4 alone`,
      { hint: "sign with a version 4 key, as gpg 2.2 makes them" },
    );
  }
  const length = (octet(bytes, 4) << 8) + octet(bytes, 5);
  const subpackets = readSubpackets(slice(bytes, 6, length));
  ensureUnderstood(subpackets);
  const created = only(subpackets, SUBPACKET.created, "creation time");
  if (created === undefined) throw malformed("the signature says no creation time");
  const lifetime = only(subpackets, SUBPACKET.expires, "expiration time");
  const createdAt = readUint32(exactly(created, 4), 0) * 1000;
  const seconds = lifetime === undefined ? 0 : readUint32(exactly(lifetime, 4), 0);
  return {
    type: octet(bytes, 1),
    attributes: {
      keyAlgorithm: octet(bytes, 2),
      hashAlgorithm: octet(bytes, 3),
      ...issuerOf(subpackets),
      createdAt: new Date(createdAt),
      // Zero means never (RFC 9580 5.2.3.18).
      ...(seconds > 0 && { expiresAt: new Date(createdAt + seconds * 1000) }),
    },
    end: 6 + length,
  };
}

/** The hash that a packet's number names, or what another number is called, for sentences. */
export function hashNamed(number: number): { readonly hash: HashName } | { readonly other: string } {
  if (number === hashNumbers.sha256) return { hash: "sha256" };
  if (number === hashNumbers.sha384) return { hash: "sha384" };
  if (number === hashNumbers.sha512) return { hash: "sha512" };
  return { other: otherHashes[number] ?? `hash algorithm ${number}` };
}

/** A multiprecision integer (RFC 9580 3.2). */
export function writeInteger(value: Uint8Array): Uint8Array {
  const first = value.findIndex((digit) => digit !== 0);
  const digits = first < 0 ? new Uint8Array() : value.subarray(first);
  const bits = digits.length === 0 ? 0 : digits.length * 8 - Math.clz32(digits[0] ?? 0) + 24;
  return concat([Uint8Array.of(bits >> 8, bits & 0xff), digits]);
}

/**
 * `count` multiprecision integers, big-endian, that make up all of `bytes`.
 * @throws E_SIGNATURE_MALFORMED
 */
export function readIntegers(bytes: Uint8Array, count: number): readonly Uint8Array[] {
  const integers: Uint8Array[] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    const length = ((octet(bytes, at) << 8) + octet(bytes, at + 1) + 7) >> 3;
    integers.push(slice(bytes, at + 2, length));
    at += 2 + length;
  }
  if (at !== bytes.length) throw malformed("something stands behind the last number of a packet");
  return integers;
}

interface Subpacket {
  readonly type: number;
  readonly critical: boolean;
  readonly body: Uint8Array;
}

function subpacket(type: number, body: Uint8Array): Uint8Array {
  return concat([writeLength(body.length + 1), Uint8Array.of(type), body]);
}

function readSubpackets(bytes: Uint8Array): readonly Subpacket[] {
  const found: Subpacket[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { length, width } = readLength(bytes, at);
    if (length === 0) throw malformed("a subpacket has no type");
    const whole = slice(bytes, at + width, length);
    found.push({ type: octet(whole, 0) & 0x7f, critical: octet(whole, 0) >= 0x80, body: whole.subarray(1) });
    at += width + length;
  }
  return found;
}

/** Those that are not hashed too, as gpg has it. */
function ensureUnderstood(subpackets: readonly Subpacket[]): void {
  const strange = subpackets.find(({ type, critical }) => critical && !understood.has(type));
  if (strange === undefined) return;
  throw new CountersignError(
    "E_ATTRIBUTE_UNKNOWN",
    `the signature has a critical subpacket of type ${strange.type}, which is not understood`,
    { hint: "have the image signed without it" },
  );
}

function issuerOf(subpackets: readonly Subpacket[]): Pick<OpenPgpAttributes, "issuerFingerprint" | "issuerKeyId"> {
  const fingerprint = only(subpackets, SUBPACKET.issuerFingerprint, "issuer's fingerprint");
  const keyId = only(subpackets, SUBPACKET.issuerKeyId, "issuer's key ID");
  if (fingerprint !== undefined && fingerprint[0] !== 4) {
    throw malformed(`the signature names an issuer of key version ${fingerprint[0]}`);
  }
  return {
    ...(fingerprint !== undefined && { issuerFingerprint: upperHex(exactly(fingerprint, 21).subarray(1)) }),
    ...(keyId !== undefined && { issuerKeyId: upperHex(exactly(keyId, 8)) }),
  };
}

function only(subpackets: readonly Subpacket[], type: number, what: string): Uint8Array | undefined {
  const [found, ...others] = subpackets.filter((each) => each.type === type);
  if (others.length > 0) throw malformed(`the signature says its ${what} twice`);
  return found?.body;
}

function exactly(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw malformed(`a subpacket has ${bytes.length} octets where ${length} belong`);
  return bytes;
}

function upperHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex").toUpperCase();
}
