import { type KeyObject, sign } from "node:crypto";
import type { HashName } from "../model/algorithm.ts";
import { CountersignError } from "../model/errors.ts";
import { TAG } from "./der.ts";
import { element, oidOf, sequenceOf } from "./der-writer.ts";

const curves: Readonly<Record<string, { readonly name: string; readonly hash: HashName }>> = {
  prime256v1: { name: "P-256", hash: "sha256" },
  secp384r1: { name: "P-384", hash: "sha384" },
  secp521r1: { name: "P-521", hash: "sha512" },
};

/** The curve of an ECDSA key that may issue, as WebCrypto calls it; undefined for every other key. */
export function issuingCurve(key: KeyObject): string | undefined {
  return key.asymmetricKeyType === "ec" ? curves[key.asymmetricKeyDetails?.namedCurve ?? ""]?.name : undefined;
}

/**
 * The hash that an issuing key signs certificates and revocation lists with: its curve's own, SHA-256 for RSA, as every verifier
 * reads.
 * @throws E_KEY_UNSUPPORTED for a key that is neither ECDSA on P-256/384/521 nor RSA.
 */
export function namedHash(key: KeyObject): HashName {
  if (key.asymmetricKeyType === "rsa") return "sha256";
  const curve = key.asymmetricKeyType === "ec" ? curves[key.asymmetricKeyDetails?.namedCurve ?? ""] : undefined;
  if (curve === undefined) throw unsupportedIssuer(key);
  return curve.hash;
}

const signatureOids = {
  ec: { sha256: "1.2.840.10045.4.3.2", sha384: "1.2.840.10045.4.3.3", sha512: "1.2.840.10045.4.3.4" },
  rsa: { sha256: "1.2.840.113549.1.1.11", sha384: "1.2.840.113549.1.1.12", sha512: "1.2.840.113549.1.1.13" },
} as const;

/** AlgorithmIdentifier that an issuing key signs with (RFC 5758 3.2, RFC 4055 5). @throws E_KEY_UNSUPPORTED. */
export function signatureAlgorithmOf(key: KeyObject): Uint8Array {
  const type = key.asymmetricKeyType;
  if (type === "ec") return sequenceOf(oidOf(signatureOids.ec[namedHash(key)]));
  if (type === "rsa") return sequenceOf(oidOf(signatureOids.rsa[namedHash(key)]), element(TAG.null));
  throw unsupportedIssuer(key);
}

/** The SIGNED macro of X.509: what is signed, the algorithm, the signature. `signed` names the same algorithm inside. */
export function signedOf(signed: Uint8Array, key: KeyObject): Uint8Array {
  const signature = sign(namedHash(key), signed, key);
  return sequenceOf(signed, signatureAlgorithmOf(key), element(TAG.bitString, Uint8Array.of(0), signature));
}

function unsupportedIssuer(key: KeyObject): CountersignError {
  return new CountersignError(
    "E_KEY_UNSUPPORTED",
    `a ${key.asymmetricKeyType ?? "secret"} key cannot issue certificates here`,
    { hint: "use an ECDSA P-256, P-384 or P-521 key, or an RSA key" },
  );
}
