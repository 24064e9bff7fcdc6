import { ALGORITHMS } from "../../model/algorithm.ts";
import type { Certificate } from "../../model/certificate.ts";
import type { Authority, IdentityRule, Requirement, RevocationCheck, Trust } from "../../model/policy.ts";
import type { Statement, StoreName, StoreType } from "./document.ts";
import { enforcementOf, validationOf } from "./levels.ts";

/** The certificates of a store. */
export type StoreContents = (store: StoreName) => readonly Certificate[];

export interface NotationTrust {
  readonly contents: StoreContents;
  /** Asks about revocation as notation does; absent: nobody can be asked. */
  readonly revocation?: RevocationCheck | undefined;
  /** Annotations that must be signed beside. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly compat?: Trust["compat"];
}

/**
 * What must hold under a statement: an authority for its `ca` stores and one for its `signingAuthority` stores, either of which is
 * enough; undefined when the statement skips verification.
 */
export function requirementOf(statement: Statement, trust: NotationTrust): Requirement | undefined {
  const { level } = statement;
  if (level === "skip") return undefined;
  const enforcement = enforcementOf(level, statement.override);
  const identities: readonly IdentityRule[] =
    statement.identities === "*" ? [] : statement.identities.map((subjectAttributes) => ({ subjectAttributes }));
  const anchorsOf = (type: StoreType) =>
    statement.stores.filter((store) => store.type === type).flatMap((store) => trust.contents(store));
  const stampers = anchorsOf("tsa");
  const authorityOf = (type: "ca" | "signingAuthority"): Authority => ({
    name: `${statement.name} (${type})`,
    trust: {
      keys: [],
      anchors: anchorsOf(type),
      intermediates: [],
      allowedAlgorithms: ALGORITHMS,
      compat: trust.compat,
      // A certificate in a store is trusted as it is, a self-signed signer's too.
      allowLeafAnchor: true,
      signingAuthorities: type === "signingAuthority",
      revocation: revocationOf(type, enforcement.revocation === "skip", trust.revocation),
      timestamps:
        type === "ca" && stampers.length > 0
          ? {
              anchors: stampers,
              intermediates: [],
              required: true,
              when: statement.verifyTimestamp === "always" ? "always" : "after-expiry",
            }
          : undefined,
    },
    identities,
    annotations: trust.annotations,
    reference: "none",
    formats: ["notation", "notation-cose"],
    enforcement: { actions: enforcement, validationOf },
  });
  const named = (["ca", "signingAuthority"] as const).filter((type) =>
    statement.stores.some((store) => store.type === type),
  );
  const authorities = named.map((type) => ({ authority: authorityOf(type) }));
  const [only] = authorities;
  return only !== undefined && authorities.length === 1 ? only : { any: authorities };
}

/**
 * Of the two times, notation lets only a signing authority's stand against a revocation, never a time stamp; and a policy cannot
 * switch off the check of time-stamping authorities (notation-go verifier.go).
 */
function revocationOf(
  type: "ca" | "signingAuthority",
  skip: boolean,
  check: RevocationCheck | undefined,
): Trust["revocation"] {
  if (check === undefined) return undefined;
  return async (path, context) => {
    if (skip && context.of === "signer") return { reasons: [], statuses: [] };
    return check(path, type === "ca" ? { of: context.of } : context);
  };
}
