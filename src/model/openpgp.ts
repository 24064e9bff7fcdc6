import type { PublicKey } from "./public-key.ts";

/** A key of an OpenPGP certificate that may sign data: the primary key, or a subkey that the primary has bound for signing. */
export interface OpenPgpKey {
  /** Version 4 (RFC 4880 12.2): 40 upper-case hex digits. */
  readonly fingerprint: string;
  /** The last 16 hex digits of the fingerprint. */
  readonly keyId: string;
  readonly primary: boolean;
  /** The same key as every other signer and verifier here has it. */
  readonly publicKey: PublicKey;
  /** As packets number it (RFC 9580 9.1): 1 RSA, 19 ECDSA, 22 EdDSA legacy, 27 Ed25519. */
  readonly algorithm: number;
  readonly createdAt: Date;
  /** From then on it may not sign; that of the primary, where it is the earlier. */
  readonly expiresAt?: Date | undefined;
  /** It, or its primary, has been revoked: what it signed, whenever that was, does not count, as gpg has it. */
  readonly revoked: boolean;
}

/** An OpenPGP certificate (`public key block`), its self-signatures and bindings verified. */
export interface OpenPgpCertificate {
  /** Of the primary key: whom policies name. */
  readonly fingerprint: string;
  /** Those that the key has signed, the primary one first; nobody else vouches for them. */
  readonly userIds: readonly string[];
  readonly keys: readonly OpenPgpKey[];
  /** The public key block that it was read from, binary: for those who are to be told whom to trust. */
  readonly block: Uint8Array;
}

/** Which certificate a signer signs in the name of, and with which of its keys. */
export interface OpenPgpMaterial {
  readonly certificate: OpenPgpCertificate;
  readonly key: OpenPgpKey;
}

/** What a signature packet says of itself; nothing of it is verified. */
export interface OpenPgpAttributes {
  /** As the packet numbers them (RFC 9580 9.1, 9.5). */
  readonly keyAlgorithm: number;
  readonly hashAlgorithm: number;
  /** Subpacket 33; older programs name only the key ID. */
  readonly issuerFingerprint?: string | undefined;
  /** Subpacket 16. */
  readonly issuerKeyId?: string | undefined;
  readonly createdAt: Date;
  readonly expiresAt?: Date | undefined;
}
