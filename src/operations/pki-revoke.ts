import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import type { Certificate } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import type { Host } from "../platform/host.ts";
import type { PkiReport } from "../reports/pki-report.ts";
import type { PassphraseSource } from "../signers/private-key.ts";
import { issueRevocationList, type RevocationReason } from "../trust/issue-crl.ts";
import { encodePem } from "../trust/pem.ts";
import {
  type AuthorityName,
  changeDatabase,
  instant,
  openAuthorityKey,
  PKI_FILES,
  type PkiDatabase,
  readAuthorityCertificate,
  readDatabase,
  shownRecord,
} from "./pki-folder.ts";

const DAY = 24 * 60 * 60 * 1000;

/**
 * Marks a certificate as revoked in the index, by name or serial (hex, colons allowed). Nobody else knows before the next
 * list is made and published. A certificate revoked before keeps its time and reason.
 * @throws E_USAGE for one that was never issued here, or the root.
 */
export async function revokeCertificate(
  host: Host,
  options: { readonly folder: string; readonly which: string; readonly reason: RevocationReason },
): Promise<PkiReport> {
  const { folder, which, reason } = options;
  const serial = which.replaceAll(":", "").toLowerCase();
  const at = instant(host.now());
  const { record, again } = await changeDatabase(host, folder, async (before) => {
    const found = before.certificates.find((each) => each.name === which || each.serial === serial);
    if (found === undefined) {
      throw new CountersignError("E_USAGE", `nothing was issued as ${JSON.stringify(which.slice(0, 80))} here`, {
        hint: `name a leaf or a serial of ${join(folder, PKI_FILES.database)}`,
      });
    }
    if (found.name === "root") {
      throw new CountersignError("E_USAGE", "a root cannot revoke itself", {
        hint: "take root.pem away from every verifier: trust in a root ends there",
      });
    }
    if (found.revoked !== null) return { after: before, result: { record: found, again: true } };
    const revoked = { ...found, revoked: { at, reason } };
    const certificates = before.certificates.map((each) => (each === found ? revoked : each));
    return { after: { ...before, certificates }, result: { record: revoked, again: false } };
  });
  const next = `publish it with: countersign pki crl ${folder} --passphrase env://NAME`;
  return {
    schemaVersion: 1,
    operation: "pki revoke",
    folder,
    certificates: [shownRecord(record)],
    files: [],
    warnings: again ? ["it was revoked before; its time and reason stay as they were"] : [next],
  };
}

/**
 * Makes the revocation lists of both authorities, each with the next number, in PEM and in DER. Where the root's key is kept
 * elsewhere its list is left out with a warning.
 * @throws the codes of keys and passphrases.
 */
export async function makeRevocationLists(
  host: Host,
  options: { readonly folder: string; readonly days: number; readonly passphrase: PassphraseSource },
): Promise<PkiReport> {
  const { folder, days } = options;
  await readDatabase(host, folder);
  const warnings: string[] = [];
  const lists: { authority: AuthorityName; issuer: Certificate; key: KeyObject }[] = [];
  for (const authority of ["root", "intermediate"] as const) {
    if (authority === "root" && !(await host.files.exists(join(folder, PKI_FILES.key("root"))))) {
      warnings.push("root.key is not here: make the root's list where it is");
      continue;
    }
    const issuer = await readAuthorityCertificate(host, folder, authority);
    lists.push({ authority, issuer, key: await openAuthorityKey(host, folder, authority, issuer, options.passphrase) });
  }
  // Numbers are taken in the index before a list goes out: two lists of one number would contradict each other.
  const database = await changeDatabase(host, folder, async (before) => {
    const revocationLists = { ...before.revocationLists };
    for (const { authority } of lists) revocationLists[authority] += 1;
    const after = { ...before, revocationLists };
    return { after, result: after };
  });
  const now = host.now();
  const files: PkiReport["files"] = [];
  for (const { authority, issuer, key } of lists) {
    const nextUpdate = new Date(now.getTime() + days * DAY);
    const revoked = revokedBy(database, authority);
    const number = database.revocationLists[authority];
    const der = issueRevocationList({ issuer, number, thisUpdate: now, nextUpdate, revoked }, key);
    const path = join(folder, "crl", `${authority}.crl`);
    await host.files.write(path, der, { mode: 0o644 });
    await host.files.write(`${path}.pem`, Buffer.from(encodePem("X509 CRL", der)), { mode: 0o644 });
    const holds = `number ${number}, ${revoked.length} revoked, good to ${instant(nextUpdate)}`;
    files.push({ path, holds: `DER, to publish: ${holds}` }, { path: `${path}.pem`, holds: "the same in PEM" });
  }
  const certificates = database.certificates.filter(({ revoked }) => revoked !== null).map(shownRecord);
  return { schemaVersion: 1, operation: "pki crl", folder, certificates, files, warnings };
}

function revokedBy({ certificates }: PkiDatabase, authority: AuthorityName) {
  return certificates.flatMap(({ serial, issuer, revoked }) =>
    issuer === authority && revoked !== null ? [{ serial, at: new Date(revoked.at), reason: revoked.reason }] : [],
  );
}
