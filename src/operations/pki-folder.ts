import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import type { Certificate } from "../model/certificate.ts";
import { asWrongUse, CountersignError, isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { parseStrictJson } from "../model/strict-json.ts";
import { createLock } from "../oci/layout-lock.ts";
import type { Host } from "../platform/host.ts";
import type { PkiCertificate } from "../reports/pki-report.ts";
import { type PassphraseSource, parsePrivateKey } from "../signers/private-key.ts";
import { parseCertificates } from "../trust/certificate.ts";
import { REVOCATION_REASONS, type RevocationReason } from "../trust/issue-crl.ts";
import { encodePem } from "../trust/pem.ts";
import { publicKeyFrom } from "../trust/public-keys.ts";

/** The two authorities of a folder. */
export type AuthorityName = "root" | "intermediate";

const reasons = Object.keys(REVOCATION_REASONS).filter((name): name is RevocationReason => name in REVOCATION_REASONS);

const record = z.strictObject({
  name: z.string(),
  issuer: z.enum(["root", "intermediate"]),
  serial: z.string().regex(/^[0-9a-f]{2,40}$/),
  /** PEM: all that is known of it follows from here. */
  certificate: z.string(),
  revoked: z.strictObject({ at: z.iso.datetime(), reason: z.enum(reasons) }).nullable(),
});

const database = z.strictObject({
  schemaVersion: z.literal(1),
  certificates: z.array(record).max(100_000),
  /** Of the last revocation list of each authority; 0 before the first. */
  revocationLists: z.strictObject({ root: z.int().min(0), intermediate: z.int().min(0) }),
});

export type PkiRecord = z.infer<typeof record>;
export type PkiDatabase = z.infer<typeof database>;

/** Names inside the folder, each said once. */
export const PKI_FILES = {
  database: "pki.json",
  lock: "pki.lock",
  key: (authority: AuthorityName) => `${authority}.key`,
  certificate: (authority: AuthorityName) => `${authority}.pem`,
} as const;

const DATABASE_SIZE = 64 * 1024 * 1024;

/**
 * The index of a PKI folder.
 * @throws E_CONFIG_INVALID when the folder holds none, half of one, or one that is damaged.
 */
export async function readDatabase(host: Host, folder: string): Promise<PkiDatabase> {
  const path = join(folder, PKI_FILES.database);
  const read = await host.files.read(path, DATABASE_SIZE).catch(async (error: unknown) => {
    if (!isCountersignError(error) || (await host.files.exists(path))) throw error;
    throw await noPki(host, folder);
  });
  const parsed = database.safeParse(parseStrictJson(read, { code: "E_CONFIG_INVALID", what: path }));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CountersignError("E_CONFIG_INVALID", `${path} is damaged at ${issue?.path.join(".")}: ${issue?.message}`, {
    hint: "put it back from a backup: without it nobody knows what was issued",
  });
}

async function noPki(host: Host, folder: string): Promise<CountersignError> {
  if (await host.files.exists(join(folder, PKI_FILES.key("root")))) return halfMade(folder);
  return new CountersignError("E_CONFIG_INVALID", `${folder} holds no PKI: ${PKI_FILES.database} is not there`, {
    hint: `make one with: countersign pki init ${folder} --passphrase env://NAME`,
  });
}

/** A run that was ended between the first file and the last; nothing was issued from it. */
export function halfMade(folder: string): CountersignError {
  return new CountersignError("E_CONFIG_INVALID", `${folder} holds half a PKI: a run was ended while it made it`, {
    hint: "remove the folder, nothing was issued from it, and run countersign pki init again",
  });
}

/** Runs `change` alone, over the index as it is, and keeps what it returns, whole or not at all. */
export async function changeDatabase<T>(
  host: Host,
  folder: string,
  change: (before: PkiDatabase) => Promise<{ readonly after: PkiDatabase; readonly result: T }>,
): Promise<T> {
  await readDatabase(host, folder);
  return createLock(
    host,
    join(folder, PKI_FILES.lock),
  )(async () => {
    const { after, result } = await change(await readDatabase(host, folder));
    await host.files.write(join(folder, PKI_FILES.database), Buffer.from(databaseText(after)), { mode: 0o600 });
    return result;
  });
}

export function databaseText(content: PkiDatabase): string {
  return `${JSON.stringify(content, null, 2)}\n`;
}

export function recordOf(name: string, issuer: AuthorityName, certificate: Certificate): PkiRecord {
  return {
    name,
    issuer,
    serial: certificate.serial,
    certificate: encodePem("CERTIFICATE", certificate.der),
    revoked: null,
  };
}

/** A certificate of the index as reports show it. */
export function shownRecord({ name, certificate, revoked }: PkiRecord): PkiCertificate {
  const [parsed] = parseCertificates(Buffer.from(certificate));
  if (parsed === undefined) throw new TypeError("a record without certificate");
  return { name, ...shownCertificate(parsed), revoked };
}

export function shownCertificate(certificate: Certificate): Omit<PkiCertificate, "name" | "revoked"> {
  return {
    serial: certificate.serial,
    subject: certificate.subject.text,
    sans: certificate.alternativeNames.map(({ type, value }) => `${type}:${value}`),
    notBefore: instant(certificate.notBefore),
    notAfter: instant(certificate.notAfter),
    fingerprint: certificate.fingerprint,
  };
}

/** RFC 3339 in whole seconds. */
export function instant(at: Date): string {
  return at.toISOString().replace(/\.\d+Z$/, "Z");
}

export async function readAuthorityCertificate(
  host: Host,
  folder: string,
  authority: AuthorityName,
): Promise<Certificate> {
  const path = join(folder, PKI_FILES.certificate(authority));
  const bytes = await host.files.read(path, LIMITS.certificateFile);
  const [certificate, ...others] = asWrongUse(() => parseCertificates(bytes));
  if (certificate !== undefined && others.length === 0) return certificate;
  throw new CountersignError("E_CONFIG_INVALID", `${path} holds ${others.length + 1} certificates, where one belongs`, {
    hint: "put it back from a backup",
  });
}

/**
 * An authority's private key, held against its certificate.
 * @throws E_PASSPHRASE_REQUIRED, E_PASSPHRASE_WRONG, E_FILE_UNREADABLE, E_CERTIFICATE_KEY_MISMATCH.
 */
export async function openAuthorityKey(
  host: Host,
  folder: string,
  authority: AuthorityName,
  certificate: Certificate,
  passphrase: PassphraseSource,
): Promise<KeyObject> {
  const path = join(folder, PKI_FILES.key(authority));
  const key = await parsePrivateKey(await host.files.read(path, LIMITS.keyFile), passphrase);
  if (Buffer.compare(publicKeyFrom(key).spki, certificate.spki) === 0) return key;
  throw new CountersignError("E_CERTIFICATE_KEY_MISMATCH", `${path} is not the key of ${authority}.pem`, {
    exit: 2,
    hint: "put both back from one backup",
  });
}

/** A serial of 128 bits: positive, never short, 126 of them random (RFC 5280 4.1.2.2). Hex. */
export function newSerial(host: Host): string {
  const bytes = Buffer.from(host.randomBytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}
