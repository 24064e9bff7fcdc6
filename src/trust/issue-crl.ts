import type { KeyObject } from "node:crypto";
import type { Certificate } from "../model/certificate.ts";
import { decodeDer, MalformedDer, octets } from "./der.ts";
import { element, explicit, extensionOf, integerOf, sequenceOf, timeOf } from "./der-writer.ts";
import { EXTENSION } from "./extensions.ts";
import { signatureAlgorithmOf, signedOf } from "./issuing-key.ts";

/** CRLReason (RFC 5280 5.3.1) of what can be asked for; `unspecified` is left out of a list, as the RFC wants. */
export const REVOCATION_REASONS = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
} as const;

export type RevocationReason = keyof typeof REVOCATION_REASONS;

export interface RevocationList {
  readonly issuer: Certificate;
  /** From 1 on, one more for each list of an issuer (RFC 5280 5.2.3). */
  readonly number: number;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly revoked: readonly { readonly serial: string; readonly at: Date; readonly reason: RevocationReason }[];
}

const CRL_NUMBER = "2.5.29.20";
const REASON_CODE = "2.5.29.21";

/**
 * Issues a certificate revocation list, version 2 (RFC 5280 section 5), with its number and the issuer's key identifier. Gives DER.
 * Serials are hex; times whole seconds.
 * @throws E_KEY_UNSUPPORTED for an issuer's key that is neither ECDSA on P-256/384/521 nor RSA.
 */
export function issueRevocationList(list: RevocationList, signingKey: KeyObject): Uint8Array {
  const entries = list.revoked.map(({ serial, at, reason }) =>
    sequenceOf(
      integerOf(Buffer.from(serial.length % 2 === 0 ? serial : `0${serial}`, "hex")),
      timeOf(at),
      ...(reason === "unspecified"
        ? []
        : [sequenceOf(extensionOf(REASON_CODE, enumerated(REVOCATION_REASONS[reason])))]),
    ),
  );
  const extensions = [...authorityKeyIdentifier(list.issuer), extensionOf(CRL_NUMBER, numberOf(list.number))];
  const toBeSigned = sequenceOf(
    integerOf(Uint8Array.of(1)),
    signatureAlgorithmOf(signingKey),
    list.issuer.subject.der,
    timeOf(list.thisUpdate),
    timeOf(list.nextUpdate),
    // An empty list of entries must be absent.
    ...(entries.length === 0 ? [] : [sequenceOf(...entries)]),
    explicit(0, sequenceOf(...extensions)),
  );
  return signedOf(toBeSigned, signingKey);
}

function authorityKeyIdentifier(issuer: Certificate): readonly Uint8Array[] {
  const value = issuer.extensions.find(({ oid }) => oid === EXTENSION.subjectKeyIdentifier)?.value;
  if (value === undefined) return [];
  try {
    const identifier = octets(decodeDer(value, "key identifier"), "key identifier");
    return [extensionOf(EXTENSION.authorityKeyIdentifier, sequenceOf(element(0x80, identifier)))];
  } catch (error) {
    if (error instanceof MalformedDer) return [];
    throw error;
  }
}

function enumerated(value: number): Uint8Array {
  return element(0x0a, Uint8Array.of(value));
}

function numberOf(value: number): Uint8Array {
  const hex = value.toString(16);
  return integerOf(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex"));
}
