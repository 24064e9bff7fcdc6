import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import type { Certificate } from "../model/certificate.ts";
import { asWrongUse, CountersignError } from "../model/errors.ts";
import type { Host } from "../platform/host.ts";
import type { PkiReport } from "../reports/pki-report.ts";
import type { PassphraseSource } from "../signers/private-key.ts";
import { parseCertificate } from "../trust/certificate.ts";
import { parseCertificationRequest } from "../trust/certification-request.ts";
import { CODE_SIGNING } from "../trust/extensions.ts";
import { issueCertificate } from "../trust/issue-certificate.ts";
import { publicKeyFrom } from "../trust/public-keys.ts";
import type { RequestedName } from "../trust/requested-names.ts";
import type { VerifierName } from "../trust/verifier-rules.ts";
import { checkPki } from "./pki-check.ts";
import {
  changeDatabase,
  instant,
  newSerial,
  openAuthorityKey,
  type PkiDatabase,
  type PkiRecord,
  readAuthorityCertificate,
  readDatabase,
  recordOf,
  shownRecord,
} from "./pki-folder.ts";
import { BACKDATED, demandPassphrase } from "./pki-init.ts";
import { type KeyType, makeKey } from "./pki-keys.ts";
import { keyText, writeLeaf } from "./pki-leaf-files.ts";

export interface PkiIssueOptions {
  readonly folder: string;
  /** What the leaf is called in the index and on disk. Verifiers never see it. */
  readonly name: string;
  /** RFC 4514; absent: the request's, else `CN=` and the name. */
  readonly subject?: string | undefined;
  readonly alternativeNames: readonly RequestedName[];
  /** OIDs beside codeSigning. */
  readonly purposes: readonly string[];
  /** Whose rules the leaf must keep. */
  readonly profiles: readonly VerifierName[];
  readonly keyType: KeyType;
  /** A certificate request, PEM or DER, of a key that is elsewhere; absent: a key is made. */
  readonly request?: Uint8Array | undefined;
  /** Milliseconds. */
  readonly lifetime: number;
  /** Encrypts the key that is made; undefined: it is written in the clear, as the caller asked for. */
  readonly leafPassphrase: PassphraseSource | undefined;
  /** Folder for what is written; absent: `issued/NAME` in the PKI's. */
  readonly out?: string | undefined;
  /** Addresses of the revocation list, written into the leaf. */
  readonly revocationLists: readonly string[];
  /** Of the intermediate's key. */
  readonly passphrase: PassphraseSource;
}

const DAY = 24 * 60 * 60 * 1000;
const nameGrammar = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * Issues a leaf from the intermediate and writes it with the chain files that verifiers want. It keeps the rules of every profile
 * asked for, or is not issued; it never outlives its issuers. In the index first, then on disk: what nobody could revoke
 * is never handed out.
 * @throws with exit status 2: E_USAGE, E_FILE_EXISTS, E_CONFIG_INVALID, the codes of keys, requests, passphrases and of the rules.
 */
export async function issueLeaf(host: Host, options: PkiIssueOptions): Promise<PkiReport> {
  const { folder, name } = options;
  if (!nameGrammar.test(name)) {
    throw new CountersignError("E_USAGE", `${JSON.stringify(name.slice(0, 80))} is no name for a leaf`, {
      hint: "write at most 64 letters, digits, dots, dashes and underscores, a letter or digit first",
    });
  }
  const out = options.out ?? join(folder, "issued", name);
  refuseTaken(await readDatabase(host, folder), name);
  if ((await host.files.list(out)).length > 0) {
    throw new CountersignError("E_FILE_EXISTS", `${out} is not empty`, { hint: "name another folder with --out" });
  }
  const root = await readAuthorityCertificate(host, folder, "root");
  const intermediate = await readAuthorityCertificate(host, folder, "intermediate");
  const { notBefore, notAfter } = validity(host.now(), options.lifetime, [intermediate, root]);
  const request = options.request === undefined ? undefined : parseCertificationRequest(options.request);
  const issuerKey = await openAuthorityKey(host, folder, "intermediate", intermediate, options.passphrase);
  const leafPassphrase =
    request !== undefined || options.leafPassphrase === undefined
      ? undefined
      : await demandPassphrase(options.leafPassphrase);
  const made = request === undefined ? await makeKey(options.keyType) : undefined;
  const publicKey = request?.publicKey ?? made?.publicKey;
  if (publicKey === undefined) throw new TypeError("neither a request nor a key");
  asWrongUse(() => publicKeyFrom(publicKey));
  const leaf = await certificateFor(publicKey, {
    ...options,
    subject: options.subject ?? request?.subject.der ?? `CN=${name}`,
    serial: newSerial(host),
    notBefore,
    notAfter,
    issuer: intermediate,
    issuerKey,
  });
  const warnings = holdToProfiles([leaf, intermediate, root], options.profiles, host.now());
  const asked = request?.alternativeNames ?? [];
  const granted = new Set(leaf.alternativeNames.map(({ value }) => value));
  for (const { type, value } of asked.filter((wanted) => !granted.has(wanted.value))) {
    warnings.push(`the request asks for the name ${type}:${value}, which --san does not grant`);
  }
  const issued = await changeDatabase(host, folder, async (before) => {
    refuseTaken(before, name);
    const result = recordOf(name, "intermediate", leaf);
    return { after: { ...before, certificates: [...before.certificates, result] }, result };
  });
  const key = made === undefined ? undefined : keyText(made.privateKey, leafPassphrase, host);
  const files = await writeLeaf(host, out, { leaf, intermediate, root, key, encrypted: leafPassphrase !== undefined });
  return {
    schemaVersion: 1,
    operation: "pki issue",
    folder,
    certificates: [shownRecord(issued)],
    files,
    warnings,
  };
}

function refuseTaken({ certificates }: PkiDatabase, name: string): void {
  const taken: PkiRecord | undefined = certificates.find((record) => record.name === name);
  if (taken !== undefined) {
    throw new CountersignError("E_FILE_EXISTS", `${name} was issued already, with serial ${taken.serial}`, {
      hint: `choose another name, ${name}-2 say, and the same --subject and --san: verifiers know a signer by those`,
    });
  }
  if (certificates.some((record) => record.name === "intermediate" && record.revoked !== null)) {
    throw new CountersignError("E_CONFIG_INVALID", "the intermediate is revoked: nothing it issues will be trusted", {
      hint: "make a new PKI with: countersign pki init",
    });
  }
}

function validity(now: Date, lifetime: number, issuers: readonly Certificate[]): { notBefore: Date; notAfter: Date } {
  const starts = issuers.map(({ notBefore }) => notBefore.getTime());
  const end = Math.min(...issuers.map(({ notAfter }) => notAfter.getTime()));
  const notAfter = new Date(now.getTime() + lifetime);
  if (notAfter.getTime() > end) {
    const left = Math.floor((end - now.getTime()) / DAY);
    throw new CountersignError(
      "E_USAGE",
      `a leaf to ${instant(notAfter)} would outlive its issuer, which ends at ${instant(new Date(end))}`,
      { hint: left > 0 ? `write --days ${left} or less` : "make a new PKI with: countersign pki init" },
    );
  }
  return { notBefore: new Date(Math.max(now.getTime() - BACKDATED, ...starts)), notAfter };
}

type Wanted = Pick<PkiIssueOptions, "alternativeNames" | "purposes" | "revocationLists"> & {
  readonly subject: string | Uint8Array;
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly issuer: Certificate;
  readonly issuerKey: KeyObject;
};

async function certificateFor(publicKey: KeyObject, wanted: Wanted): Promise<Certificate> {
  const { subject, serial, notBefore, notAfter, alternativeNames, revocationLists, issuer, issuerKey } = wanted;
  const der = await issueCertificate(
    {
      subject,
      publicKey,
      serial,
      notBefore,
      notAfter,
      keyUsage: ["digitalSignature"],
      extendedKeyUsage: [...new Set([CODE_SIGNING, ...wanted.purposes])],
      alternativeNames,
      revocationLists,
    },
    issuerKey,
    { certificate: issuer.der },
  );
  return parseCertificate(der);
}

/** What is not an error is a warning. @throws the first error, with its mend. */
function holdToProfiles(chain: readonly Certificate[], verifiers: readonly VerifierName[], at: Date): string[] {
  const report = checkPki({ certificates: chain, verifiers, at });
  for (const { name, findings } of report.verifiers) {
    const broken = findings.find(({ severity }) => severity === "error");
    if (broken === undefined) continue;
    throw new CountersignError("E_USAGE", `${name} would refuse this leaf: ${broken.message}`, {
      hint: mendOfFlags(broken.rule) ?? broken.mend,
    });
  }
  return report.verifiers.flatMap(({ name, findings }) => findings.map(({ message }) => `${name}: ${message}`));
}

/** The flags of `pki issue` that mend a rule. */
function mendOfFlags(rule: string): string | undefined {
  if (rule === "leaf-alternative-name") return "add --san uri:https://ci.example.com/release";
  if (rule === "leaf-email") return "add --san email:release@example.com";
  if (rule === "leaf-extended-key-usage") return "leave --eku out, or that profile";
  return undefined;
}
