import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import type { Certificate } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import {
  bitString,
  decodeDer,
  type Element,
  encodingOf,
  integerBytes,
  isContext,
  MalformedDer,
  oid,
  only,
  required,
  sequence,
  smallInteger,
  time,
} from "./der.ts";
import { decodeExtensions } from "./extensions.ts";
import { decodeName } from "./names.ts";
import { parsePem } from "./pem.ts";

/** What validation needs beside the decoded fields: the signed bytes, the signature, its algorithm with parameters. */
export interface SignedParts {
  readonly version: 1 | 2 | 3;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  /** DER of the AlgorithmIdentifier. */
  readonly algorithm: Uint8Array;
}

const signedParts = new WeakMap<Certificate, SignedParts>();

/**
 * Decodes one certificate (RFC 5280 section 4) strictly: DER throughout, extensions only in version 3 and none twice, the
 * inner and the outer signature algorithm the same.
 * @throws E_CERTIFICATE_INVALID naming what is malformed.
 */
export function parseCertificate(der: Uint8Array): Certificate {
  const fingerprint = `sha256:${createHash("sha256").update(der).digest("hex")}`;
  const known = recent.get(fingerprint);
  if (known !== undefined) return known;
  const certificate = orInvalid("certificate", () => decodeCertificate(new Uint8Array(der), fingerprint));
  if (der.length > RECENT_SIZE) return certificate;
  if (recent.size >= RECENT) recent.delete(recent.keys().next().value ?? "");
  recent.set(fingerprint, certificate);
  return certificate;
}

/** The last certificates of usual size, the oldest dropped first: hundreds of images carry the same few. */
const recent = new Map<string, Certificate>();
const RECENT = 256;
const RECENT_SIZE = 8 * 1024;

/** Bytes of one certificate. Decoded, each two of them can become an object. */
const MAX_CERTIFICATE = 64 * 1024;

function decodeCertificate(der: Uint8Array, fingerprint: string): Certificate {
  if (der.length > MAX_CERTIFICATE) {
    throw new MalformedDer(`${der.length} bytes are more than the ${MAX_CERTIFICATE} that are read`);
  }
  const [first, second, signature, ...others] = sequence(decodeDer(der, "certificate"), "certificate");
  if (others.length > 0) throw new MalformedDer("certificate has parts too many");
  const tbs = required(first, "TBSCertificate");
  const algorithm = encodingOf(required(second, "signature algorithm"));
  const { fields, version } = readToBeSigned(tbs, algorithm);
  const { unused, bytes } = bitString(signature, "signature of the certificate");
  if (unused !== 0) throw new MalformedDer("signature of the certificate is not whole octets");
  const certificate: Certificate = { der, fingerprint, ...fields };
  signedParts.set(certificate, { version, signed: encodingOf(tbs), signature: new Uint8Array(bytes), algorithm });
  return certificate;
}

/**
 * Decodes a file or field of certificates, one in DER or any number in PEM, in their order. Blocks that are not
 * certificates are an error: what was meant is not for us to guess.
 * @throws E_CERTIFICATE_INVALID also when there is none, or more than LIMITS.certificates.
 */
export function parseCertificates(pemOrDer: Uint8Array): Certificate[] {
  if (pemOrDer[0] === 0x30) return [parseCertificate(pemOrDer)];
  const blocks = parsePem(pemOrDer, LIMITS.certificates);
  const foreign = blocks.find(({ label }) => !certificateLabels.has(label));
  if (foreign !== undefined) {
    // A label is free text of a foreign file; a private key's is named, its contents never.
    const label = JSON.stringify(foreign.label.slice(0, 64));
    throw new CountersignError("E_CERTIFICATE_INVALID", `a PEM block ${label} stands where certificates belong`, {
      hint: "hand over CERTIFICATE blocks alone",
    });
  }
  if (blocks.length === 0) {
    throw new CountersignError("E_CERTIFICATE_INVALID", "no certificate found: neither PEM nor DER", {
      hint: "hand over one or more PEM blocks that begin with -----BEGIN CERTIFICATE-----",
    });
  }
  return blocks.map(({ der }, index) => numbered(index, blocks.length, () => parseCertificate(der)));
}

const certificateLabels = new Set(["CERTIFICATE", "X509 CERTIFICATE", "X.509 CERTIFICATE"]);

/** The signed bytes and the signature of a certificate that parseCertificate made, or of an equal one. */
export function partsOf(certificate: Certificate): SignedParts {
  const known = signedParts.get(certificate) ?? signedParts.get(parseCertificate(certificate.der));
  if (known === undefined) throw new TypeError("a certificate without parts");
  return known;
}

/** Runs `read`; what is malformed becomes E_CERTIFICATE_INVALID. */
function orInvalid<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
    throw new CountersignError("E_CERTIFICATE_INVALID", `malformed ${what}: ${error.message}`, {
      hint: "issue it again, or convert it with: openssl x509 -in FILE -out certificate.pem",
    });
  }
}

type Fields = Omit<Certificate, "der" | "fingerprint">;

/** TBSCertificate (RFC 5280 4.1.2). */
function readToBeSigned(tbs: Element, algorithm: Uint8Array): { fields: Fields; version: SignedParts["version"] } {
  const parts = [...sequence(tbs, "TBSCertificate")];
  const version = readVersion(parts);
  const serial = integerBytes(parts.shift(), "serial number");
  if ((serial[0] ?? 0) >= 0x80) throw new MalformedDer("serial number is negative");
  const inner = required(parts.shift(), "signature algorithm");
  const signatureAlgorithm = oid(sequence(inner, "signature algorithm")[0], "signature algorithm");
  if (Buffer.compare(encodingOf(inner), algorithm) !== 0) {
    throw new MalformedDer("the two signature algorithms of the certificate differ");
  }
  const issuer = decodeName(parts.shift(), "issuer");
  const validity = sequence(parts.shift(), "validity");
  if (validity.length !== 2) throw new MalformedDer("validity does not hold two times");
  const subject = decodeName(parts.shift(), "subject");
  const spki = encodingOf(required(parts.shift(), "public key"));
  for (const uniqueId of [1, 2]) {
    if (!isContext(parts[0], uniqueId)) continue;
    if (version === 1) throw new MalformedDer("a version 1 certificate holds a unique identifier");
    parts.shift();
  }
  const [wrapped, ...others] = parts;
  if (others.length > 0 || (wrapped !== undefined && !isContext(wrapped, 3))) {
    throw new MalformedDer("TBSCertificate has parts too many");
  }
  if (wrapped !== undefined && version !== 3) throw new MalformedDer(`a version ${version} certificate has extensions`);
  const fields: Fields = {
    serial: (serial.length > 1 && serial[0] === 0 ? serial.subarray(1) : serial).toString("hex"),
    subject,
    issuer,
    notBefore: time(validity[0], "notBefore"),
    notAfter: time(validity[1], "notAfter"),
    publicKey: readKey(spki),
    spki,
    signatureAlgorithm,
    ...decodeExtensions(wrapped === undefined ? undefined : only(wrapped, "list of extensions")),
  };
  return { fields, version };
}

/** Takes the version, if it is there, off the front. */
function readVersion(parts: Element[]): SignedParts["version"] {
  const [first] = parts;
  if (!isContext(first, 0)) return 1;
  parts.shift();
  const number = smallInteger(integerBytes(only(first, "version"), "version"), "version");
  if (number !== 0 && number !== 1 && number !== 2) throw new MalformedDer(`version ${number + 1} is unknown`);
  return number === 0 ? 1 : number === 1 ? 2 : 3;
}

function readKey(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch {
    throw new MalformedDer("its public key is of a kind that cannot be read");
  }
}

function numbered<T>(index: number, count: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (count === 1 || !(error instanceof CountersignError)) throw error;
    throw new CountersignError(error.code, `number ${index + 1} of ${count}: ${error.message}`, {
      hint: error.hint,
      cause: error,
    });
  }
}
