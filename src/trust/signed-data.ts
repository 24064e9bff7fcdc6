import { createHash } from "node:crypto";
import type { HashName } from "../model/algorithm.ts";
import type { Certificate } from "../model/certificate.ts";
import { isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { parseCertificate } from "./certificate.ts";
import { signatureFault } from "./certificate-signature.ts";
import {
  decodeDer,
  type Element,
  encodingOf,
  identifierOf,
  inside,
  integerBytes,
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
} from "./der.ts";
import { element, oidOf, sequenceOf } from "./der-writer.ts";
import { readHash } from "./hash-identifiers.ts";

/** CMS SignedData (RFC 5652 section 5) with exactly one signer and signed attributes, in DER. Nothing in here has been verified. */
export interface SignedData {
  /** OID of what is signed. */
  readonly contentType: string;
  readonly content: Uint8Array;
  /** Those that could be read; others are nobody's issuer. */
  readonly certificates: readonly Certificate[];
  readonly signer: SignerInfo;
}

export interface SignerInfo {
  readonly identifier:
    | { readonly kind: "issuer"; readonly issuer: Uint8Array; readonly serial: string }
    | { readonly kind: "key"; readonly keyIdentifier: Uint8Array };
  readonly hash: HashName;
  /** The one value of each attribute, by OID. */
  readonly attributes: ReadonlyMap<string, Element>;
  /** What the signature is over: the attributes as a SET. */
  readonly signed: Uint8Array;
  /** DER of the AlgorithmIdentifier. */
  readonly algorithm: Uint8Array;
  readonly signature: Uint8Array;
}

const SIGNED_DATA = "1.2.840.113549.1.7.2";
const CONTENT_TYPE = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST = "1.2.840.113549.1.9.4";

/** Reads a ContentInfo around SignedData. @throws MalformedDer. */
export function decodeSignedData(der: Uint8Array, what: string): SignedData {
  const [type, wrapped, ...others] = sequence(decodeDer(der, what), what);
  if (oid(type, `content type of ${what}`) !== SIGNED_DATA) throw new MalformedDer(`${what} is no CMS SignedData`);
  if (!isContext(wrapped, 0) || others.length > 0) throw new MalformedDer(`${what} holds not exactly one content`);
  const parts = [...sequence(only(wrapped, what), what)];
  smallInteger(integerBytes(parts.shift(), `version of ${what}`), `version of ${what}`);
  setOf(parts.shift(), `hash algorithms of ${what}`);
  const [contentType, content, ...more] = sequence(parts.shift(), `content of ${what}`);
  if (!isContext(content, 0) || more.length > 0) throw new MalformedDer(`${what} does not hold what it is about`);
  const certificates = isContext(parts[0], 0) ? readCertificates(required(parts.shift(), what), what) : [];
  if (isContext(parts[0], 1)) parts.shift();
  const [signers, ...rest] = parts;
  const [signer, ...cosigners] = setOf(signers, `signers of ${what}`);
  if (rest.length > 0 || cosigners.length > 0) throw new MalformedDer(`${what} does not have exactly one signer`);
  return {
    contentType: oid(contentType, `type of the content of ${what}`),
    content: new Uint8Array(octets(only(content, what), `content of ${what}`)),
    certificates,
    signer: readSigner(signer, what),
  };
}

/** Extended and attribute certificates are passed over; so is what is no certificate that could be read. */
function readCertificates(list: Element, what: string): readonly Certificate[] {
  const found = inside(list, `certificates of ${what}`).filter((member) => identifierOf(member) === TAG.sequence);
  if (found.length > LIMITS.certificates)
    throw new MalformedDer(`${what} has more than ${LIMITS.certificates} certificates`);
  return found.flatMap((member) => {
    try {
      return [parseCertificate(encodingOf(member))];
    } catch (error) {
      if (!isCountersignError(error)) throw error;
      return [];
    }
  });
}

function readSigner(element_: Element | undefined, what: string): SignerInfo {
  const parts = [...sequence(element_, `signer of ${what}`)];
  smallInteger(integerBytes(parts.shift(), `version of the signer of ${what}`), "version");
  const identifier = readIdentifier(required(parts.shift(), `signer of ${what}`), what);
  const hash = readHash(parts.shift(), `hash algorithm of ${what}`);
  const list = parts.shift();
  if (!isContext(list, 0)) throw new MalformedDer(`${what} has no signed attributes`);
  const algorithm = encodingOf(required(parts.shift(), `signature algorithm of ${what}`));
  const signature = new Uint8Array(octets(parts.shift(), `signature of ${what}`));
  if (isContext(parts[0], 1)) parts.shift();
  if (parts.length > 0) throw new MalformedDer(`signer of ${what} has parts too many`);
  return {
    identifier,
    hash,
    attributes: readAttributes(list, what),
    // RFC 5652 5.4: as a SET OF, not under the tag that it stands with.
    signed: element(TAG.set, list.value),
    algorithm,
    signature,
  };
}

function readIdentifier(found: Element, what: string): SignerInfo["identifier"] {
  if (isContext(found, 0)) return { kind: "key", keyIdentifier: new Uint8Array(found.value) };
  const [issuer, serial, ...others] = sequence(found, `signer of ${what}`);
  if (others.length > 0) throw new MalformedDer(`signer of ${what} is named by parts too many`);
  return {
    kind: "issuer",
    issuer: encodingOf(required(issuer, `issuer of the signer of ${what}`)),
    serial: serialNumber(serial, `serial number of the signer of ${what}`),
  };
}

function readAttributes(list: Element, what: string): ReadonlyMap<string, Element> {
  const attributes = new Map<string, Element>();
  for (const attribute of inside(list, `attributes of ${what}`)) {
    const [type, values, ...others] = sequence(attribute, `attribute of ${what}`);
    const name = oid(type, `attribute of ${what}`);
    const [value, ...more] = setOf(values, `attribute ${name} of ${what}`);
    if (value === undefined || more.length > 0 || others.length > 0 || attributes.has(name)) {
      throw new MalformedDer(`attribute ${name} of ${what} has not exactly one value`);
    }
    attributes.set(name, value);
  }
  return attributes;
}

function setOf(found: Element | undefined, what: string): readonly Element[] {
  if (found === undefined || identifierOf(found) !== TAG.set) throw new MalformedDer(`${what} is not a SET`);
  return found.subs;
}

const RSA = "1.2.840.113549.1.1.1";
const EC = "1.2.840.10045.2.1";
/** Where the algorithm names the kind of key alone, the hash beside it completes it (RFC 3370 3.2, RFC 5754 3). */
const completed: Readonly<Record<string, Readonly<Record<HashName, string>>>> = {
  [RSA]: {
    sha256: "1.2.840.113549.1.1.11",
    sha384: "1.2.840.113549.1.1.12",
    sha512: "1.2.840.113549.1.1.13",
  },
  [EC]: { sha256: "1.2.840.10045.4.3.2", sha384: "1.2.840.10045.4.3.3", sha512: "1.2.840.10045.4.3.4" },
};

/**
 * What is wrong with the signature of `signer` over the content, undefined when it holds: the signed attributes must name type
 * and hash of the content, and the key of `certificate` must have signed them (RFC 5652 5.4, 5.6).
 */
export function signedDataFault(data: SignedData, certificate: Certificate): string | undefined {
  const { signer, content, contentType } = data;
  const type = signer.attributes.get(CONTENT_TYPE);
  const digest = signer.attributes.get(MESSAGE_DIGEST);
  try {
    if (oid(type, "content type") !== contentType) return "its signed attributes name another type of content";
    const hashed = createHash(signer.hash).update(content).digest();
    if (!octets(digest, "message digest").equals(hashed)) return "its content was changed after it was signed";
    const id = oid(sequence(decodeDer(signer.algorithm, "algorithm"), "algorithm")[0], "algorithm");
    const full = completed[id]?.[signer.hash];
    const algorithm = full === undefined ? signer.algorithm : sequenceOf(oidOf(full));
    const fault = signatureFault(algorithm, signer.signed, signer.signature, certificate.publicKey);
    return fault === "mismatch" ? "its signature does not verify" : fault && `it is signed with ${fault}`;
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
    return error.message;
  }
}
