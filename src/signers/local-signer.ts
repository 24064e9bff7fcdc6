import { constants, type KeyObject, type SignKeyObjectInput, sign } from "node:crypto";
import { type Algorithm, VERIFY_ONLY } from "../model/algorithm.ts";
import type { Certificate } from "../model/certificate.ts";
import { asWrongUse, CountersignError } from "../model/errors.ts";
import type { Prepared, PublicMaterial, Signer } from "../model/signature.ts";
import { hashOf, publicKeyFrom } from "../trust/public-keys.ts";
import { encodeSignature } from "../trust/signature-encoding.ts";
import { signingSaltLength, verifySignature } from "../trust/verify-signature.ts";

export interface LocalSignerOptions {
  readonly key: KeyObject;
  /** Leaf first, as checkSigningChain orders them; empty for a bare key. */
  readonly chain: readonly Certificate[];
  /** For reports: `key cosign.key`. */
  readonly label: string;
}

/**
 * A signer that holds its private key in this process. RSA-PSS takes a salt as long as the hash, or longer where the
 * key's own parameters ask for it.
 * @throws what publicKeyFrom throws. `sign` throws E_ALGORITHM_UNSUPPORTED for what the key does not permit, E_BUG when the
 * signature made does not verify.
 */
export function createLocalSigner({ key, chain, label }: LocalSignerOptions): Signer {
  const publicKey = asWrongUse(() => publicKeyFrom(key));
  const material: PublicMaterial = { publicKey, chain };
  return {
    label,
    describe: async () => material,
    sign: async ({ bytes, algorithm, encoding }: Prepared) => {
      const signable = publicKey.algorithms.filter((each) => !VERIFY_ONLY.includes(each));
      if (!signable.includes(algorithm)) throw notPermitted(algorithm, signable);
      if (encoding === "p1363" ? !algorithm.startsWith("ecdsa-") : encoding !== encodingOf(algorithm)) {
        throw new CountersignError(
          "E_ALGORITHM_UNSUPPORTED",
          `${algorithm} signatures are not encoded as ${encoding}`,
          {
            hint: `prepare them as ${encodingOf(algorithm)}`,
          },
        );
      }
      const signature = await signBytes(algorithm, bytes, signingInput(key, algorithm));
      // A private key whose public half is another's, or a fault in the machine, must not leave the house as a signature.
      if (!(await verifySignature(publicKey, algorithm, bytes, signature))) {
        throw new CountersignError("E_BUG", `the signature made by ${label} does not verify with its own public key`, {
          hint: "check the key with: openssl pkey -in key.pem -noout -check",
        });
      }
      return encodeSignature(signature, encoding, publicKey);
    },
  };
}

function signingInput(key: KeyObject, algorithm: Algorithm): SignKeyObjectInput {
  if (algorithm.startsWith("rsa-pss-")) {
    return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: signingSaltLength(key, algorithm) };
  }
  if (algorithm.startsWith("rsa-pkcs1-")) return { key, padding: constants.RSA_PKCS1_PADDING };
  return algorithm.startsWith("ecdsa-") ? { key, dsaEncoding: "der" } : { key };
}

function signBytes(algorithm: Algorithm, data: Uint8Array, input: SignKeyObjectInput): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    // With a callback it runs beside the event loop: RSA takes milliseconds.
    sign(hashOf(algorithm), data, input, (error, signature) => (error === null ? resolve(signature) : reject(error)));
  });
}

function encodingOf(algorithm: Algorithm): "der" | "raw" {
  return algorithm.startsWith("ecdsa-") ? "der" : "raw";
}

function notPermitted(algorithm: Algorithm, permitted: readonly Algorithm[]): CountersignError {
  return new CountersignError("E_ALGORITHM_UNSUPPORTED", `the key does not permit ${algorithm}`, {
    hint: `use one of: ${permitted.join(", ")}`,
  });
}
