import { createHash } from "node:crypto";
import path from "node:path";
import type { Certificate } from "../model/certificate.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Requirement, RevocationCheck, Trust } from "../model/policy.ts";
import type { Reference } from "../oci/reference.ts";
import type { Host } from "../platform/host.ts";
import { parseNotationPolicy, type StoreName, statementFor } from "../policies/notation/document.ts";
import { requirementOf } from "../policies/notation/requirement.ts";
import { parseCertificates } from "../trust/certificate.ts";
import { isSelfSigned } from "../trust/path-building.ts";
import type { RequirementByRepository } from "./verify.ts";

export interface NotationPolicySource {
  /** The trust policy document. */
  readonly policy: string;
  /** The folder that holds `x509/TYPE/NAME/`. */
  readonly trustStore: string;
  /** The scope of images in layout folders, which name no registry. */
  readonly scope?: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  readonly revocation?: RevocationCheck | undefined;
  readonly compat?: Trust["compat"];
}

/**
 * A Notary trust policy with the trust stores that it names, all read before the first request and nothing written.
 * @throws with exit status 2: E_POLICY_INVALID, E_FILE_UNREADABLE, E_CERTIFICATE_INVALID, E_CERTIFICATE_CONSTRAINT.
 */
export async function loadNotationPolicy(host: Host, source: NotationPolicySource): Promise<RequirementByRepository> {
  const bytes = await host.files.read(source.policy, LIMITS.policy);
  const policy = parseNotationPolicy(bytes);
  const named = new Map(policy.statements.flatMap(({ stores }) => stores.map((store) => [keyOf(store), store])));
  const stores = new Map(
    await Promise.all(
      [...named].map(async ([key, store]) => [key, await readStore(host, source.trustStore, store)] as const),
    ),
  );
  const { annotations, revocation, compat } = source;
  const trust = { contents: (store: StoreName) => stores.get(keyOf(store)) ?? [], annotations, revocation, compat };
  const requirements = new Map<string, Requirement | "skip">(
    policy.statements.map((statement) => [statement.name, requirementOf(statement, trust) ?? "skip"]),
  );
  return {
    requirementFor(reference) {
      const statement = statementFor(policy, scopeOf(reference, source.scope));
      return statement && requirements.get(statement.name);
    },
    policies: [
      { kind: "notation", path: source.policy, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` },
    ],
  };
}

function keyOf({ type, name }: StoreName): string {
  return `${type}:${name}`;
}

function scopeOf(reference: Reference, scope: string | undefined): string {
  return reference.kind === "layout" ? (scope ?? "") : reference.name;
}

/** notation's own rules for what may stand in a store (trust-store-trust-policy.md, "Trust store"). */
async function readStore(host: Host, folder: string, store: StoreName): Promise<readonly Certificate[]> {
  const place = path.join(folder, "x509", store.type, store.name);
  await refuseLink(host, store, place);
  const names = [...(await host.files.list(place))].sort();
  if (names.length === 0) throw refused(store, `there is no certificate in ${place}`);
  if (names.length > LIMITS.storeFiles) throw refused(store, `${place} holds more than ${LIMITS.storeFiles} files`);
  const read = await Promise.all(
    names.map(async (name) => {
      const file = path.join(place, name);
      await refuseLink(host, store, file);
      const certificates = parseNamed(file, await host.files.read(file, LIMITS.certificateFile));
      const stray = certificates.find((certificate) => !mayStand(store, certificate));
      if (stray !== undefined) throw refused(store, `${file}: ${stray.subject.text} is ${wanted(store)}`);
      return certificates;
    }),
  );
  return read.flat();
}

async function refuseLink(host: Host, store: StoreName, place: string): Promise<void> {
  if (await host.files.isLink(place)) throw refused(store, `${place} is a symbolic link`);
}

function mayStand({ type }: StoreName, certificate: Certificate): boolean {
  if (type === "tsa") return isSelfSigned(certificate) && certificate.basicConstraints?.ca === true;
  return certificate.basicConstraints?.ca === true || isSelfSigned(certificate);
}

function wanted({ type }: StoreName): string {
  return type === "tsa" ? "no root certificate" : "neither a certificate authority's nor signed by itself";
}

function parseNamed(file: string, bytes: Uint8Array): readonly Certificate[] {
  try {
    return parseCertificates(bytes);
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    throw new CountersignError(error.code, `${file}: ${error.message}`, { hint: error.hint, cause: error, exit: 2 });
  }
}

function refused(store: StoreName, why: string): CountersignError {
  return new CountersignError("E_POLICY_INVALID", `the trust store ${keyOf(store)} cannot be used: ${why}`, {
    hint: "keep certificates alone under --trust-store, as x509/TYPE/NAME/FILE, none of them a link",
  });
}
