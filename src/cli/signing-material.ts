import { createPublicKey } from "node:crypto";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Signer } from "../model/signature.ts";
import type { Host } from "../platform/host.ts";
import { readKeyMaterial, readPassphrase } from "../signers/key-source.ts";
import { createLocalSigner } from "../signers/local-signer.ts";
import { checkSigningChain } from "../signers/preflight.ts";
import { parsePrivateKey } from "../signers/private-key.ts";
import { parseCertificates } from "../trust/certificate.ts";
import { publicKeyFrom } from "../trust/public-keys.ts";
import { about } from "./about.ts";

export interface SigningMaterialOptions {
  readonly key?: string | undefined;
  readonly passphrase?: string | undefined;
  readonly certificate?: string | undefined;
  readonly certificateChain?: string | undefined;
}

/**
 * The signer that the flags name, held to what verifiers will ask before the first request goes out.
 * @throws with exit status 2: E_USAGE and the codes of keys, passphrases and certificates.
 */
export async function loadSigner(
  host: Host,
  options: SigningMaterialOptions,
): Promise<{ readonly signer: Signer; readonly warnings: readonly string[] }> {
  if (options.key === undefined) {
    throw new CountersignError("E_USAGE", "no key is named", {
      hint: "name a private key: --key cosign.key, --key env://NAME, or --key - for standard input",
    });
  }
  if (options.certificateChain !== undefined && options.certificate === undefined) {
    throw new CountersignError("E_USAGE", "--certificate-chain stands without --certificate", {
      hint: "name the key's own certificate with --certificate; the two may be one file",
    });
  }
  const { bytes, label } = await readKeyMaterial(options.key, host);
  const key = await about(`--key ${label}`, () =>
    parsePrivateKey(bytes, () => readPassphrase(options.passphrase, host)),
  );
  const sources = [...new Set([options.certificate, options.certificateChain])].filter(
    (source) => source !== undefined,
  );
  if (sources.length === 0)
    return { signer: createLocalSigner({ key, chain: [], label: `key ${label}` }), warnings: [] };

  const read = await Promise.all(
    sources.map(async (source) => {
      const material = await readKeyMaterial(source, host, LIMITS.certificateFile);
      return about(`certificates in ${material.label}`, async () => parseCertificates(material.bytes));
    }),
  );
  const publicKey = publicKeyFrom(createPublicKey(key));
  const { chain, warnings } = checkSigningChain({ publicKey, certificates: read.flat(), at: host.now() });
  return {
    signer: createLocalSigner({ key, chain, label: `key ${label}` }),
    warnings: warnings.map(({ message }) => message),
  };
}
