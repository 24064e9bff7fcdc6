import { constants, type KeyObject, type VerifyKeyObjectInput, verify } from "node:crypto";
import type { HashName } from "../model/algorithm.ts";
import type { Certificate } from "../model/certificate.ts";
import type { Reason } from "../model/signature.ts";
import { partsOf } from "./certificate.ts";
import {
  decodeDer,
  type Element,
  identifierOf,
  inside,
  integerBytes,
  MalformedDer,
  oid,
  only,
  sequence,
  smallInteger,
  TAG,
} from "./der.ts";

type Scheme =
  | { readonly kind: "ec" | "rsa"; readonly hash: HashName }
  | { readonly kind: "pss"; readonly hash: HashName; readonly saltLength: number }
  | { readonly kind: "ed25519" };

const RSASSA_PSS = "1.2.840.113549.1.1.10";
const MGF1 = "1.2.840.113549.1.1.8";

const schemes: Readonly<Record<string, Scheme>> = {
  "1.2.840.113549.1.1.11": { kind: "rsa", hash: "sha256" },
  "1.2.840.113549.1.1.12": { kind: "rsa", hash: "sha384" },
  "1.2.840.113549.1.1.13": { kind: "rsa", hash: "sha512" },
  "1.2.840.10045.4.3.2": { kind: "ec", hash: "sha256" },
  "1.2.840.10045.4.3.3": { kind: "ec", hash: "sha384" },
  "1.2.840.10045.4.3.4": { kind: "ec", hash: "sha512" },
  "1.3.101.112": { kind: "ed25519" },
};

/** Known, and refused: collisions can be made for these, or nearly. */
const broken: Readonly<Record<string, string>> = {
  "1.2.840.113549.1.1.2": "MD2 with RSA",
  "1.2.840.113549.1.1.4": "MD5 with RSA",
  "1.2.840.113549.1.1.5": "SHA-1 with RSA",
  "1.3.14.3.2.29": "SHA-1 with RSA",
  "1.2.840.10040.4.3": "SHA-1 with DSA",
  "1.2.840.10045.4.1": "SHA-1 with ECDSA",
};

const digests: Readonly<Record<string, HashName>> = {
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};

/**
 * Whether `issuerKey` signed the certificate: undefined when it did, else the reason. Only SHA-2 with ECDSA or RSA
 * (PKCS#1 v1.5 and PSS, RFC 4055), and Ed25519.
 */
export function certificateSignatureFault(certificate: Certificate, issuerKey: KeyObject): Reason | undefined {
  const known = outcomes.get(certificate) ?? new WeakMap<KeyObject, Outcome>();
  outcomes.set(certificate, known);
  const outcome = known.get(issuerKey) ?? { fault: findFault(certificate, issuerKey) };
  known.set(issuerKey, outcome);
  return outcome.fault;
}

type Outcome = { readonly fault: Reason | undefined };

/** Who signed whom does not change: hundreds of images carry the same few certificates. */
const outcomes = new WeakMap<Certificate, WeakMap<KeyObject, Outcome>>();

function findFault(certificate: Certificate, issuerKey: KeyObject): Reason | undefined {
  const { algorithm, signed, signature } = partsOf(certificate);
  const scheme = readScheme(certificate.signatureAlgorithm, algorithm);
  if (typeof scheme === "string") {
    return { code: "E_CERTIFICATE_SIGNATURE", message: `${nameOf(certificate)} is signed with ${scheme}` };
  }
  if (holds(scheme, signed, signature, issuerKey)) return undefined;
  return {
    code: "E_CERTIFICATE_SIGNATURE",
    message: `${nameOf(certificate)} is not signed by the key of ${JSON.stringify(certificate.issuer.text)} at hand`,
  };
}

/**
 * Whether `key` made `signature` over `signed`, as the DER AlgorithmIdentifier says: undefined when it did, `mismatch` when not,
 * else what to say about an algorithm that is refused.
 */
export function signatureFault(
  algorithm: Uint8Array,
  signed: Uint8Array,
  signature: Uint8Array,
  key: KeyObject,
): string | undefined {
  const id = oid(
    sequence(decodeDer(algorithm, "signature algorithm"), "signature algorithm")[0],
    "signature algorithm",
  );
  const scheme = readScheme(id, algorithm);
  if (typeof scheme === "string") return scheme;
  return holds(scheme, signed, signature, key) ? undefined : "mismatch";
}

/** A certificate as messages call it. */
export function nameOf(certificate: Certificate): string {
  const name = certificate.subject.text || certificate.alternativeNames[0]?.value || certificate.fingerprint;
  return `the certificate ${JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name)}`;
}

function holds(scheme: Scheme, signed: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  const type = key.asymmetricKeyType;
  try {
    switch (scheme.kind) {
      case "ed25519":
        return type === "ed25519" && verify(undefined, signed, key, signature);
      case "ec":
        return type === "ec" && verify(scheme.hash, signed, key, signature);
      case "rsa":
        return type === "rsa" && verify(scheme.hash, signed, key, signature);
      case "pss": {
        const input: VerifyKeyObjectInput = {
          key,
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: scheme.saltLength,
        };
        return (type === "rsa" || type === "rsa-pss") && verify(scheme.hash, signed, input, signature);
      }
    }
  } catch {
    return false;
  }
}

/** The scheme, or what to say about one that is refused. */
function readScheme(id: string, algorithm: Uint8Array): Scheme | string {
  const weak = broken[id];
  if (weak !== undefined) return `${weak}, which no longer proves anything`;
  try {
    const [, parameters, ...others] = sequence(decodeDer(algorithm, "signature algorithm"), "signature algorithm");
    if (others.length > 0) throw new MalformedDer("signature algorithm has parts too many");
    if (id === RSASSA_PSS) return pssScheme(parameters);
    const scheme = schemes[id];
    if (scheme === undefined) return `an algorithm that is not supported (${id})`;
    const bare = parameters === undefined || (scheme.kind === "rsa" && identifierOf(parameters) === TAG.null);
    return bare ? scheme : "parameters where its algorithm has none";
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
    return `a malformed algorithm: ${error.message}`;
  }
}

/** RSASSA-PSS-params (RFC 4055 3.1). What is left out means SHA-1, and is refused as such. */
function pssScheme(parameters: Element | undefined): Scheme | string {
  const fields = new Map(
    sequence(parameters, "RSASSA-PSS parameters").map((field) => [
      field.tag.number,
      only(field, "RSASSA-PSS parameter"),
    ]),
  );
  const hash = digests[algorithmOf(fields.get(0))];
  const mask = fields.get(1);
  if (hash === undefined || mask === undefined) return "RSASSA-PSS over SHA-1 or an unknown hash";
  const [generator, maskHash] = inside(mask, "mask generation");
  if (oid(generator, "mask generation") !== MGF1 || digests[algorithmOf(maskHash)] !== hash) {
    return "RSASSA-PSS with a mask of another hash";
  }
  const salt = fields.get(2);
  const trailer = fields.get(3);
  const saltLength = salt === undefined ? 20 : smallInteger(integerBytes(salt, "salt length"), "salt length");
  if (trailer !== undefined && smallInteger(integerBytes(trailer, "trailer field"), "trailer field") !== 1) {
    return "RSASSA-PSS with an unknown trailer";
  }
  return { kind: "pss", hash, saltLength };
}

function algorithmOf(identifier: Element | undefined): string {
  return identifier === undefined ? "" : oid(sequence(identifier, "hash algorithm")[0], "hash algorithm");
}
