import type { Algorithm } from "../model/algorithm.ts";
import type { Certificate } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import type { PublicKey, PublicMaterial, Signer } from "../model/signature.ts";
import { createSemaphore } from "../platform/parallel.ts";
import type { NotationPlugin, PluginSignature } from "../services/notation-plugin.ts";
import type { KeySpec } from "../services/notation-plugin-messages.ts";
import { publicKeyFrom } from "../trust/public-keys.ts";
import { acceptSignature, answeredCertificates, refuseAnotherKey, signingKeyOf } from "./external-signature.ts";
import { REHEARSAL } from "./rehearsal.ts";

/** The one algorithm that the plugin protocol has for a key of each kind. */
const algorithms: Readonly<Record<KeySpec, Algorithm>> = {
  "RSA-2048": "rsa-pss-sha256",
  "RSA-3072": "rsa-pss-sha384",
  "RSA-4096": "rsa-pss-sha512",
  "EC-256": "ecdsa-p256-sha256",
  "EC-384": "ecdsa-p384-sha384",
  "EC-521": "ecdsa-p521-sha512",
};

export interface PluginSignerOptions {
  /** For reports: `notation-plugin:azure-kv`. */
  readonly label: string;
  readonly plugin: NotationPlugin;
  readonly keySpec: KeySpec;
  readonly material: PublicMaterial;
  /** Signatures asked for at once. */
  readonly concurrency: number;
}

/**
 * A signer whose key a notation plugin holds. It signs by the one algorithm that the protocol has for its kind of key: `material`
 * is to permit no other (pluginKey).
 *
 * `sign` throws what the plugin throws, E_SIGNATURE_INVALID, E_CERTIFICATE_KEY_MISMATCH, E_ALGORITHM_UNSUPPORTED.
 */
export function createPluginSigner({ label, plugin, keySpec, material, concurrency }: PluginSignerOptions): Signer {
  const places = createSemaphore(concurrency);
  const { publicKey } = material;
  return {
    label,
    describe: async () => material,
    async sign(prepared) {
      if (prepared.algorithm !== algorithms[keySpec]) throw otherAlgorithm(label, prepared.algorithm, keySpec);
      const release = await places.acquire();
      let answer: PluginSignature;
      try {
        answer = await plugin.generateSignature(prepared.bytes, keySpec);
      } finally {
        release();
      }
      refuseAnotherKey(label, publicKey, answeredCertificates(label, answer.certificates.slice(0, 1)));
      return acceptSignature({ by: label, written: answer.signature, output: "raw", publicKey, prepared });
    },
  };
}

/**
 * Key and certificates of a plugin, which answers them only beside a signature: here one over the rehearsal text. It shows too that
 * key, plugin and certificates fit together.
 * @throws what `sign` throws.
 */
export async function rehearsePlugin(
  label: string,
  plugin: NotationPlugin,
  keySpec: KeySpec,
): Promise<{ readonly publicKey: PublicKey; readonly certificates: readonly Certificate[] }> {
  const answer = await plugin.generateSignature(REHEARSAL, keySpec);
  const certificates = answeredCertificates(label, answer.certificates);
  const publicKey = await signingKeyOf({
    by: label,
    written: answer.signature,
    output: "raw",
    // The protocol has the leaf first.
    certificates: certificates.slice(0, 1),
    bytes: REHEARSAL,
    allowed: [algorithms[keySpec]],
  });
  return { publicKey: pluginKey(label, publicKey, keySpec), certificates };
}

/**
 * The key, permitting the one algorithm that the plugin makes.
 * @throws E_CERTIFICATE_KEY_MISMATCH (exit status 2) when it is not of the kind that the plugin says.
 */
export function pluginKey(label: string, publicKey: PublicKey, keySpec: KeySpec): PublicKey {
  const algorithm = algorithms[keySpec];
  const bits = Number(keySpec.slice(4));
  const fits =
    publicKeyFrom(publicKey.key).algorithms.includes(algorithm) &&
    (keySpec.startsWith("EC-") || publicKey.key.asymmetricKeyDetails?.modulusLength === bits);
  if (fits) return { ...publicKey, algorithms: [algorithm] };
  throw new CountersignError(
    "E_CERTIFICATE_KEY_MISMATCH",
    `${label} has an ${keySpec} key, the certificate has another`,
    {
      exit: 2,
      hint: "name the certificate that was issued for the key behind id=, or leave --certificate out",
    },
  );
}

function otherAlgorithm(label: string, algorithm: Algorithm, keySpec: KeySpec): CountersignError {
  return new CountersignError("E_ALGORITHM_UNSUPPORTED", `${label} cannot sign with ${algorithm}`, {
    hint: `the plugin protocol has only ${algorithms[keySpec]} for its ${keySpec} key`,
  });
}
