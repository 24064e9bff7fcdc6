import { createPublicKey } from "node:crypto";
import type { Algorithm } from "../model/algorithm.ts";
import type { Certificate } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Host } from "../platform/host.ts";
import { readKeyMaterial, readPassphrase } from "../signers/key-source.ts";
import { createLocalSigner } from "../signers/local-signer.ts";
import { checkSigningChain } from "../signers/preflight.ts";
import { parsePrivateKey } from "../signers/private-key.ts";
import { parseCertificates } from "../trust/certificate.ts";
import { publicKeyFrom } from "../trust/public-keys.ts";
import { about } from "./about.ts";
import { loadExternalSigner, refuseUnusedFlags } from "./external-signer.ts";
import type { LoadedSigner } from "./loaded-signer.ts";
import { loadPublicMaterial } from "./public-material.ts";
import type { SignerOptions } from "./signer-options.ts";

/**
 * The signer that the flags name, held to what verifiers will ask before the first request goes out.
 * @param algorithm `--signing-algorithm`
 * @param purpose what the certificates must be for: see checkSigningChain
 * @throws with exit status 2: E_USAGE and the codes of keys, passphrases and certificates; and what a signer elsewhere ends in when it
 * is asked for its certificates.
 */
export async function loadSigner(
  host: Host,
  options: SignerOptions,
  algorithm: Algorithm | undefined,
  purpose?: string | null,
): Promise<LoadedSigner> {
  const { key, signer: spec } = options;
  if ((key === undefined) === (spec === undefined)) {
    throw new CountersignError(
      "E_USAGE",
      key === undefined ? "no key is named" : "--key and --signer exclude each other",
      {
        hint: "name a private key: --key cosign.key, --key env://NAME, or --key - for standard input; or what holds it: --signer",
      },
    );
  }
  if (options.certificateChain !== undefined && options.certificate === undefined) {
    throw new CountersignError("E_USAGE", "--certificate-chain stands without --certificate", {
      hint: "name the key's own certificate with --certificate; the two may be one file",
    });
  }
  if (key !== undefined) return loadLocalSigner(host, options, key, purpose);
  if (options.passphrase !== undefined) {
    throw new CountersignError("E_USAGE", "--passphrase stands without --key", {
      hint: "signers elsewhere open their keys themselves; hand over a variable by --pass-env",
    });
  }
  const named = await loadPublicMaterial(host, options, purpose);
  const { signer, warnings } = await loadExternalSigner({
    host,
    spec: spec ?? "",
    options,
    algorithm,
    material: named?.material,
    purpose,
  });
  return { signer, warnings: [...(named?.warnings ?? []), ...warnings] };
}

async function loadLocalSigner(
  host: Host,
  options: SignerOptions,
  source: string,
  purpose: string | null | undefined,
): Promise<LoadedSigner> {
  refuseUnusedFlags(options, [], "--key");
  if (options.publicKey !== undefined) {
    throw new CountersignError("E_USAGE", "--public-key stands beside --key", {
      hint: "leave it out: a private key has its public key with it",
    });
  }
  const { bytes, label } = await readKeyMaterial(source, host);
  const key = await about(`--key ${label}`, () =>
    parsePrivateKey(bytes, () => readPassphrase(options.passphrase, host)),
  );
  const certificates = await readCertificates(host, options);
  if (certificates.length === 0)
    return { signer: createLocalSigner({ key, chain: [], label: `key ${label}` }), warnings: [] };
  const publicKey = publicKeyFrom(createPublicKey(key));
  const { chain, warnings } = checkSigningChain({ publicKey, certificates, at: host.now(), purpose });
  return {
    signer: createLocalSigner({ key, chain, label: `key ${label}` }),
    warnings: warnings.map(({ message }) => message),
  };
}

async function readCertificates(host: Host, options: SignerOptions): Promise<readonly Certificate[]> {
  const sources = [...new Set([options.certificate, options.certificateChain])].filter(
    (source) => source !== undefined,
  );
  const read = await Promise.all(
    sources.map(async (source) => {
      const material = await readKeyMaterial(source, host, LIMITS.certificateFile);
      return about(`certificates in ${material.label}`, async () => parseCertificates(material.bytes));
    }),
  );
  return read.flat();
}
