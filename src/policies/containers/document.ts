import { createHash } from "node:crypto";
import { CountersignError } from "../../model/errors.ts";
import { anyObject, listOf, readShape, type Shape, Unfit } from "../../model/shape.ts";
import { parseStrictJson } from "../../model/strict-json.ts";
import { members } from "./members.ts";
import { type PolicyRequirement, readRequirement } from "./policy-requirement.ts";
import { faultOfScope } from "./transports.ts";

/** A policy.json (containers-policy.json(5)), read as strictly as containers/image 5.39 reads it. */
export interface ContainersPolicy {
  readonly default: Requirements;
  /** By transport, then by scope; the empty scope is all of the transport. */
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, Requirements>>;
  /** `sha256:` and hex, of the document's bytes. */
  readonly digest: string;
}

/** All must hold; never empty. */
export type Requirements = readonly PolicyRequirement[];

const requirements: Shape<Requirements> = listOf(readRequirement, 1);

/** Whether a JSON document is meant as a policy.json, whatever else is wrong with it. */
export function isContainersPolicy(document: unknown): boolean {
  return typeof document === "object" && document !== null && ("default" in document || "transports" in document);
}

/**
 * Reads a policy.json. One member that is unknown, repeated or unfit refuses the whole document, as there.
 * @throws E_POLICY_INVALID naming the place and what is wrong there.
 */
export function parseContainersPolicy(bytes: Uint8Array): ContainersPolicy {
  const document = parseStrictJson(bytes, {
    code: "E_POLICY_INVALID",
    maxDepth: 16,
    what: "the policy",
    hint: "write it as docs/containers-policy.md shows it",
  });
  const read = readShape(policyDocument, document);
  if ("unfit" in read) throw invalid(read.unfit);
  return { ...read.value, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` };
}

const policyDocument: Shape<Omit<ContainersPolicy, "digest">> = (value, path) => {
  const given = members(value, path, ["default", "transports"]);
  if (!Object.hasOwn(given, "default")) throw new Unfit([...path, "default"], "missing");
  return {
    default: requirements(given["default"], [...path, "default"]),
    transports: Object.hasOwn(given, "transports")
      ? transports(given["transports"], [...path, "transports"])
      : new Map(),
  };
};

const transports: Shape<ContainersPolicy["transports"]> = (value, path) =>
  new Map(
    Object.entries(anyObject(value, path)).map(([transport, scopes]) => [
      transport,
      new Map(
        Object.entries(anyObject(scopes, [...path, transport])).map(([scope, list]) => {
          const place = [...path, transport, JSON.stringify(scope)];
          const fault = faultOfScope(transport, scope);
          if (fault !== undefined) throw new Unfit(place, fault);
          return [scope, requirements(list, place)] as const;
        }),
      ),
    ]),
  );

function invalid({ path, message }: Unfit): CountersignError {
  return new CountersignError("E_POLICY_INVALID", `the policy cannot be used: ${path || "the document"}: ${message}`, {
    hint: "mend the document: docs/containers-policy.md says what may stand where, countersign policy lint what consumers take",
  });
}
