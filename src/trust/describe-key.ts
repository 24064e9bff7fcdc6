import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import type { Algorithm, HashName } from "../model/algorithm.ts";
import { CountersignError } from "../model/errors.ts";
import type { PublicKey } from "../model/signature.ts";
import { parsePem } from "./pem.ts";

const MIN_RSA_BITS = 2048;
/** Longer keys cost a verifier seconds and nobody's signer makes them. */
const MAX_RSA_BITS = 8192;

const hashes: readonly HashName[] = ["sha256", "sha384", "sha512"];

/**
 * Named curves by OpenSSL's name, as algorithms call them, with the hash that belongs to each, and the contents of their
 * AlgorithmIdentifier in hex: id-ecPublicKey and the curve's name (RFC 5480 2.1.1).
 */
const curves: Readonly<Record<string, { name: "p256" | "p384" | "p521"; hash: HashName; identifier: string }>> = {
  prime256v1: { name: "p256", hash: "sha256", identifier: "06072a8648ce3d020106082a8648ce3d030107" },
  secp384r1: { name: "p384", hash: "sha384", identifier: "06072a8648ce3d020106052b81040022" },
  secp521r1: { name: "p521", hash: "sha512", identifier: "06072a8648ce3d020106052b81040023" },
};

const supported = "use ECDSA on P-256, P-384 or P-521, RSA from 2048 to 8192 bits, or Ed25519";

/**
 * A public key with its fingerprint and what it permits, from a key object, public or private.
 * @throws E_KEY_UNSUPPORTED for another kind of key, E_KEY_WEAK for RSA under 2048 bits.
 */
export function publicKeyFrom(source: KeyObject): PublicKey {
  const known = described.get(source) ?? describeKey(publicHalf(source));
  described.set(source, known);
  return known;
}

/** What was said of a key object stays true of it. */
const described = new WeakMap<KeyObject, PublicKey>();

function describeKey(key: KeyObject): PublicKey {
  const spki = new Uint8Array(spkiOf(key));
  const algorithms = permittedAlgorithms(key, spki);
  return { key, spki, fingerprint: `sha256:${createHash("sha256").update(spki).digest("hex")}`, algorithms };
}

/**
 * The key of a PEM text that is one block `PUBLIC KEY` as OpenSSL would write it and nothing else, which key files mostly are; undefined
 * for every other file: see parsePublicKey, which needs what reads DER and certificates.
 * @throws E_KEY_INVALID for malformed PEM and what is no key at all, and what publicKeyFrom throws.
 */
export function readPublicKeyPem(bytes: Uint8Array): PublicKey | undefined {
  if (bytes[0] === 0x30) return undefined;
  const [block, ...others] = parsePem(bytes, 16, "E_KEY_INVALID");
  if (block?.label !== "PUBLIC KEY" || others.length > 0) return undefined;
  const key = readKey(block.der, "spki");
  // OpenSSL reads more than it writes, bytes behind the key too.
  return spkiOf(key).equals(block.der) ? publicKeyFrom(key) : undefined;
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

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
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
  const { name, hash, identifier } = curve;
  // A curve spelled out in the key may pass for a named one with another generator.
  if (!hasIdentifier(spki, identifier)) throw unsupported("an ECDSA key that spells out its curve");
  return [hash, ...hashes.filter((other) => other !== hash)].map((each) => `ecdsa-${name}-${each}` as const);
}

/** Whether a SubjectPublicKeyInfo, which OpenSSL wrote, begins with an AlgorithmIdentifier of these contents. */
function hasIdentifier(spki: Uint8Array, contents: string): boolean {
  const length = (contents.length / 2).toString(16).padStart(2, "0");
  const { buffer, byteOffset } = spki;
  // The length of the whole takes one octet, or two from 128.
  const start = (spki[1] ?? 0) < 0x80 ? 2 : 3;
  return Buffer.from(buffer, byteOffset + start, contents.length / 2 + 2).toString("hex") === `30${length}${contents}`;
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

/** @throws E_KEY_INVALID */
export function readKey(der: Uint8Array, type: "spki" | "pkcs1"): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(der), format: "der", type });
  } catch (error) {
    throw invalidKey(error);
  }
}

/** Of a source that OpenSSL or the shape of its DER refuses. */
export function invalidKey(cause: unknown): CountersignError {
  return new CountersignError("E_KEY_INVALID", "malformed public key", {
    hint: "write it again with: openssl pkey -in key.pem -pubout",
    cause,
  });
}

function unsupported(what: string): CountersignError {
  return new CountersignError("E_KEY_UNSUPPORTED", `${what} is not supported`, { hint: supported });
}
