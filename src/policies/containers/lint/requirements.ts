import type { Requirements } from "../document.ts";
import type { PolicyRequirement } from "../policy-requirement.ts";
import type { Consumer } from "./consumers.ts";
import type { LintFinding } from "./finding.ts";

/** What in a list of requirements has no effect, or none that is wanted. */
export function lintRequirements(
  requirements: Requirements,
  place: string,
  consumers: readonly Consumer[],
): readonly LintFinding[] {
  const warning = { severity: "warning", consumer: null } as const;
  const first = requirements.findIndex((requirement) => refusesAlways(requirement) !== undefined);
  const findings = requirements.flatMap((requirement, at): readonly LintFinding[] => {
    const here = { ...warning, place: `${place}[${at}]` };
    if (first >= 0 && at > first) {
      return [
        {
          ...here,
          rule: "requirement-idle",
          message: "every image is refused before this is asked",
          mend: "remove it, or what stands before it",
        },
      ];
    }
    const why = refusesAlways(requirement);
    if (why !== undefined && requirement.type !== "reject") {
      return [{ ...here, rule: "always-refuses", message: why, mend: "write reject, or a requirement that can hold" }];
    }
    if (requirement.type === "insecureAcceptAnything" && requirements.length > 1) {
      const message = "insecureAcceptAnything has no effect beside other requirements: all of a list must hold";
      return [{ ...here, rule: "requirement-idle", message, mend: "remove it" }];
    }
    return unverified(requirement, `${place}[${at}]`, consumers);
  });
  if (requirements.some(({ type }) => type !== "insecureAcceptAnything")) return findings;
  const message = "images here are accepted unsigned";
  return [
    ...findings,
    {
      ...warning,
      rule: "accepts-anything",
      place,
      message,
      mend: "write reject, and a scope for each registry that is used",
    },
  ];
}

function refusesAlways(requirement: PolicyRequirement): string | undefined {
  switch (requirement.type) {
    case "reject":
      return "every image is rejected";
    case "signedBaseLayer":
      return "signedBaseLayer is verified by no program: every image is refused";
    case "signedBy":
      if (requirement.keyType !== "GPGKeys")
        return `the keyType ${requirement.keyType} is verified by no program: every image is refused`;
      return requirement.keys.length === 0 ? "it names no key: every image is refused" : undefined;
    default:
      return undefined;
  }
}

function unverified(
  requirement: PolicyRequirement,
  place: string,
  consumers: readonly Consumer[],
): readonly LintFinding[] {
  if (requirement.type !== "sigstoreSigned") return [];
  const findings = consumers
    .filter(({ withoutSigstore }) => withoutSigstore)
    .map(
      ({ name }): LintFinding => ({
        severity: "warning",
        rule: "always-refuses",
        consumer: name,
        place,
        message: `${name} is built without the verification of sigstore signatures: it refuses every image here`,
        mend: "sign with an OpenPGP key too, and write signedBy for it",
      }),
    );
  if (requirement.by.kind !== "fulcio" && requirement.rekorKeys.length === 0) return findings;
  const message =
    "certificates of Fulcio's and entries of Rekor's are not verified by countersign in this version: it refuses every image here";
  return [
    ...findings,
    {
      severity: "warning",
      rule: "not-verified-here",
      consumer: null,
      place,
      message,
      mend: "verify these images by podman or skopeo",
    },
  ];
}
