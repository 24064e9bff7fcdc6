/** What `policy lint` has to say of a policy.json, or of the files beside it. */
export interface LintFinding {
  /** error: the consumer refuses the whole document, and so every image, whatever its scope. */
  readonly severity: "error" | "warning";
  readonly rule: LintRule;
  /** Whom it is about; null: everybody. */
  readonly consumer: string | null;
  /** Where it stands: `transports.docker["registry.example.com"][0].keyPath`. */
  readonly place: string;
  readonly message: string;
  readonly mend: string;
}

export const LINT_RULES = [
  "document",
  "unknown-member",
  "scope-never-matches",
  "scope-narrower",
  "transport-unknown",
  "requirement-idle",
  "always-refuses",
  "not-verified-here",
  "accepts-anything",
  "key-unreadable",
  "key-relative",
  "key-unusable",
  "key-expired",
  "key-subkey",
  "registries-d",
] as const;
export type LintRule = (typeof LINT_RULES)[number];

/** A place in a policy, as findings name it. */
export function placeOf(transport: string | undefined, scope: string | undefined): string {
  return transport === undefined ? "default" : `transports.${transport}[${JSON.stringify(scope)}]`;
}
