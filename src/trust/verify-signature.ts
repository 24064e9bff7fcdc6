import { constants, type KeyObject, verify } from "node:crypto";
import type { Algorithm } from "../model/algorithm.ts";
import type { PublicKey } from "../model/signature.ts";
import { hashOf, pssParameters } from "./public-keys.ts";

/** Octets of the longest signature that a permitted key makes: RSA with 8192 bits. */
const MAX_SIGNATURE = 1024;

/**
 * Whether `signature` is one over `data` by `key`: ECDSA in DER (RFC 3279 2.2.3), RSA and Ed25519 as plain octets.
 * False also for an algorithm that the key does not permit, and for whatever cannot be a signature.
 *
 * `salt`: octets of salt that RSA-PSS may have; `hash` for as many as the hash has, as COSE wants it (RFC 8230 2).
 */
export async function verifySignature(
  key: PublicKey,
  algorithm: Algorithm,
  data: Uint8Array,
  signature: Uint8Array,
  salt: "any" | "hash" = "any",
): Promise<boolean> {
  if (!key.algorithms.includes(algorithm) || signature.length === 0 || signature.length > MAX_SIGNATURE) return false;
  if (algorithm.startsWith("rsa-pss-")) {
    const lengths = salt === "hash" ? [digestLength(algorithm)] : saltLengths(key.key, algorithm);
    return lengths.some((saltLength) =>
      holds(algorithm, data, { key: key.key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature),
    );
  }
  if (algorithm.startsWith("rsa-pkcs1-")) {
    return holds(algorithm, data, { key: key.key, padding: constants.RSA_PKCS1_PADDING }, signature);
  }
  if (algorithm.startsWith("ecdsa-")) return holds(algorithm, data, { key: key.key, dsaEncoding: "der" }, signature);
  if (algorithm === "ed25519") return holds(algorithm, data, { key: key.key }, signature);
  return verifyEd25519ph(key, data, signature);
}

/** The pre-hashed variant (RFC 8032 5.1), which OpenSSL through Node does not have; rare, so its library waits for its first use. */
async function verifyEd25519ph({ spki }: PublicKey, data: Uint8Array, signature: Uint8Array): Promise<boolean> {
  if (signature.length !== 64) return false;
  const { ed25519ph } = await import("@noble/curves/ed25519.js");
  try {
    // RFC 8032's own equation: the library's default would take encodings that other verifiers refuse.
    return ed25519ph.verify(signature, data, spki.subarray(-32), { zip215: false });
  } catch {
    return false;
  }
}

/**
 * The algorithm by which `signature` is one over `data`, of those that the key permits and the caller allows, the key's
 * preferred first; undefined when there is none. The signature's own claims have no say.
 */
export async function matchAlgorithm(
  key: PublicKey,
  allowed: readonly Algorithm[],
  data: Uint8Array,
  signature: Uint8Array,
): Promise<Algorithm | undefined> {
  for (const algorithm of key.algorithms) {
    if (allowed.includes(algorithm) && (await verifySignature(key, algorithm, data, signature))) return algorithm;
  }
  return undefined;
}

/** Octets of salt for signing in RSA-PSS: what the key's own parameters ask for, else as many as the hash has. */
export function signingSaltLength(key: KeyObject, algorithm: Algorithm): number {
  const own = pssParameters(key);
  return Math.max(own?.saltLength ?? 0, digestLength(algorithm));
}

/** OpenSSL recovers any salt of a free key; a key with parameters must be told which, theirs being the least. */
function saltLengths(key: KeyObject, algorithm: Algorithm): readonly number[] {
  const own = pssParameters(key);
  if (own === undefined) return [constants.RSA_PSS_SALTLEN_AUTO];
  return [...new Set([own.saltLength, signingSaltLength(key, algorithm)])];
}

function digestLength(algorithm: Algorithm): number {
  return Number(hashOf(algorithm)?.slice(3) ?? 0) / 8;
}

function holds(
  algorithm: Algorithm,
  data: Uint8Array,
  key: Parameters<typeof verify>[2],
  signature: Uint8Array,
): boolean {
  try {
    return verify(hashOf(algorithm), data, key, signature);
  } catch {
    // OpenSSL throws for some signatures that cannot be one; the key itself was read and tried before.
    return false;
  }
}
