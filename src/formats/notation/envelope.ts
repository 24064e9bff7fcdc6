import type { Algorithm } from "../../model/algorithm.ts";
import type { NotaryAttributes } from "../../model/notary.ts";
import type { FormatName, Reason } from "../../model/signature.ts";
import type { Attributes } from "./attributes.ts";

/** What is put into the bytes that are signed. */
export interface ToSign {
  readonly algorithm: Algorithm;
  /** Whole seconds. */
  readonly signingTime: Date;
  readonly expiry?: Date | undefined;
  readonly payload: Uint8Array;
}

/** What the bytes that are signed hold. */
export interface SignedPart {
  readonly algorithm: Algorithm;
  readonly attributes: Attributes;
  readonly payload: Uint8Array;
  readonly lapses: readonly Reason[];
}

/** What stands beside them, unsigned. */
export interface UnsignedPart {
  /** RSASSA-PSS as plain octets, ECDSA as r‖s. */
  readonly signature: Uint8Array;
  /** DER, leaf first, root last. */
  readonly certificates: readonly Uint8Array[];
  /** DER of an RFC 3161 TimeStampToken over `signature`. */
  readonly timestamp?: Uint8Array | undefined;
}

/** A Notary signature envelope, decoded. */
export interface Envelope extends SignedPart, UnsignedPart {
  /** The bytes that the signature is over. */
  readonly signed: Uint8Array;
}

/** One encoding of Notary signatures. Pure: bytes in, bytes out. */
export interface EnvelopeCodec {
  readonly format: FormatName;
  readonly mediaType: string;
  /** The order of members that notation gives the payload in such an envelope. */
  readonly payloadOrder: "sorted" | "descriptor";
  /** Whether bytes that were handed to a signer are of this encoding. */
  claims(signed: Uint8Array): boolean;
  signedBytes(toSign: ToSign): Uint8Array;
  /** @throws E_SIGNATURE_MALFORMED, E_PAYLOAD_TYPE, E_FORMAT_UNSUPPORTED for another algorithm. */
  readSigned(signed: Uint8Array): SignedPart;
  assemble(signed: Uint8Array, unsigned: UnsignedPart, agent: string): Uint8Array;
  /** @throws what `readSigned` throws; E_TOO_LARGE. */
  read(bytes: Uint8Array): Envelope;
}

/** The signed attributes as evidence has them. */
export function notaryAttributes(
  { attributes, algorithm }: SignedPart,
  userMetadata: Readonly<Record<string, string>>,
): NotaryAttributes {
  return { ...attributes, algorithm, userMetadata };
}
