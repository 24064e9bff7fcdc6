import type { Algorithm } from "../../model/algorithm.ts";
import { CountersignError } from "../../model/errors.ts";
import type { FormatName, PublicKey } from "../../model/signature.ts";

/** One row of the algorithm table of the signature specification ("Algorithm Selection"). */
export interface NotaryAlgorithm {
  readonly algorithm: Algorithm;
  /** RFC 7518. */
  readonly jws: string;
  /** IANA COSE algorithms. */
  readonly cose: number;
}

/** By the kind of key, RSA with its bits: each kind has one algorithm, and no other kind has any. */
const byKey: Readonly<Record<string, NotaryAlgorithm>> = {
  "rsa 2048": { algorithm: "rsa-pss-sha256", jws: "PS256", cose: -37 },
  "rsa 3072": { algorithm: "rsa-pss-sha384", jws: "PS384", cose: -38 },
  "rsa 4096": { algorithm: "rsa-pss-sha512", jws: "PS512", cose: -39 },
  "ec prime256v1": { algorithm: "ecdsa-p256-sha256", jws: "ES256", cose: -7 },
  "ec secp384r1": { algorithm: "ecdsa-p384-sha384", jws: "ES384", cose: -35 },
  "ec secp521r1": { algorithm: "ecdsa-p521-sha512", jws: "ES512", cose: -36 },
};
const all = Object.values(byKey);

/** The one algorithm that the specification has for a key; undefined for a key that it has none for. */
export function algorithmOfKey({ key }: PublicKey): NotaryAlgorithm | undefined {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  const kind = `${key.asymmetricKeyType} ${modulusLength ?? namedCurve}`;
  return Object.hasOwn(byKey, kind) ? byKey[kind] : undefined;
}

export function notaryAlgorithm(algorithm: Algorithm): NotaryAlgorithm | undefined {
  return all.find((row) => row.algorithm === algorithm);
}

export function algorithmNamed(name: string): Algorithm | undefined {
  return all.find(({ jws }) => jws === name)?.algorithm;
}

export function algorithmNumbered(id: number): Algorithm | undefined {
  return all.find(({ cose }) => cose === id)?.algorithm;
}

/**
 * The algorithm to sign with.
 * @throws E_ALGORITHM_UNSUPPORTED (exit status 2) when the specification has none for the key, or another than was asked for.
 */
export function signingAlgorithm(format: FormatName, key: PublicKey, requested: Algorithm | undefined): Algorithm {
  const own = algorithmOfKey(key);
  if (own === undefined || !key.algorithms.includes(own.algorithm)) {
    const { modulusLength } = key.key.asymmetricKeyDetails ?? {};
    const kind = `${key.key.asymmetricKeyType ?? "unknown"}${modulusLength === undefined ? "" : `, ${modulusLength} bits,`}`;
    throw new CountersignError("E_ALGORITHM_UNSUPPORTED", `a key of type ${kind} cannot sign in the ${format} format`, {
      hint: "use an ECDSA key on P-256, P-384 or P-521, or an RSA key of 2048, 3072 or 4096 bits",
    });
  }
  if (requested === undefined || requested === own.algorithm) return own.algorithm;
  throw new CountersignError(
    "E_ALGORITHM_UNSUPPORTED",
    `${requested} is not what the ${format} format has for the key ${key.fingerprint}`,
    { hint: `leave --signing-algorithm out: this key signs with ${own.algorithm} there` },
  );
}
