import type { Algorithm } from "./algorithm.ts";

/** Signed attributes of a Notary signature (signature-specification.md, "Signed Attributes"), as they stand. */
export interface NotaryAttributes {
  readonly scheme: "notary.x509" | "notary.x509.signingAuthority";
  /** When the signer says it signed: nobody vouches for it. With a signing authority, the authentic time. */
  readonly signingTime: Date;
  /** When the authority says it signed; only under `notary.x509.signingAuthority`. */
  readonly authenticSigningTime?: Date | undefined;
  /** From then on the signature does not count. */
  readonly expiry?: Date | undefined;
  /** The algorithm that it names, which must be that of its key. */
  readonly algorithm: Algorithm;
  /** The verifier's plugin that the signature asks for. */
  readonly verificationPlugin?: { readonly name: string; readonly minVersion?: string | undefined } | undefined;
  /** Annotations of the signed descriptor. */
  readonly userMetadata: Readonly<Record<string, string>>;
}
