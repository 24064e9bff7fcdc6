import { createHash } from "node:crypto";
import { CountersignError } from "../../model/errors.ts";
import type { OpenPgpAttributes } from "../../model/openpgp.ts";
import { concat, readUint32 } from "../../trust/openpgp/packets.ts";
import { KEY_ALGORITHM } from "../../trust/openpgp/public-key-packet.ts";
import { hashNamed, readHashedPart, trailerOf } from "../../trust/openpgp/signature-packet.ts";

/** What a version 4 signature over a binary document is over (RFC 9580 5.2.4): the data, the packet's hashed part, the trailer. */
export interface SignedPart {
  readonly literal: Uint8Array;
  readonly hashed: Uint8Array;
  readonly attributes: OpenPgpAttributes;
}

export function encodeSignedPart(literal: Uint8Array, hashed: Uint8Array): Uint8Array {
  return concat([literal, hashed, trailerOf(hashed)]);
}

/** Whether bytes end as a signed part does; no text does. */
export function endsAsSignedPart(bytes: Uint8Array): boolean {
  return bytes.length > 12 && bytes[bytes.length - 6] === 4 && bytes[bytes.length - 5] === 0xff;
}

/**
 * Takes a signed part apart, from its end.
 * @throws E_PAYLOAD_MALFORMED, E_SIGNATURE_MALFORMED, E_ATTRIBUTE_UNKNOWN.
 */
export function readSignedPart(bytes: Uint8Array): SignedPart {
  const end = bytes.length - 6;
  const length = endsAsSignedPart(bytes) ? readUint32(bytes, bytes.length - 4) : end + 1;
  if (length > end) {
    throw new CountersignError("E_PAYLOAD_MALFORMED", "the signed bytes do not end as those of an OpenPGP signature");
  }
  const hashed = bytes.subarray(end - length, end);
  const part = readHashedPart(hashed);
  if (part.end !== hashed.length || part.type !== 0) {
    throw new CountersignError("E_PAYLOAD_MALFORMED", "the signed bytes are not those of a signature over a document");
  }
  return { literal: bytes.subarray(0, end - length), hashed, attributes: part.attributes };
}

/**
 * What a key is handed in place of the signed part: for EdDSA its digest (RFC 9580 5.2.4), else nothing else.
 * @throws E_ALGORITHM_NOT_ALLOWED for a hash that does not count.
 */
export function presentedOf(signed: Uint8Array, attributes: OpenPgpAttributes): Uint8Array | undefined {
  const { keyAlgorithm } = attributes;
  if (keyAlgorithm !== KEY_ALGORITHM.eddsaLegacy && keyAlgorithm !== KEY_ALGORITHM.ed25519) return undefined;
  return digestOf(signed, attributes);
}

/** @throws E_ALGORITHM_NOT_ALLOWED for a hash that does not count. */
export function digestOf(signed: Uint8Array, { hashAlgorithm }: OpenPgpAttributes): Uint8Array {
  const named = hashNamed(hashAlgorithm);
  if ("hash" in named) return new Uint8Array(createHash(named.hash).update(signed).digest());
  throw new CountersignError(
    "E_ALGORITHM_NOT_ALLOWED",
    `the signature is made with ${named.other}, which does not count`,
    {
      hint: "have the image signed with SHA-256, SHA-384 or SHA-512",
    },
  );
}
