/**
 * Signature algorithms by the names used in flags and reports: key type, scheme, hash. The key type permits, the caller
 * allows, and what verifies is reported; nothing is read from the artefact (DESIGN: the artefact never chooses).
 */
export const ALGORITHMS = [
  "ecdsa-p256-sha256",
  "ecdsa-p256-sha384",
  "ecdsa-p256-sha512",
  "ecdsa-p384-sha256",
  "ecdsa-p384-sha384",
  "ecdsa-p384-sha512",
  "ecdsa-p521-sha256",
  "ecdsa-p521-sha384",
  "ecdsa-p521-sha512",
  "rsa-pkcs1-sha256",
  "rsa-pkcs1-sha384",
  "rsa-pkcs1-sha512",
  "rsa-pss-sha256",
  "rsa-pss-sha384",
  "rsa-pss-sha512",
  "ed25519",
  "ed25519ph",
] as const;

/** Verified but never made: cosign signs so with Ed25519 keys, and verifies it nowhere. */
export const VERIFY_ONLY: readonly Algorithm[] = ["ed25519ph"];

export type Algorithm = (typeof ALGORITHMS)[number];
export type HashName = "sha256" | "sha384" | "sha512";

export function isAlgorithm(text: string): text is Algorithm {
  return (ALGORITHMS as readonly string[]).includes(text);
}
