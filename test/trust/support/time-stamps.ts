import { createHash, type KeyObject, sign } from "node:crypto";
import {
  booleanOf,
  context,
  contextPrimitive,
  integerOf,
  octetString,
  oidOf,
  sequenceOf,
  setOf,
  tlv,
} from "./der-writer.ts";
import { authority, type CertificateSpec, createPki, type Issued, issue, NOW, type Pki } from "./pki.ts";

/** Time stamps written by hand, so that tests can write what no careful authority would. */

export const TIME_STAMPING = "1.3.6.1.5.5.7.3.8";
export const POLICY = "1.3.6.1.4.1.57264.2";

const hashes = {
  sha1: "1.3.14.3.2.26",
  sha256: "2.16.840.1.101.3.4.2.1",
  sha384: "2.16.840.1.101.3.4.2.2",
  sha512: "2.16.840.1.101.3.4.2.3",
} as const;
type Hash = keyof typeof hashes;

/** A time-stamping authority's certificate, as RFC 3161 2.3 wants it. */
export function stamper(issuer: Issued, spec: CertificateSpec = {}): Issued {
  return issue({
    subject: "Time Stamper",
    issuer,
    keyUsage: ["digitalSignature"],
    extensions: [{ oid: "2.5.29.37", critical: true, value: sequenceOf(oidOf(TIME_STAMPING)) }],
    ...spec,
  });
}

export interface StampAuthority {
  readonly pki: Pki;
  readonly signer: Issued;
  /** What goes into the token beside the signer's certificate. */
  readonly issuers: readonly Issued[];
}

export function createStampAuthority(spec: CertificateSpec = {}): StampAuthority {
  const root = issue({
    ...authority("TSA Root"),
    notBefore: spec.notBefore,
    notAfter: spec.notAfter,
  } as CertificateSpec);
  const intermediate = issue({
    ...authority("TSA Intermediate"),
    issuer: root,
    notBefore: spec.notBefore,
    notAfter: spec.notAfter,
  } as CertificateSpec);
  const pki = createPki({ intermediates: [] });
  return {
    pki: { ...pki, root, intermediates: [intermediate] },
    signer: stamper(intermediate, spec),
    issuers: [intermediate],
  };
}

export interface TokenSpec {
  readonly signer: Issued;
  readonly issuers?: readonly Issued[];
  readonly data: Uint8Array;
  readonly hash?: Hash;
  readonly at?: Date;
  /** GeneralizedTime as it stands. */
  readonly time?: string;
  readonly imprint?: Uint8Array;
  readonly nonce?: Uint8Array | undefined;
  readonly policy?: string;
  /** DER of Accuracy. */
  readonly accuracy?: Uint8Array;
  readonly version?: number;
  readonly extensions?: Uint8Array;
  /** Signs instead of the signer's key. */
  readonly key?: KeyObject;
  /** Named by the signed attributes instead of the signer's certificate; null: none is named. */
  readonly named?: Uint8Array | null;
  readonly namedBy?: "v1" | "v2";
  /** Changes the content after it was signed. */
  readonly altered?: boolean;
  readonly contentType?: string;
  readonly attributeType?: string;
  readonly withoutCertificates?: boolean;
  readonly keyIdentifier?: boolean;
}

/** DER of a TimeStampToken. */
export function makeToken(spec: TokenSpec): Uint8Array {
  const { signer, issuers = [], contentType = "1.2.840.113549.1.9.16.1.4" } = spec;
  const info = makeInfo(spec);
  const signed = spec.altered ? makeInfo({ ...spec, at: new Date((spec.at ?? NOW).getTime() + 1000) }) : info;
  const attribute = (oid: string, value: Uint8Array) => sequenceOf(oidOf(oid), setOf(value));
  const named = spec.named === undefined ? signer.der : spec.named;
  const attributes = [
    attribute("1.2.840.113549.1.9.3", oidOf(spec.attributeType ?? contentType)),
    attribute("1.2.840.113549.1.9.4", octetString(createHash("sha256").update(signed).digest())),
    ...(named === null ? [] : [attribute(...signingCertificate(named, spec.namedBy ?? "v2"))]),
  ].sort(Buffer.compare);
  const key = spec.key ?? signer.key;
  const identifier = spec.keyIdentifier
    ? contextPrimitive(0, signer.publicKey.export({ type: "spki", format: "der" }).subarray(-20))
    : sequenceOf(signer.certificate.issuer.der, integerOf(signer.certificate.serial));
  const signature = sign("sha256", setOf(...attributes), key);
  const algorithm =
    key.asymmetricKeyType === "rsa"
      ? sequenceOf(oidOf("1.2.840.113549.1.1.1"), tlv(5))
      : sequenceOf(oidOf("1.2.840.10045.4.3.2"));
  const signerInfo = sequenceOf(
    integerOf(1),
    identifier,
    sequenceOf(oidOf(hashes.sha256)),
    context(0, ...attributes),
    algorithm,
    octetString(signature),
  );
  const certificates = spec.withoutCertificates ? [] : [context(0, signer.der, ...issuers.map(({ der }) => der))];
  const signedData = sequenceOf(
    integerOf(3),
    setOf(sequenceOf(oidOf(hashes.sha256))),
    sequenceOf(oidOf(contentType), context(0, octetString(info))),
    ...certificates,
    setOf(signerInfo),
  );
  return sequenceOf(oidOf("1.2.840.113549.1.7.2"), context(0, signedData));
}

function makeInfo(spec: TokenSpec): Uint8Array {
  const hash = spec.hash ?? "sha256";
  const imprint = spec.imprint ?? createHash(hash).update(spec.data).digest();
  const digits = (spec.at ?? NOW).toISOString().replace(/[-:T]|\.\d+Z/g, "");
  return sequenceOf(
    integerOf(spec.version ?? 1),
    oidOf(spec.policy ?? POLICY),
    sequenceOf(sequenceOf(oidOf(hashes[hash])), octetString(imprint)),
    integerOf(7),
    tlv(0x18, Buffer.from(spec.time ?? `${digits}Z`)),
    ...(spec.accuracy === undefined ? [] : [spec.accuracy]),
    ...(spec.nonce === undefined ? [] : [integerOf(Buffer.from(spec.nonce).toString("hex"))]),
    ...(spec.extensions === undefined ? [] : [spec.extensions]),
  );
}

function signingCertificate(der: Uint8Array, by: "v1" | "v2"): [string, Uint8Array] {
  const hashed = (hash: string) => octetString(createHash(hash).update(der).digest());
  return by === "v2"
    ? ["1.2.840.113549.1.9.16.2.47", sequenceOf(sequenceOf(sequenceOf(hashed("sha256"))))]
    : ["1.2.840.113549.1.9.16.2.12", sequenceOf(sequenceOf(sequenceOf(hashed("sha1"))))];
}

/** Accuracy of so many seconds. */
export const secondsOf = (seconds: number) => sequenceOf(integerOf(seconds));

/** A list of extensions with one that nobody knows. */
export const unknownExtension = (critical: boolean) =>
  context(1, sequenceOf(oidOf("1.2.3.4.5"), ...(critical ? [booleanOf(true)] : []), octetString(Uint8Array.of(5, 0))));

/** What a request asks: its imprint and nonce, found by their place. */
export function readRequest(der: Uint8Array): { readonly imprint: Uint8Array; readonly nonce: Uint8Array } {
  const buffer = Buffer.from(der);
  const at = buffer.indexOf(Buffer.from("0420", "hex"));
  const nonceAt = at + 2 + 32;
  return {
    imprint: buffer.subarray(at + 2, at + 34),
    nonce: buffer.subarray(nonceAt + 2, nonceAt + 2 + (buffer[nonceAt + 1] ?? 0)),
  };
}

/** A granted response around a token. */
export const granted = (token: Uint8Array) => sequenceOf(sequenceOf(integerOf(0)), token);
