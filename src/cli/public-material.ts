import type { Command } from "commander";
import type { Certificate } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { OpenPgpMaterial } from "../model/openpgp.ts";
import type { PublicKey, PublicMaterial } from "../model/signature.ts";
import type { Host } from "../platform/host.ts";
import { readKeyMaterial } from "../signers/key-source.ts";
import { checkSigningChain } from "../signers/preflight.ts";
import { parseCertificates } from "../trust/certificate.ts";
import { parsePublicKey, publicKeyFrom } from "../trust/public-keys.ts";
import { about } from "./about.ts";
import { GPG_KEY_HELP } from "./openpgp-options.ts";
import { type OptionValues, text } from "./option-values.ts";

/** Who signs elsewhere, by what may be known of them here. */
export const publicMaterialReaders = { publicKey: text, certificate: text, certificateChain: text, gpgKey: text };

export function addPublicMaterialOptions(command: Command): Command {
  return command
    .option("--public-key <source>", "the signing key's public half: a path, env://NAME or -")
    .option("--certificate <source>", "the signing key's certificate, PEM or DER")
    .option("--certificate-chain <source>", "its issuers, in any order, with or without the root")
    .option("--gpg-key <source>", GPG_KEY_HELP);
}

/**
 * The public material that the flags name, held to what verifiers will ask before the first request goes out; undefined
 * when they name none.
 * @param purpose what the certificates must be for: see checkSigningChain
 * @throws with exit status 2: E_USAGE and the codes of keys and certificates.
 */
export async function loadPublicMaterial(
  host: Host,
  options: OptionValues<typeof publicMaterialReaders>,
  purpose?: string | null,
): Promise<{ readonly material: PublicMaterial; readonly warnings: readonly string[] } | undefined> {
  if (options.certificateChain !== undefined && options.certificate === undefined) {
    throw new CountersignError("E_USAGE", "--certificate-chain stands without --certificate", {
      hint: "name the key's own certificate with --certificate; the two may be one file",
    });
  }
  const named = options.publicKey === undefined ? undefined : await publicKeyOf(host, options.publicKey);
  const keyring = await loadKeyring(host, options.gpgKey);
  if (options.certificate === undefined) {
    const publicKey = named ?? keyring?.publicKey;
    if (publicKey === undefined) return undefined;
    const openpgp = keyring?.materialOf(publicKey);
    return { material: { publicKey, chain: [], openpgp }, warnings: keyring?.warnings ?? [] };
  }
  const own = await certificatesOf(host, options.certificate);
  const chainSource = options.certificateChain;
  const issuers = chainSource === undefined ? [] : await certificatesOf(host, chainSource);
  const publicKey = named ?? (await about("--certificate", async () => publicKeyFrom(leafOf(own).publicKey)));
  const certificates = [...own, ...issuers];
  const { chain, warnings } = checkSigningChain({ publicKey, certificates, at: host.now(), purpose });
  return {
    material: { publicKey, chain, openpgp: keyring?.materialOf(publicKey) },
    warnings: [...(keyring?.warnings ?? []), ...warnings.map(({ message }) => message)],
  };
}

/** The block that `--gpg-key` names. */
export interface SigningKeyring {
  /** Of the first certificate the key that signs unless another is named: the primary one where it may. */
  readonly publicKey: PublicKey;
  /** @throws with exit status 2: as certificateOf. */
  materialOf(publicKey: PublicKey): OpenPgpMaterial;
  readonly warnings: readonly string[];
}

export async function loadKeyring(host: Host, source: string | undefined): Promise<SigningKeyring | undefined> {
  if (source === undefined) return undefined;
  const { loadKeyrings } = await import("./openpgp-options.ts");
  const { certificateOf } = await import("../signers/openpgp-certificate.ts");
  const { certificates, warnings } = await loadKeyrings(host, [source], "--gpg-key");
  const keys = certificates[0]?.keys ?? [];
  const first = keys.find(({ primary }) => primary) ?? keys[0];
  if (first === undefined) throw new CountersignError("E_KEY_INVALID", "--gpg-key holds no key", { exit: 2 });
  return {
    publicKey: first.publicKey,
    materialOf: (publicKey) => certificateOf(publicKey, certificates, host.now()),
    warnings,
  };
}

async function publicKeyOf(host: Host, source: string): Promise<PublicKey> {
  const { bytes, label } = await readKeyMaterial(source, host, LIMITS.certificateFile);
  return about(`--public-key ${label}`, async () => parsePublicKey(bytes));
}

async function certificatesOf(host: Host, source: string): Promise<readonly Certificate[]> {
  const { bytes, label } = await readKeyMaterial(source, host, LIMITS.certificateFile);
  return about(`certificates in ${label}`, async () => parseCertificates(bytes));
}

/** Of a file that holds issuers too, the one that is no authority; they may stand in any order. */
function leafOf(certificates: readonly Certificate[]): Certificate {
  const leaf = certificates.find(({ basicConstraints }) => basicConstraints?.ca !== true) ?? certificates[0];
  if (leaf !== undefined) return leaf;
  throw new CountersignError("E_CERTIFICATE_MISSING", "there is no certificate in it", {
    hint: "name the certificate of the key that signs",
  });
}
