import { createPublicKey, type KeyObject } from "node:crypto";
import type { Algorithm } from "../model/algorithm.ts";
import type { Certificate } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { OpenPgpMaterial } from "../model/openpgp.ts";
import type { Host } from "../platform/host.ts";
import { readKeyMaterial, readPassphrase } from "../signers/key-source.ts";
import { createLocalSigner } from "../signers/local-signer.ts";
import { withCertificate } from "../signers/openpgp-certificate.ts";
import { checkSigningChain } from "../signers/preflight.ts";
import { parsePrivateKey } from "../signers/private-key.ts";
import { parseCertificates } from "../trust/certificate.ts";
import { isOpenPgp } from "../trust/openpgp/detect.ts";
import { publicKeyFrom } from "../trust/public-keys.ts";
import { about } from "./about.ts";
import { loadExternalSigner, refuseUnusedFlags } from "./external-signer.ts";
import type { LoadedSigner } from "./loaded-signer.ts";
import { loadKeyring, loadPublicMaterial } from "./public-material.ts";
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
  const openpgp = named?.material.openpgp;
  return {
    signer: openpgp === undefined ? signer : withCertificate(signer, openpgp),
    warnings: [...(named?.warnings ?? []), ...warnings],
  };
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
  const { key, material } = await about(`--key ${label}`, () => openKey(host, bytes, options.passphrase));
  const keyring = await loadKeyring(host, options.gpgKey);
  const publicKey = publicKeyFrom(createPublicKey(key));
  // A block that is named may be newer than the one that stands with the secret key.
  const openpgp = keyring?.materialOf(publicKey) ?? material;
  const certificates = await readCertificates(host, options);
  const { chain, warnings } =
    certificates.length === 0
      ? { chain: [], warnings: [] }
      : checkSigningChain({ publicKey, certificates, at: host.now(), purpose });
  const signer = createLocalSigner({ key, chain, label: `key ${label}` });
  return {
    signer: openpgp === undefined ? signer : withCertificate(signer, openpgp),
    warnings: [...(keyring?.warnings ?? []), ...warnings.map(({ message }) => message)],
  };
}

/** A private key and, where it is an OpenPGP one, the certificate that it belongs to. */
async function openKey(
  host: Host,
  bytes: Uint8Array,
  source: string | undefined,
): Promise<{ readonly key: KeyObject; readonly material?: OpenPgpMaterial | undefined }> {
  const passphrase = () => readPassphrase(source, host);
  if (!isOpenPgp(bytes)) return { key: await parsePrivateKey(bytes, passphrase) };
  const { parseOpenPgpSecretKey } = await import("../signers/openpgp-key.ts");
  return parseOpenPgpSecretKey(bytes, passphrase, host.now());
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
