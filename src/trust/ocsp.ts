import { createHash } from "node:crypto";
import type { Certificate } from "../model/certificate.ts";
import { LIMITS } from "../model/limits.ts";
import { parseCertificate } from "./certificate.ts";
import { certificateSignatureFault, nameOf, signatureFault } from "./certificate-signature.ts";
import { invalidityDate, type Revocation, readExtensions } from "./crl.ts";
import {
  bitString,
  decodeDer,
  type Element,
  encodingOf,
  inside,
  isContext,
  MalformedDer,
  octets,
  oid,
  only,
  required,
  sequence,
  serialNumber,
  smallInteger,
  TAG,
  time,
} from "./der.ts";
import { element, explicit, extensionOf, integerOf, octetsOf, oidOf, sequenceOf } from "./der-writer.ts";
import { OCSP_SIGNING } from "./extensions.ts";
import { decodeName, sameName } from "./names.ts";
import { leafFaults } from "./path-validation.ts";

const NONCE = "1.3.6.1.5.5.7.48.1.2";
const BASIC = "1.3.6.1.5.5.7.48.1.1";
/** Of certificate identifiers: SHA-1 is what every responder knows; it protects nothing there. */
const hashes: Readonly<Record<string, string>> = {
  "1.3.14.3.2.26": "sha1",
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};

/** A DER OCSPRequest (RFC 6960 4.1) about one certificate, with a nonce. */
export function encodeOcspRequest(certificate: Certificate, issuer: Certificate, nonce: Uint8Array): Uint8Array {
  const algorithm = sequenceOf(oidOf("1.3.14.3.2.26"), element(TAG.null));
  const id = sequenceOf(
    algorithm,
    octetsOf(createHash("sha1").update(issuer.subject.der).digest()),
    octetsOf(createHash("sha1").update(keyBits(issuer)).digest()),
    integerOf(Buffer.from(certificate.serial.padStart(2 * Math.ceil(certificate.serial.length / 2), "0"), "hex")),
  );
  const extensions = explicit(2, sequenceOf(extensionOf(NONCE, octetsOf(nonce))));
  return sequenceOf(sequenceOf(sequenceOf(sequenceOf(id)), extensions));
}

export type OcspAnswer =
  | { readonly status: "good" | "unknown" }
  | ({ readonly status: "revoked" } & Revocation)
  /** The response does not count, and why. */
  | { readonly status: "unusable"; readonly why: string };

const refusals: Readonly<Record<number, string>> = {
  1: "it could not read the request",
  2: "it has an internal fault",
  3: "it is busy",
  5: "it wants signed requests",
  6: "it does not answer about this authority",
};

/**
 * What a DER OCSPResponse (RFC 6960 4.2) says of a certificate. It counts when the issuer signed it, or a responder whom the issuer
 * certified for that (OCSPSigning), when it names this very certificate, holds at `at`, and has the nonce that was sent, if any.
 */
export function readOcspResponse(
  der: Uint8Array,
  certificate: Certificate,
  issuer: Certificate,
  nonce: Uint8Array,
  at: Date,
): OcspAnswer {
  try {
    const [status, wrapped] = sequence(decodeDer(der, "response"), "response");
    const number = smallInteger(required(status, "status").value, "status");
    if (number !== 0) return unusable(refusals[number] ?? `it answers with the status ${number}`);
    if (!isContext(wrapped, 0)) throw new MalformedDer("response is empty");
    const [type, body] = sequence(only(wrapped, "response"), "response");
    if (oid(type, "type of the response") !== BASIC) return unusable("its response is of a type that is not known");
    return readBasic(octets(body, "response"), certificate, issuer, nonce, at);
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
    return unusable(`its answer cannot be read: ${error.message}`);
  }
}

function readBasic(
  der: Uint8Array,
  certificate: Certificate,
  issuer: Certificate,
  nonce: Uint8Array,
  at: Date,
): OcspAnswer {
  const [tbs, algorithm, signature, more] = sequence(decodeDer(der, "basic response"), "basic response");
  const data = required(tbs, "response data");
  const parts = [...sequence(data, "response data")];
  if (isContext(parts[0], 0)) parts.shift();
  const responder = required(parts.shift(), "responder");
  time(parts.shift(), "producedAt");
  const singles = sequence(parts.shift(), "responses");
  const extensions = isContext(parts[0], 1) ? readExtensions(only(parts[0], "extensions")) : [];
  const signer = signerOf(responder, issuer, more, at);
  if (typeof signer === "string") return unusable(signer);
  const { unused, bytes } = bitString(signature, "signature");
  const fault =
    unused === 0
      ? signatureFault(encodingOf(required(algorithm, "algorithm")), encodingOf(data), bytes, signer.publicKey)
      : "mismatch";
  if (fault !== undefined)
    return unusable(fault === "mismatch" ? "its signature does not verify" : `it is signed with ${fault}`);
  const echoed = extensions.find(({ oid }) => oid === NONCE);
  if (echoed !== undefined && !octets(decodeDer(echoed.value, "nonce"), "nonce").equals(nonce)) {
    return unusable("it answers another request: its nonce is not the one sent");
  }
  const unknown = extensions.find(({ oid, critical }) => critical && oid !== NONCE);
  if (unknown !== undefined) return unusable(`it has the critical extension ${unknown.oid}`);
  const single = singles
    .map((one) => sequence(one, "single response"))
    .find(([id]) => isAbout(id, certificate, issuer));
  return single === undefined ? unusable("it says nothing of this certificate") : readSingle(single, at);
}

function readSingle([, status, thisUpdate, ...rest]: readonly Element[], at: Date): OcspAnswer {
  const found = required(status, "status of the certificate");
  const from = time(thisUpdate, "thisUpdate");
  const [next] = rest;
  if (from.getTime() > at.getTime() + LIMITS.clockSkew)
    return unusable(`it is of ${from.toISOString()}, which is to come`);
  if (!isContext(next, 0)) return unusable("it does not say until when it holds");
  const until = time(only(next, "nextUpdate"), "nextUpdate");
  if (until < at) return unusable(`it held until ${until.toISOString()}`);
  const wrapped = rest.find((part) => isContext(part, 1));
  const extensions = wrapped === undefined ? [] : readExtensions(only(wrapped, "extensions"));
  const unknown = extensions.find(({ critical }) => critical);
  if (unknown !== undefined) return unusable(`it has the critical extension ${unknown.oid}`);
  if (isContext(found, 0)) return { status: "good" };
  if (isContext(found, 2)) return { status: "unknown" };
  if (!isContext(found, 1)) throw new MalformedDer("status of the certificate is none");
  const [when] = inside(found, "revocation");
  return { status: "revoked", at: time(when, "time of revocation"), invalidityDate: invalidityDate(extensions) };
}

/** The certificate whose key must have signed: the issuer's own, or one that it issued for the purpose; a sentence where there is none. */
function signerOf(responder: Element, issuer: Certificate, more: Element | undefined, at: Date): Certificate | string {
  const isResponder = (candidate: Certificate) => {
    if (isContext(responder, 1))
      return sameName(decodeName(only(responder, "responder"), "responder"), candidate.subject);
    if (!isContext(responder, 2)) throw new MalformedDer("responder is neither named nor known by its key");
    const hash = octets(only(responder, "responder"), "key of the responder");
    return createHash("sha1").update(keyBits(candidate)).digest().equals(hash);
  };
  if (isResponder(issuer)) return issuer;
  const brought = isContext(more, 0) ? sequence(only(more, "certificates"), "certificates").slice(0, 8) : [];
  const delegate = brought.map((one) => parseCertificate(encodingOf(one))).find(isResponder);
  if (delegate === undefined) return "its responder's certificate is not at hand";
  if (
    !sameName(delegate.issuer, issuer.subject) ||
    certificateSignatureFault(delegate, issuer.publicKey) !== undefined
  ) {
    return `its responder ${nameOf(delegate)} was not certified by ${nameOf(issuer)}`;
  }
  const [fault] = leafFaults(delegate, at, OCSP_SIGNING);
  return fault === undefined ? delegate : fault.message;
}

function isAbout(id: Element | undefined, certificate: Certificate, issuer: Certificate): boolean {
  const [algorithm, name, key, serial] = sequence(id, "certificate identifier");
  const hash = hashes[oid(sequence(algorithm, "hash algorithm")[0], "hash algorithm")];
  if (hash === undefined) return false;
  return (
    serialNumber(serial, "serial number") === certificate.serial &&
    octets(name, "issuer's name").equals(createHash(hash).update(issuer.subject.der).digest()) &&
    octets(key, "issuer's key").equals(createHash(hash).update(keyBits(issuer)).digest())
  );
}

/** The octets of the subjectPublicKey, without tag, length and unused bits. */
function keyBits({ spki }: Certificate): Uint8Array {
  const [, key] = sequence(decodeDer(spki, "public key"), "public key");
  return bitString(key, "public key").bytes;
}

function unusable(why: string): OcspAnswer {
  return { status: "unusable", why };
}
