import { type Algorithm, VERIFY_ONLY } from "../model/algorithm.ts";
import { CountersignError } from "../model/errors.ts";
import type { FormatName, PublicKey, SignatureEncoding } from "../model/signature.ts";

/**
 * The algorithm to sign with: the caller's, or the first of `preferred` that the key permits, or what the key itself prefers
 * (a key bound to RSA-PSS permits nothing of the usual).
 * @throws E_ALGORITHM_UNSUPPORTED when the key does not permit the caller's choice, or permits nothing.
 */
export function chooseAlgorithm(
  format: FormatName,
  key: PublicKey,
  preferred: readonly Algorithm[],
  requested: Algorithm | undefined,
): Algorithm {
  const permitted = key.algorithms.filter((algorithm) => !VERIFY_ONLY.includes(algorithm));
  const usual = preferred.find((algorithm) => permitted.includes(algorithm)) ?? permitted[0];
  if (usual === undefined) {
    const type = key.key.asymmetricKeyType ?? "unknown";
    throw new CountersignError("E_ALGORITHM_UNSUPPORTED", `a key of type ${type} cannot sign in the ${format} format`, {
      hint: "use an ECDSA key on P-256, P-384 or P-521, an RSA key of 2048 bits or more, or an Ed25519 key",
    });
  }
  if (requested === undefined) return usual;
  if (permitted.includes(requested)) return requested;
  throw new CountersignError("E_ALGORITHM_UNSUPPORTED", `${requested} does not fit the key ${key.fingerprint}`, {
    hint: `choose one of ${permitted.join(", ")}, or sign with another key`,
  });
}

/**
 * How a signature is encoded that is made with `algorithm`: ECDSA as DER (ANSI X9.62) or as the format has it, the rest as the plain
 * octets.
 */
export function signatureEncoding(algorithm: Algorithm, { ecdsa = "der" }: Encoded = {}): SignatureEncoding {
  return algorithm.startsWith("ecdsa-") ? ecdsa : "raw";
}

interface Encoded {
  readonly ecdsa?: SignatureEncoding | undefined;
}
