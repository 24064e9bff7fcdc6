import { createHash, createPublicKey, KeyObject } from "node:crypto";
import type { Algorithm, HashName } from "../model/algorithm.ts";
import { CountersignError } from "../model/errors.ts";
import type { PublicKey } from "../model/signature.ts";
import { decodeDer, type Element, identifierOf, MalformedDer, sequence, TAG } from "./der.ts";
import { parsePem } from "./pem.ts";

const MIN_RSA_BITS = 2048;
/** Longer keys cost a verifier seconds and nobody's signer makes them. */
const MAX_RSA_BITS = 8192;

const hashes: readonly HashName[] = ["sha256", "sha384", "sha512"];

/** Named curves by OpenSSL's name, as algorithms call them, with the hash that belongs to each. */
const curves: Readonly<Record<string, { name: "p256" | "p384" | "p521"; hash: HashName }>> = {
  prime256v1: { name: "p256", hash: "sha256" },
  secp384r1: { name: "p384", hash: "sha384" },
  secp521r1: { name: "p521", hash: "sha512" },
};

const supported = "use ECDSA on P-256, P-384 or P-521, RSA from 2048 to 8192 bits, or Ed25519";

/**
 * A public key with its fingerprint and what it permits, from a key object, public or private, or the DER of a
 * SubjectPublicKeyInfo.
 * @throws E_KEY_INVALID, E_KEY_UNSUPPORTED for another kind of key, E_KEY_WEAK for RSA under 2048 bits.
 */
export function publicKeyFrom(source: KeyObject | Uint8Array): PublicKey {
  if (!(source instanceof KeyObject)) return describeKey(readSpki(source));
  const known = described.get(source) ?? describeKey(publicHalf(source));
  described.set(source, known);
  return known;
}

/** What was said of a key object stays true of it. */
const described = new WeakMap<KeyObject, PublicKey>();

function describeKey(key: KeyObject): PublicKey {
  const spki = new Uint8Array(key.export({ type: "spki", format: "der" }));
  const algorithms = permittedAlgorithms(key, spki);
  return { key, spki, fingerprint: `sha256:${createHash("sha256").update(spki).digest("hex")}`, algorithms };
}

/**
 * The key of a PEM text that is one block `PUBLIC KEY` and nothing else, which key files mostly are; undefined for every other file: see
 * parsePublicKey, which needs what reads certificates.
 * @throws E_KEY_INVALID for malformed PEM, and what publicKeyFrom throws.
 */
export function readPublicKeyPem(bytes: Uint8Array): PublicKey | undefined {
  if (bytes[0] === 0x30) return undefined;
  const [block, ...others] = parsePem(bytes, 16, "E_KEY_INVALID");
  return block?.label === "PUBLIC KEY" && others.length === 0 ? publicKeyFrom(block.der) : undefined;
}

/** Hash that the own parameters of an id-RSASSA-PSS key fix, and its shortest salt; undefined for every other key. */
export function pssParameters(key: KeyObject): { readonly hash: string; readonly saltLength: number } | undefined {
  if (key.asymmetricKeyType !== "rsa-pss") return undefined;
  const { hashAlgorithm, saltLength } = key.asymmetricKeyDetails ?? {};
  return hashAlgorithm === undefined ? undefined : { hash: hashAlgorithm, saltLength: saltLength ?? 20 };
}

/** The hash that an algorithm names; undefined where the scheme hashes by itself. */
export function hashOf(algorithm: Algorithm): HashName | undefined {
  return hashes.find((hash) => algorithm.endsWith(hash));
}

function publicHalf(key: KeyObject): KeyObject {
  if (key.type === "secret") throw unsupported("a symmetric key");
  return key.type === "private" ? createPublicKey(key) : key;
}

function permittedAlgorithms(key: KeyObject, spki: Uint8Array): readonly Algorithm[] {
  switch (key.asymmetricKeyType) {
    case "ec":
      return ecdsaAlgorithms(key, spki);
    case "rsa":
      checkRsa(key);
      return [
        ...hashes.map((hash) => `rsa-pkcs1-${hash}` as const),
        ...hashes.map((hash) => `rsa-pss-${hash}` as const),
      ];
    case "rsa-pss":
      checkRsa(key);
      return pssAlgorithms(key);
    case "ed25519":
      return ["ed25519", "ed25519ph"];
    default:
      throw unsupported(`a key of type ${key.asymmetricKeyType ?? "unknown"}`);
  }
}

function ecdsaAlgorithms(key: KeyObject, spki: Uint8Array): readonly Algorithm[] {
  const named = key.asymmetricKeyDetails?.namedCurve ?? "";
  const curve = curves[named];
  if (curve === undefined) throw unsupported(`an ECDSA key on the curve ${named || "of its own parameters"}`);
  // A curve spelled out in the key may pass for a named one with another generator.
  if (!namesItsCurve(spki)) throw unsupported("an ECDSA key that spells out its curve");
  const { name, hash } = curve;
  return [hash, ...hashes.filter((other) => other !== hash)].map((each) => `ecdsa-${name}-${each}` as const);
}

function namesItsCurve(spki: Uint8Array): boolean {
  const [algorithm] = sequence(decodeDer(spki, "public key"), "public key");
  const [, parameters] = sequence(algorithm, "algorithm of the public key");
  return parameters !== undefined && identifierOf(parameters) === TAG.oid;
}

function pssAlgorithms(key: KeyObject): readonly Algorithm[] {
  const parameters = pssParameters(key);
  if (parameters === undefined) return hashes.map((hash) => `rsa-pss-${hash}` as const);
  const hash = hashes.find((name) => name === parameters.hash);
  const mask = key.asymmetricKeyDetails?.mgf1HashAlgorithm;
  if (hash === undefined || mask !== hash) {
    throw unsupported(`an RSA-PSS key restricted to ${parameters.hash} with the mask ${mask ?? "unknown"}`);
  }
  return [`rsa-pss-${hash}`];
}

function checkRsa(key: KeyObject): void {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < MIN_RSA_BITS) {
    throw new CountersignError("E_KEY_WEAK", `an RSA key of ${modulusLength} bits is too weak`, {
      hint: `use RSA with at least ${MIN_RSA_BITS} bits, or ECDSA on P-256`,
    });
  }
  if (modulusLength > MAX_RSA_BITS) throw unsupported(`an RSA key of ${modulusLength} bits`);
  if (publicExponent < 3n || publicExponent % 2n === 0n) {
    throw new CountersignError("E_KEY_WEAK", `an RSA key with the public exponent ${publicExponent} is no key`, {
      hint: "make a new key",
    });
  }
}

export function membersOf(der: Uint8Array): readonly Element[] {
  try {
    return sequence(decodeDer(der, "public key"), "public key");
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
    throw invalid(error);
  }
}

export function readSpki(der: Uint8Array): KeyObject {
  membersOf(der);
  return readKey(der, "spki");
}

export function readKey(der: Uint8Array, type: "spki" | "pkcs1"): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(der), format: "der", type });
  } catch (error) {
    throw invalid(error);
  }
}

function invalid(cause: unknown): CountersignError {
  return new CountersignError("E_KEY_INVALID", "malformed public key", {
    hint: "write it again with: openssl pkey -in key.pem -pubout",
    cause,
  });
}

function unsupported(what: string): CountersignError {
  return new CountersignError("E_KEY_UNSUPPORTED", `${what} is not supported`, { hint: supported });
}
