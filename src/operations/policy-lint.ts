import { createHash } from "node:crypto";
import path from "node:path";
import { asCountersignError, isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { OpenPgpCertificate } from "../model/openpgp.ts";
import type { Host } from "../platform/host.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { ContainersPolicy } from "../policies/containers/document.ts";
import { parsePolicyCertificates, parsePolicyKey } from "../policies/containers/key-files.ts";
import { type Consumer, isSince } from "../policies/containers/lint/consumers.ts";
import { type LintFinding, placeOf } from "../policies/containers/lint/finding.ts";
import { lintDocument } from "../policies/containers/lint/lint.ts";
import type { Source } from "../policies/containers/members.ts";
import { listsOf, sourcesOfOne } from "../policies/containers/sources.ts";
import type { PolicyLintReport } from "../reports/policy-report.ts";
import type { RegistriesFile } from "../stores/registries-d-files.ts";
import { lintRegistriesD } from "./registries-d-lint.ts";

export interface PolicyLintRequest {
  readonly file: string;
  readonly consumers: readonly Consumer[];
  /** The files of registries.d beside it, if they shall be looked at too. */
  readonly registriesD?: readonly RegistriesFile[] | undefined;
}

/**
 * Says what consumers make of a policy.json: who refuses it whole, which scopes and requirements never count, which keys cannot be used,
 * and what in the registries.d beside it nobody reads.
 * @throws with exit status 2: E_FILE_UNREADABLE, E_FILE_TOO_LARGE for the policy itself.
 */
export async function lintPolicy(
  host: Host,
  { file, consumers, registriesD }: PolicyLintRequest,
): Promise<PolicyLintReport> {
  const bytes = await host.files.read(file, LIMITS.policy);
  const { policy, findings } = lintDocument(bytes, consumers);
  const all = [
    ...findings,
    ...(policy === undefined ? [] : await lintKeys(host, policy, consumers)),
    ...(registriesD === undefined ? [] : await lintRegistriesD(registriesD, consumers)),
  ];
  const refusing = (name: string) =>
    all.some(({ severity, consumer }) => severity === "error" && (consumer === null || consumer === name));
  const judged = consumers.map(({ name, library }) => ({
    name,
    library: library.join("."),
    accepted: !refusing(name),
  }));
  return {
    schemaVersion: 1,
    operation: "policy lint",
    policy: { path: file, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` },
    accepted: policy !== undefined && judged.every(({ accepted }) => accepted),
    consumers: judged,
    findings: all.map((finding) => ({ ...finding })),
    warnings: [],
  };
}

type Parse = (bytes: Uint8Array, place: string) => Promise<readonly LintFinding[]>;

/** What is wrong with the keys that a policy names, each where it stands. */
async function lintKeys(
  host: Host,
  policy: ContainersPolicy,
  consumers: readonly Consumer[],
): Promise<readonly LintFinding[]> {
  const parsers: readonly (readonly [name: "openpgp" | "publicKeys" | "certificates", parse: Parse])[] = [
    ["openpgp", (bytes, place) => lintOpenPgp(bytes, place, host.now(), consumers)],
    ["publicKeys", async (bytes) => lintPublicKey(bytes)],
    ["certificates", async (bytes, place) => lintCertificates(bytes, place, host.now())],
  ];
  const work = listsOf(policy).flatMap(({ transport, scope, requirements }) =>
    requirements.flatMap((requirement, at) => {
      const sources = sourcesOfOne(requirement);
      const place = `${placeOf(transport, scope)}[${at}]`;
      return parsers.flatMap(([name, parse]) => (sources[name] ?? []).map((source) => ({ source, place, parse })));
    }),
  );
  const found = await mapConcurrently(work, 16, ({ source, place, parse }) => lintKey(host, source, place, parse));
  return found.flat();
}

async function lintKey(host: Host, source: Source, place: string, parse: Parse): Promise<readonly LintFinding[]> {
  const warning = { severity: "warning", consumer: null, place } as const;
  if ("data" in source) return parsed(source.data, place, "the key in the document", parse);
  const relative: readonly LintFinding[] = path.isAbsolute(source.path)
    ? []
    : [
        {
          ...warning,
          rule: "key-relative",
          message: `${JSON.stringify(source.path)} is looked for in the folder that a consumer happens to run in`,
          mend: "write an absolute path",
        },
      ];
  let bytes: Uint8Array;
  try {
    bytes = await host.files.read(source.path, LIMITS.certificateFile);
  } catch (error) {
    const { message } = asCountersignError(error);
    const told = `${message}; on a machine without that file every image here is refused, by another key of the list too`;
    return [
      ...relative,
      {
        ...warning,
        rule: "key-unreadable",
        message: told,
        mend: "put the file there, or write the key into the document",
      },
    ];
  }
  return [...relative, ...(await parsed(bytes, place, source.path, parse))];
}

async function parsed(bytes: Uint8Array, place: string, what: string, parse: Parse): Promise<readonly LintFinding[]> {
  try {
    return await parse(bytes, place);
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    const { message, hint = "export it again" } = error;
    return [
      { severity: "warning", rule: "key-unusable", consumer: null, place, message: `${what}: ${message}`, mend: hint },
    ];
  }
}

async function lintOpenPgp(
  bytes: Uint8Array,
  place: string,
  at: Date,
  consumers: readonly Consumer[],
): Promise<readonly LintFinding[]> {
  const { parseKeyring } = await import("../trust/openpgp/keyring.ts");
  const { certificates, warnings } = await parseKeyring(bytes, at);
  return [
    ...warnings.map(
      (message): LintFinding => ({
        severity: "warning",
        rule: "key-unusable",
        consumer: null,
        place,
        message,
        mend: "export a key of another kind, or remove it",
      }),
    ),
    ...certificates.flatMap((certificate) => lintOpenPgpCertificate(certificate, place, at, consumers)),
  ];
}

/** The first containers/image that takes a signing subkey's signature for its primary key's. */
const SUBKEYS = "5.37.0";

function lintOpenPgpCertificate(
  { fingerprint, keys }: OpenPgpCertificate,
  place: string,
  at: Date,
  consumers: readonly Consumer[],
): readonly LintFinding[] {
  const warning = { severity: "warning", consumer: null, place } as const;
  const usable = keys.filter(({ revoked, expiresAt }) => !revoked && (expiresAt === undefined || expiresAt > at));
  if (usable.length === 0) {
    const message = `the key ${fingerprint} has expired, is revoked, or cannot sign: no signature by it counts`;
    return [
      {
        ...warning,
        rule: "key-expired",
        message,
        mend: "export it with its new date, or name the key that took its place",
      },
    ];
  }
  if (!usable.some(({ primary }) => !primary)) return [];
  return consumers
    .filter((consumer) => !isSince(consumer, SUBKEYS))
    .map(({ name }) => ({
      ...warning,
      rule: "key-subkey",
      consumer: name,
      message: `the key ${fingerprint} has a signing subkey, which gpg signs with unless told; ${name} refuses signatures by subkeys`,
      mend: `sign with the primary key: countersign does, gpg does with --local-user ${fingerprint}!`,
    }));
}

/** @throws E_KEY_INVALID, E_KEY_UNSUPPORTED, E_KEY_WEAK. */
function lintPublicKey(bytes: Uint8Array): readonly LintFinding[] {
  parsePolicyKey(bytes);
  return [];
}

function lintCertificates(bytes: Uint8Array, place: string, at: Date): readonly LintFinding[] {
  return parsePolicyCertificates(bytes)
    .filter(({ notAfter }) => notAfter < at)
    .map(({ subject, notAfter }) => ({
      severity: "warning",
      rule: "key-expired",
      consumer: null,
      place,
      message: `the certificate ${JSON.stringify(subject.text.slice(0, 200))} expired at ${notAfter.toISOString()}`,
      mend: "put the one that took its place there",
    }));
}
