import { createPublicKey, type KeyObject } from "node:crypto";
import type { AlternativeName, DistinguishedName } from "../model/certificate.ts";
import { asWrongUse, CountersignError } from "../model/errors.ts";
import { signatureFault } from "./certificate-signature.ts";
import {
  bitString,
  decodeDer,
  type Element,
  encodingOf,
  identifierOf,
  inside,
  integerBytes,
  isContext,
  MalformedDer,
  oid,
  required,
  sequence,
  smallInteger,
  TAG,
} from "./der.ts";
import { decodeExtensions } from "./extensions.ts";
import { decodeName } from "./names.ts";
import { parsePem } from "./pem.ts";

/** A request for a certificate (PKCS #10, RFC 2986). Its signature holds: who asks has the private key. */
export interface CertificationRequest {
  readonly subject: DistinguishedName;
  readonly publicKey: KeyObject;
  /** What it asks for; whether it gets that is the authority's to say. */
  readonly alternativeNames: readonly AlternativeName[];
}

const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const labels = new Set(["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"]);

/**
 * Reads one request, PEM or DER, strictly, and checks that it is signed by the key that it is about.
 * @throws E_CERTIFICATE_INVALID for what is malformed, E_CERTIFICATE_SIGNATURE when the key did not sign it; exit 2.
 */
export function parseCertificationRequest(bytes: Uint8Array): CertificationRequest {
  try {
    return asWrongUse(() => decodeRequest(derOf(bytes)));
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
    throw invalid(`malformed certificate request: ${error.message}`);
  }
}

function derOf(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === TAG.sequence) return bytes;
  const blocks = parsePem(bytes, 4);
  const [request, ...others] = blocks.filter(({ label }) => labels.has(label));
  if (request !== undefined && others.length === 0 && blocks.length === 1) return request.der;
  throw invalid(
    request === undefined ? "no certificate request found: neither PEM nor DER" : "more than one request in one file",
  );
}

function decodeRequest(der: Uint8Array): CertificationRequest {
  const [info, algorithm, signature, ...others] = sequence(decodeDer(der, "certificate request"), "request");
  if (others.length > 0) throw new MalformedDer("it has parts too many");
  const [version, name, spki, attributes, ...more] = sequence(info, "request information");
  if (more.length > 0) throw new MalformedDer("its information has parts too many");
  if (smallInteger(integerBytes(version, "version"), "version") !== 0) throw new MalformedDer("its version is unknown");
  const subject = decodeName(name, "subject");
  const publicKey = readKey(encodingOf(required(spki, "public key")));
  const { unused, bytes } = bitString(signature, "signature");
  if (unused !== 0) throw new MalformedDer("its signature is not whole octets");
  const fault = signatureFault(
    encodingOf(required(algorithm, "signature algorithm")),
    encodingOf(required(info, "request information")),
    bytes,
    publicKey,
  );
  if (fault !== undefined) {
    const what = fault === "mismatch" ? "is not signed by the key that it is about" : `is signed with ${fault}`;
    throw new CountersignError("E_CERTIFICATE_SIGNATURE", `the certificate request ${what}`, {
      exit: 2,
      hint: "make the request again where the key is, with SHA-256 or better",
    });
  }
  return { subject, publicKey, alternativeNames: requestedNames(attributes) };
}

/** The alternative names of an extensionRequest (RFC 2985 5.4.2). */
function requestedNames(attributes: Element | undefined): readonly AlternativeName[] {
  if (attributes === undefined) return [];
  if (!isContext(attributes, 0)) throw new MalformedDer("its attributes carry a foreign tag");
  for (const attribute of inside(attributes, "attributes")) {
    const [type, values] = sequence(attribute, "attribute");
    if (oid(type, "attribute") !== EXTENSION_REQUEST) continue;
    const set = required(values, "extension request");
    const [list, ...others] = set.subs;
    if (identifierOf(set) !== TAG.set || others.length > 0)
      throw new MalformedDer("its extension request is no set of one");
    return decodeExtensions(list).alternativeNames;
  }
  return [];
}

function readKey(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch {
    throw new MalformedDer("its public key is of a kind that cannot be read");
  }
}

function invalid(message: string): CountersignError {
  return new CountersignError("E_CERTIFICATE_INVALID", message, {
    exit: 2,
    hint: "make one with: openssl req -new -key key.pem -subj /CN=release -out request.pem",
  });
}
