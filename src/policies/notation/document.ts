import { z } from "zod";
import { CountersignError } from "../../model/errors.ts";
import { LIMITS } from "../../model/limits.ts";
import type { Enforcement } from "../../model/policy.ts";
import { parseStrictJson } from "../../model/strict-json.ts";
import { LEVELS, type Level } from "./levels.ts";
import { parseSubject } from "./subject.ts";

/** A trust policy document (trust-store-trust-policy.md, version 1.0), checked as its specification and notation check it. */
export interface NotationPolicy {
  readonly statements: readonly Statement[];
}

export interface Statement {
  readonly name: string;
  /** `*` alone, or repositories by their whole name. */
  readonly scopes: readonly string[];
  readonly level: Level;
  readonly override: Partial<Enforcement>;
  readonly verifyTimestamp: "always" | "afterCertExpiry";
  readonly stores: readonly StoreName[];
  /** Attributes of subjects, each a party whose signature counts; `*`: anybody under the stores. */
  readonly identities: "*" | readonly ReadonlyMap<string, string>[];
}

export const STORE_TYPES = ["ca", "signingAuthority", "tsa"] as const;
export type StoreType = (typeof STORE_TYPES)[number];

export interface StoreName {
  readonly type: StoreType;
  readonly name: string;
}

const action = z.enum(["enforce", "log"]);

/** Unknown members are passed over, as notation does: newer documents stay readable. What restricts is named in here. */
const schema = z.object({
  version: z.literal("1.0"),
  trustPolicies: z
    .array(
      z.object({
        name: z.string().min(1),
        registryScopes: z.array(z.string()).min(1),
        signatureVerification: z.object({
          level: z.enum(LEVELS),
          override: z
            .strictObject({
              integrity: z.never().optional(),
              authenticity: action.optional(),
              authenticTimestamp: action.optional(),
              expiry: action.optional(),
              revocation: z.enum(["enforce", "log", "skip"]).optional(),
            })
            .nullish(),
          verifyTimestamp: z.enum(["always", "afterCertExpiry", ""]).nullish(),
        }),
        trustStores: z.array(z.string()).nullish(),
        trustedIdentities: z.array(z.string()).nullish(),
      }),
    )
    .min(1)
    .max(LIMITS.policyStatements),
});

/** Whether a JSON document is meant as a trust policy of notation's, whatever else is wrong with it. */
export function isNotationPolicy(document: unknown): boolean {
  return typeof document === "object" && document !== null && "trustPolicies" in document;
}

/** @throws E_POLICY_INVALID naming the statement and what is wrong with it. */
export function parseNotationPolicy(bytes: Uint8Array): NotationPolicy {
  const document = parseStrictJson(bytes, {
    code: "E_POLICY_INVALID",
    maxDepth: 16,
    what: "the trust policy",
    hint: "write it as docs/notation-policy.md shows it",
  });
  const parsed = schema.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(`${issue?.path.join(".") || "the document"} is not as a trust policy has it: ${issue?.message}`);
  }
  const statements = parsed.data.trustPolicies.map(readStatement);
  refuseRepeated(
    statements.map(({ name }) => name),
    "the statement name",
  );
  refuseRepeated(
    statements.flatMap(({ scopes }) => scopes),
    "the scope",
  );
  return { statements };
}

type Written = z.infer<typeof schema>["trustPolicies"][number];

function readStatement(written: Written): Statement {
  const { name, registryScopes, signatureVerification: verification } = written;
  const refuse = (why: string) => invalid(`statement ${JSON.stringify(name.slice(0, 80))}: ${why}`);
  const stores = written.trustStores ?? [];
  const identities = written.trustedIdentities ?? [];
  const override = Object.fromEntries(
    Object.entries(verification.override ?? {}).filter(([, value]) => value !== undefined),
  ) as Partial<Enforcement>;
  if (verification.level === "skip") {
    if (stores.length > 0 || identities.length > 0) throw refuse("a level that skips has no stores and no identities");
    if (Object.keys(override).length > 0) throw refuse("the level skip cannot be overridden");
  } else if (stores.length === 0 || identities.length === 0) {
    throw refuse("it names no trust store, or no trusted identity");
  }
  if (registryScopes.length > 1 && registryScopes.includes("*")) throw refuse("the scope * stands alone");
  const wrong = registryScopes.find((scope) => scope !== "*" && !isScope(scope));
  if (wrong !== undefined) throw refuse(`${JSON.stringify(wrong.slice(0, 120))} is no whole repository name`);
  return {
    name,
    scopes: registryScopes,
    level: verification.level,
    override,
    verifyTimestamp: verification.verifyTimestamp || "always",
    stores: stores.map((text) => readStore(text, refuse)),
    identities: readIdentities(identities, refuse),
  };
}

const domain = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?$/;
const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

function isScope(scope: string): boolean {
  const [host = "", ...path] = scope.split("/");
  return scope.length <= 512 && path.length > 0 && domain.test(host) && path.every((part) => component.test(part));
}

function readStore(text: string, refuse: (why: string) => CountersignError): StoreName {
  const [, kind, name = ""] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  const type = STORE_TYPES.find((each) => each === kind);
  if (type !== undefined && /^[a-zA-Z0-9_.-]+$/.test(name) && name !== "." && name !== "..") return { type, name };
  throw refuse(
    `${JSON.stringify(text.slice(0, 120))} is no trust store: write ca:NAME, signingAuthority:NAME or tsa:NAME`,
  );
}

function readIdentities(texts: readonly string[], refuse: (why: string) => CountersignError): Statement["identities"] {
  if (texts.includes("*")) {
    if (texts.length > 1) throw refuse("the identity * stands alone");
    return "*";
  }
  const subjects = texts.map((text) => {
    const [, prefix, value = ""] = /^([^:]*):(.*)$/s.exec(text) ?? [];
    if (prefix === undefined)
      throw refuse(`the identity ${JSON.stringify(text.slice(0, 120))} has no kind before a colon`);
    if (prefix !== "x509.subject") {
      // For a plugin of the verifier's, which is not run: dropping it would leave fewer parties, but none the less named ones.
      throw refuse(`identities of the kind ${JSON.stringify(prefix.slice(0, 80))} are for plugins, which are not run`);
    }
    const subject = parseSubject(value.trim());
    if (typeof subject === "string") throw refuse(`the identity ${JSON.stringify(text.slice(0, 200))}: ${subject}`);
    return subject;
  });
  for (const [one, subject] of subjects.entries()) {
    const wider = subjects.findIndex(
      (other, at) => at !== one && [...subject].every(([key, value]) => other.get(key) === value),
    );
    if (wider >= 0) throw refuse(`the identities ${texts[one]} and ${texts[wider]} overlap`);
  }
  return subjects;
}

function refuseRepeated(names: readonly string[], what: string): void {
  const repeated = names.find((name, at) => names.indexOf(name) !== at);
  if (repeated !== undefined) throw invalid(`${what} ${JSON.stringify(repeated.slice(0, 120))} stands twice`);
}

function invalid(why: string): CountersignError {
  return new CountersignError("E_POLICY_INVALID", `the trust policy cannot be used: ${why}`, {
    hint: "mend the document: docs/notation-policy.md says what may stand where",
  });
}

/** The statement for a repository: the one that names it, else the one for all; undefined when none applies. */
export function statementFor({ statements }: NotationPolicy, repository: string): Statement | undefined {
  return (
    statements.find(({ scopes }) => scopes.includes(repository)) ??
    statements.find(({ scopes }) => scopes.includes("*"))
  );
}
