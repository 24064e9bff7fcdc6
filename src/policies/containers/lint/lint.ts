import { isCountersignError } from "../../../model/errors.ts";
import { type ContainersPolicy, parseContainersPolicy } from "../document.ts";
import { listsOf } from "../sources.ts";
import type { Consumer } from "./consumers.ts";
import { type LintFinding, placeOf } from "./finding.ts";
import { lintRequirements } from "./requirements.ts";
import { lintScope, lintTransport } from "./scopes.ts";
import { lintVersions } from "./versions.ts";

/** What can be said of a policy.json without looking at anything else; `policy` is absent where no consumer takes the document. */
export interface DocumentLint {
  readonly policy?: ContainersPolicy | undefined;
  readonly findings: readonly LintFinding[];
}

export function lintDocument(bytes: Uint8Array, consumers: readonly Consumer[]): DocumentLint {
  let policy: ContainersPolicy;
  try {
    policy = parseContainersPolicy(bytes);
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    const { message, hint = "mend the document" } = error;
    const finding = { severity: "error", rule: "document", consumer: null, place: "", message, mend: hint } as const;
    return { findings: [finding] };
  }
  // As it is written: a policy that was read no longer says by which member a key was named.
  const document = JSON.parse(Buffer.from(bytes).toString("utf8")) as unknown;
  const findings = [
    ...[...policy.transports.keys()].flatMap(lintTransport),
    ...listsOf(policy).flatMap(({ transport, scope, requirements }) => {
      const place = placeOf(transport, scope);
      const written = writtenAt(
        document,
        transport === undefined ? ["default"] : ["transports", transport, scope ?? ""],
      );
      return [
        ...(transport === undefined ? [] : lintScope(transport, scope ?? "", consumers)),
        ...requirements.flatMap((_, at) =>
          lintVersions(writtenAt(written, [String(at)]), `${place}[${at}]`, consumers),
        ),
        ...lintRequirements(requirements, place, consumers),
      ];
    }),
  ];
  return { policy, findings };
}

function writtenAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, name) => {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
    return Reflect.get(at, name) as unknown;
  }, value);
}
