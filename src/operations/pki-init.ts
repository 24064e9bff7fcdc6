import { join } from "node:path";
import { CountersignError } from "../model/errors.ts";
import type { Host } from "../platform/host.ts";
import type { PkiReport } from "../reports/pki-report.ts";
import type { PassphraseSource } from "../signers/private-key.ts";
import { parseCertificate } from "../trust/certificate.ts";
import { encryptPrivateKey } from "../trust/encrypt-key.ts";
import { issueCertificate } from "../trust/issue-certificate.ts";
import { encodePem } from "../trust/pem.ts";
import { databaseText, halfMade, newSerial, PKI_FILES, recordOf, shownRecord } from "./pki-folder.ts";
import { type KeyType, makeKey } from "./pki-keys.ts";

const DAY = 24 * 60 * 60 * 1000;
/** Clocks of verifiers may be behind ours. */
export const BACKDATED = 60_000;

export interface PkiInitOptions {
  readonly folder: string;
  /** RFC 4514. */
  readonly rootSubject: string;
  readonly intermediateSubject: string;
  readonly keyType: KeyType;
  readonly rootDays: number;
  readonly intermediateDays: number;
  readonly passphrase: PassphraseSource;
}

/**
 * Makes a PKI in a folder that is absent or empty: a root (path length 1) and an intermediate (path length 0), their keys
 * encrypted, mode 0600, and the index of what is issued. The index is written last: a folder without it is half made, is said to
 * be, and nothing can be issued from it. Nothing is ever written over.
 * @throws E_FILE_EXISTS, E_CONFIG_INVALID for half a PKI, E_PASSPHRASE_REQUIRED, E_USAGE.
 */
export async function initPki(host: Host, options: PkiInitOptions): Promise<PkiReport> {
  const { folder, keyType, rootDays, intermediateDays } = options;
  await refuseUnlessEmpty(host, folder);
  if (intermediateDays > rootDays) {
    throw new CountersignError(
      "E_USAGE",
      `an intermediate of ${intermediateDays} days would outlive its root of ${rootDays}`,
      {
        hint: `write --intermediate-days ${rootDays} or less`,
      },
    );
  }
  if (options.rootSubject === options.intermediateSubject) {
    throw new CountersignError(
      "E_USAGE",
      "root and intermediate have one subject: verifiers would take each for the other",
      {
        hint: "give them different names",
      },
    );
  }
  const passphrase = await demandPassphrase(options.passphrase);
  const now = host.now().getTime();
  const authority = { keyUsage: ["keyCertSign", "cRLSign"] as const, notBefore: new Date(now - BACKDATED) };
  const [rootKey, intermediateKey] = await Promise.all([makeKey(keyType), makeKey(keyType)]);
  const rootDer = await issueCertificate(
    {
      ...authority,
      subject: options.rootSubject,
      publicKey: rootKey.publicKey,
      serial: newSerial(host),
      notAfter: new Date(now + rootDays * DAY),
      ca: { pathLength: 1 },
    },
    rootKey.privateKey,
  );
  const intermediateDer = await issueCertificate(
    {
      ...authority,
      subject: options.intermediateSubject,
      publicKey: intermediateKey.publicKey,
      serial: newSerial(host),
      notAfter: new Date(now + intermediateDays * DAY),
      ca: { pathLength: 0 },
    },
    rootKey.privateKey,
    { certificate: rootDer },
  );
  const records = [
    recordOf("root", "root", parseCertificate(rootDer)),
    recordOf("intermediate", "root", parseCertificate(intermediateDer)),
  ];
  const files = [
    {
      name: PKI_FILES.key("root"),
      text: encryptPrivateKey(rootKey.privateKey, passphrase, host.randomBytes),
      mode: 0o600,
      holds: "the root's key, encrypted: keep it offline, issuing does not need it",
    },
    {
      name: PKI_FILES.key("intermediate"),
      text: encryptPrivateKey(intermediateKey.privateKey, passphrase, host.randomBytes),
      mode: 0o600,
      holds: "the intermediate's key, encrypted: issues leaves",
    },
    { name: PKI_FILES.certificate("root"), text: pem(rootDer), mode: 0o644, holds: "what verifiers trust: --ca-roots" },
    { name: PKI_FILES.certificate("intermediate"), text: pem(intermediateDer), mode: 0o644, holds: "issues leaves" },
    {
      name: PKI_FILES.database,
      text: databaseText({
        schemaVersion: 1,
        certificates: records,
        revocationLists: { root: 0, intermediate: 0 },
      }),
      mode: 0o600,
      holds: "the index: what was issued and revoked; back it up",
    },
  ];
  // One after the other, the first of them claims the folder and the last makes it whole.
  for (const { name, text, mode } of files) {
    await host.files.write(join(folder, name), Buffer.from(text), { exclusive: true, mode });
  }
  return {
    schemaVersion: 1,
    operation: "pki init",
    folder,
    certificates: records.map(shownRecord),
    files: files.map(({ name, holds }) => ({ path: join(folder, name), holds })),
    warnings: [],
  };
}

async function refuseUnlessEmpty(host: Host, folder: string): Promise<void> {
  const names = await host.files.list(folder);
  if (names.length === 0) return;
  if (names.includes(PKI_FILES.key("root")) && !names.includes(PKI_FILES.database)) throw halfMade(folder);
  const what = names.includes(PKI_FILES.database) ? "holds a PKI already" : "is not empty";
  throw new CountersignError("E_FILE_EXISTS", `${folder} ${what}`, { hint: "name a folder that is not there yet" });
}

/** @throws E_PASSPHRASE_REQUIRED also for an empty one: an authority's key is not kept in the clear. */
export async function demandPassphrase(source: PassphraseSource): Promise<Uint8Array> {
  const passphrase = await source();
  if (passphrase !== undefined && passphrase.length > 0) return passphrase;
  throw new CountersignError("E_PASSPHRASE_REQUIRED", "no passphrase was given to encrypt the keys with", {
    hint: "add --passphrase env://NAME or --passphrase FILE",
  });
}

export function pem(der: Uint8Array): string {
  return encodePem("CERTIFICATE", der);
}
