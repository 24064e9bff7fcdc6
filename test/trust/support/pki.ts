import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { type Certificate, KEY_USAGES, type KeyUsage } from "../../../src/model/certificate.ts";
import { parseCertificate } from "../../../src/trust/certificate.ts";
import { encodePem } from "../../../src/trust/pem.ts";
import {
  bitStringOf,
  booleanOf,
  context,
  contextPrimitive,
  ia5String,
  integerOf,
  octetString,
  oidOf,
  printable,
  sequenceOf,
  setOf,
  timeOf,
  tlv,
  utf8,
} from "./der-writer.ts";

export const CODE_SIGNING = "1.3.6.1.5.5.7.3.3";
export const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
export const ANY_PURPOSE = "2.5.29.37.0";

/** The middle of the validity that certificates have here unless told. */
export const NOW = new Date("2030-06-15T12:00:00Z");
export const DAY = 24 * 60 * 60 * 1000;

export type KeyKind =
  | "p256"
  | "p384"
  | "p521"
  | "p224"
  | "secp256k1"
  | "rsa1024"
  | "rsa2048"
  | "rsa3072"
  | "rsapss"
  | "ed25519";
export type SignatureName =
  | "sha1"
  | "sha256"
  | "sha384"
  | "sha512"
  | "pss-sha1"
  | "pss-sha256"
  | "pss-sha384"
  | "pss-sha512";

/** One alternative name: by kind and text (`ip` as hex), or the DER of a GeneralName. */
export type NameSpec = readonly ["email" | "dns" | "uri" | "ip", string] | Uint8Array;
/** Attributes by short name, outermost first, or the DER of a Name. */
export type SubjectSpec = string | readonly (readonly [string, string])[] | Uint8Array;

export interface ExtensionSpec {
  readonly oid: string;
  readonly critical?: boolean;
  readonly value: Uint8Array;
}

export interface CertificateSpec {
  readonly subject?: SubjectSpec;
  /** Stands for the issuer's name, where it is not that of `issuer`. */
  readonly issuerName?: SubjectSpec;
  readonly issuer?: Issued;
  readonly key?: KeyObject;
  readonly keyKind?: KeyKind;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly serial?: string;
  readonly version?: 1 | 2 | 3;
  /** Absent: no basicConstraints. */
  readonly ca?: boolean | { readonly pathLength: number };
  readonly keyUsage?: readonly KeyUsage[];
  readonly extendedKeyUsage?: readonly string[];
  readonly alternativeNames?: readonly NameSpec[];
  /** Key identifiers, as certificate authorities write them; on unless told. */
  readonly keyIdentifiers?: boolean;
  readonly extensions?: readonly ExtensionSpec[];
  readonly signature?: SignatureName;
  /** Another key than the issuer's signs: what a forger does. */
  readonly signedBy?: KeyObject;
  /** Flips a bit of the signature. */
  readonly tampered?: boolean;
}

/** A certificate with its private key. */
export interface Issued {
  readonly der: Uint8Array;
  readonly pem: string;
  readonly certificate: Certificate;
  readonly key: KeyObject;
  readonly publicKey: KeyObject;
}

export interface Pki {
  readonly root: Issued;
  /** Next to the root first. */
  readonly intermediates: readonly Issued[];
  readonly leaf: Issued;
  /** The leaf's private key. */
  readonly key: KeyObject;
  /** Leaf first, root last. */
  readonly chain: readonly Certificate[];
}

export interface PkiSpec {
  readonly root?: CertificateSpec;
  /** One for each intermediate, next to the root first. */
  readonly intermediates?: readonly CertificateSpec[];
  readonly leaf?: CertificateSpec;
  /** For all of them. */
  readonly keyKind?: KeyKind;
}

/** A root, intermediates (one unless told) and a leaf for code signing, each issued by the one before. */
export function createPki({ root = {}, intermediates = [{}], leaf = {}, keyKind = "p256" }: PkiSpec = {}): Pki {
  const top = issue({ ...authority("Root"), keyKind, ...root });
  const between: Issued[] = [];
  for (const [index, spec] of intermediates.entries()) {
    between.push(issue({ ...authority(`Intermediate ${index + 1}`), keyKind, issuer: between.at(-1) ?? top, ...spec }));
  }
  const end = issue({ ...signer(), keyKind, issuer: between.at(-1) ?? top, ...leaf });
  const chain = [end, ...between.toReversed(), top].map(({ certificate }) => certificate);
  return { root: top, intermediates: between, leaf: end, key: end.key, chain };
}

/** What a certificate authority's certificate says. */
export function authority(name: string): CertificateSpec {
  return {
    subject: [
      ["O", "Example"],
      ["CN", name],
    ],
    ca: true,
    keyUsage: ["keyCertSign", "cRLSign"],
  };
}

/** What a code signing certificate says. */
export function signer(name = "release"): CertificateSpec {
  return {
    subject: [
      ["O", "Example"],
      ["CN", name],
    ],
    ca: false,
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: [CODE_SIGNING],
    alternativeNames: [["email", "release@example.com"]],
  };
}

/** Issues one certificate; without an issuer it signs itself. */
export function issue(spec: CertificateSpec): Issued {
  const der = issueDer(spec);
  const { key } = der;
  return {
    der: der.bytes,
    pem: encodePem("CERTIFICATE", der.bytes),
    certificate: parseCertificate(der.bytes),
    key,
    publicKey: createPublicKey(key),
  };
}

/** The bytes alone, for certificates that cannot be parsed. */
export function issueDer(spec: CertificateSpec): { readonly bytes: Uint8Array; readonly key: KeyObject } {
  const key = spec.key ?? makeKey(spec.keyKind ?? "p256");
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  const signingKey = spec.signedBy ?? spec.issuer?.key ?? key;
  const algorithm = algorithmFor(signingKey, spec.signature);
  const subject = nameDer(spec.subject ?? "anonymous");
  const issuerName = spec.issuerName ?? spec.issuer?.certificate.subject.der ?? subject;
  const { version = 3 } = spec;
  const extensions = version === 3 ? extensionsOf(spec, spki) : [];
  const tbs = sequenceOf(
    ...(version === 1 ? [] : [context(0, integerOf(version - 1))]),
    integerOf(spec.serial ?? nextSerial()),
    algorithm.der,
    nameDer(issuerName),
    sequenceOf(
      timeOf(spec.notBefore ?? new Date(NOW.getTime() - 100 * DAY)),
      timeOf(spec.notAfter ?? new Date(NOW.getTime() + 100 * DAY)),
    ),
    subject,
    spki,
    ...(extensions.length === 0 ? [] : [context(3, sequenceOf(...extensions))]),
  );
  const signature = algorithm.sign(tbs);
  if (spec.tampered) signature[signature.length - 1] = (signature.at(-1) ?? 0) ^ 1;
  return { bytes: new Uint8Array(sequenceOf(tbs, algorithm.der, bitStringOf(signature))), key };
}

const rsaKeys = new Map<string, KeyObject>();

/** A new private key; RSA keys, which take long to make, are made once for each size. */
export function makeKey(kind: KeyKind): KeyObject {
  switch (kind) {
    case "ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    case "rsa1024":
    case "rsa2048":
    case "rsa3072":
    case "rsapss": {
      const known = rsaKeys.get(kind);
      if (known !== undefined) return known;
      const options = { modulusLength: kind === "rsapss" ? 2048 : Number(kind.slice(3)) };
      const made = kind === "rsapss" ? generateKeyPairSync("rsa-pss", options) : generateKeyPairSync("rsa", options);
      rsaKeys.set(kind, made.privateKey);
      return made.privateKey;
    }
    default: {
      const namedCurve = { p256: "P-256", p384: "P-384", p521: "P-521", p224: "secp224r1", secp256k1: "secp256k1" }[
        kind
      ];
      return generateKeyPairSync("ec", { namedCurve }).privateKey;
    }
  }
}

/** An id-RSASSA-PSS key of 2048 bits with its own parameters. */
export function makePssKey(hashAlgorithm: string, mgf1HashAlgorithm: string, saltLength: number): KeyObject {
  // Node's types call the length a string; Node itself refuses one.
  const parameters: object = { saltLength };
  return generateKeyPairSync("rsa-pss", { modulusLength: 2048, hashAlgorithm, mgf1HashAlgorithm, ...parameters })
    .privateKey;
}

const attributeTypes: Readonly<Record<string, string>> = {
  CN: "2.5.4.3",
  C: "2.5.4.6",
  L: "2.5.4.7",
  ST: "2.5.4.8",
  O: "2.5.4.10",
  OU: "2.5.4.11",
  DC: "0.9.2342.19200300.100.1.25",
  emailAddress: "1.2.840.113549.1.9.1",
};

/** A Name: a common name, attributes of one level each, or DER as it is. */
export function nameDer(spec: SubjectSpec): Uint8Array {
  if (spec instanceof Uint8Array) return spec;
  const attributes = typeof spec === "string" ? ([["CN", spec]] as const) : spec;
  return sequenceOf(...attributes.map(([type, value]) => setOf(attributeDer(type, value))));
}

export function attributeDer(type: string, value: string | Uint8Array): Uint8Array {
  const encode = type === "C" ? printable : type === "DC" || type === "emailAddress" ? ia5String : utf8;
  return sequenceOf(oidOf(attributeTypes[type] ?? type), typeof value === "string" ? encode(value) : value);
}

export function generalName(spec: NameSpec): Uint8Array {
  if (spec instanceof Uint8Array) return spec;
  const [kind, value] = spec;
  const number = { email: 1, dns: 2, uri: 6, ip: 7 }[kind];
  return contextPrimitive(number, kind === "ip" ? Buffer.from(value, "hex") : value);
}

/** A nameConstraints extension. */
export function nameConstraints(
  permitted: readonly NameSpec[],
  excluded: readonly NameSpec[] = [],
  critical = true,
): ExtensionSpec {
  const subtrees = (number: number, names: readonly NameSpec[]) =>
    names.length === 0 ? [] : [context(number, ...names.map((name) => sequenceOf(generalName(name))))];
  return {
    oid: "2.5.29.30",
    critical,
    value: sequenceOf(...subtrees(0, permitted), ...subtrees(1, excluded)),
  };
}

export function directoryNameOf(spec: SubjectSpec): Uint8Array {
  return context(4, nameDer(spec));
}

function extensionsOf(spec: CertificateSpec, spki: Uint8Array): readonly Uint8Array[] {
  const list: ExtensionSpec[] = [];
  if (spec.ca !== undefined) {
    const limit = typeof spec.ca === "object" ? [integerOf(spec.ca.pathLength)] : [];
    list.push({
      oid: "2.5.29.19",
      critical: true,
      value: sequenceOf(...(spec.ca === false ? [] : [booleanOf(true)]), ...limit),
    });
  }
  if (spec.keyUsage !== undefined) list.push({ oid: "2.5.29.15", critical: true, value: keyUsageDer(spec.keyUsage) });
  if (spec.extendedKeyUsage !== undefined) {
    list.push({ oid: "2.5.29.37", value: sequenceOf(...spec.extendedKeyUsage.map(oidOf)) });
  }
  if (spec.alternativeNames !== undefined) {
    list.push({ oid: "2.5.29.17", value: sequenceOf(...spec.alternativeNames.map(generalName)) });
  }
  if (spec.keyIdentifiers !== false) {
    const issuerKey = spec.issuer?.publicKey.export({ type: "spki", format: "der" }) ?? spki;
    list.push({ oid: "2.5.29.14", value: octetString(keyIdentifier(spki)) });
    list.push({ oid: "2.5.29.35", value: sequenceOf(contextPrimitive(0, keyIdentifier(issuerKey))) });
  }
  return [...list, ...(spec.extensions ?? [])].map(({ oid, critical = false, value }) =>
    sequenceOf(oidOf(oid), ...(critical ? [booleanOf(true)] : []), octetString(value)),
  );
}

function keyIdentifier(spki: Uint8Array): Uint8Array {
  return spki.slice(-20);
}

function keyUsageDer(usages: readonly KeyUsage[]): Uint8Array {
  const bits = KEY_USAGES.map((usage) => (usages.includes(usage) ? 1 : 0));
  const length = bits.lastIndexOf(1) + 1;
  const bytes = new Uint8Array(Math.ceil(length / 8));
  bits.slice(0, length).forEach((bit, index) => {
    bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (bit << (7 - (index & 7)));
  });
  return bitStringOf(bytes, bytes.length * 8 - length);
}

const digestOids: Readonly<Record<string, string>> = {
  sha1: "1.3.14.3.2.26",
  sha256: "2.16.840.1.101.3.4.2.1",
  sha384: "2.16.840.1.101.3.4.2.2",
  sha512: "2.16.840.1.101.3.4.2.3",
};
const rsaOids: Readonly<Record<string, string>> = {
  sha1: "1.2.840.113549.1.1.5",
  sha256: "1.2.840.113549.1.1.11",
  sha384: "1.2.840.113549.1.1.12",
  sha512: "1.2.840.113549.1.1.13",
};
const ecdsaOids: Readonly<Record<string, string>> = {
  sha1: "1.2.840.10045.4.1",
  sha256: "1.2.840.10045.4.3.2",
  sha384: "1.2.840.10045.4.3.3",
  sha512: "1.2.840.10045.4.3.4",
};
const nullDer = tlv(0x05);

function algorithmFor(
  key: KeyObject,
  name: SignatureName = key.asymmetricKeyType === "rsa-pss" ? "pss-sha256" : "sha256",
) {
  const hash = name.replace("pss-", "");
  if (key.asymmetricKeyType === "ed25519") {
    return { der: sequenceOf(oidOf("1.3.101.112")), sign: (data: Uint8Array) => sign(undefined, data, key) };
  }
  if (key.asymmetricKeyType === "ec") {
    return { der: sequenceOf(oidOf(ecdsaOids[hash] ?? hash)), sign: (data: Uint8Array) => sign(hash, data, key) };
  }
  if (!name.startsWith("pss-")) {
    return {
      der: sequenceOf(oidOf(rsaOids[hash] ?? hash), nullDer),
      sign: (data: Uint8Array) => sign(hash, data, key),
    };
  }
  const saltLength = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 }[hash] ?? 32;
  const digest = sequenceOf(oidOf(digestOids[hash] ?? hash), nullDer);
  const parameters = sequenceOf(
    context(0, digest),
    context(1, sequenceOf(oidOf("1.2.840.113549.1.1.8"), digest)),
    context(2, integerOf(saltLength)),
  );
  return {
    der: sequenceOf(oidOf("1.2.840.113549.1.1.10"), parameters),
    sign: (data: Uint8Array) => sign(hash, data, { key, padding: 6, saltLength }),
  };
}

let serial = 0x1000;

function nextSerial(): string {
  serial += 1;
  return serial.toString(16);
}
