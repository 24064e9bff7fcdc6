import type { KeyObject } from "node:crypto";

/** A subject alternative name (RFC 5280 4.2.1.6), its value as text: URI, address, host, dotted or colon IP, RFC 4514 DN, OID. */
export interface AlternativeName {
  readonly type: "email" | "dns" | "uri" | "ip" | "directory" | "registered-id" | "other";
  readonly value: string;
}

/** A distinguished name: its DER for comparing, its RFC 4514 text (`CN=…,O=…`, most specific first) for people. */
export interface DistinguishedName {
  readonly der: Uint8Array;
  readonly text: string;
}

/** An extension as it stands: OID, criticality, the DER inside extnValue. */
export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** An X.509 v3 certificate, decoded strictly. Nothing in here has been verified. */
export interface Certificate {
  readonly der: Uint8Array;
  /** `sha256:` and hex of the DER. */
  readonly fingerprint: string;
  /** Hex, no sign byte. */
  readonly serial: string;
  readonly subject: DistinguishedName;
  readonly issuer: DistinguishedName;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: KeyObject;
  /** DER of SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** OID of the algorithm its issuer signed with. */
  readonly signatureAlgorithm: string;
  readonly alternativeNames: readonly AlternativeName[];
  /** Fulcio's issuer extension (OID 1.3.6.1.4.1.57264.1.1 or .1.8), where there is one. */
  readonly oidcIssuer: string | undefined;
  readonly extensions: readonly Extension[];
  /** Absent when the extension is. `pathLength` absent: no limit. */
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength?: number | undefined } | undefined;
  readonly keyUsage: ReadonlySet<KeyUsage> | undefined;
  /** OIDs; undefined when the extension is absent. */
  readonly extendedKeyUsage: readonly string[] | undefined;
}

export const KEY_USAGES = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const;

/** Bits of keyUsage, in the order of RFC 5280 4.2.1.3. */
export type KeyUsage = (typeof KEY_USAGES)[number];
