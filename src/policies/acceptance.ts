import { isCountersignError } from "../model/errors.ts";
import type { Authority } from "../model/policy.ts";
import type { Claims, Finding, Reason } from "../model/signature.ts";
import type { DockerReference } from "../oci/docker-reference.ts";
import { formatReference, parseReference, parseRepository, type Reference } from "../oci/reference.ts";
import { matchIdentity } from "../trust/identities.ts";
import { describeSignedIdentity, matchesSignedIdentity } from "./containers/signed-identity.ts";

/** What the caller asked about, for authorities that require a reference. */
export interface Wanted {
  /** Canonical name of the repository. */
  readonly repository: string;
  /** Canonical reference as asked for, with its tag or digest. */
  readonly reference: string;
  /** The same as containers/image has it; absent for an image in a folder. */
  readonly docker?: DockerReference | undefined;
}

/**
 * Why a signature does not count for an authority: what was found in checking it, then who signed, the annotations
 * and the reference that the authority asks for. Empty: it counts. A signature of a format that the authority does not speak of
 * is asked nothing else.
 */
export function objectionsOf(authority: Authority, finding: Finding, wanted: Wanted): readonly Reason[] {
  const foreign = formatReasons(authority, finding);
  if (foreign.length > 0) return foreign;
  return [
    ...finding.reasons,
    ...identityReasons(authority, finding),
    ...annotationReasons(authority, finding.claims),
    ...referenceReasons(authority, finding.claims, wanted),
    ...payloadReasons(authority, finding.claims),
  ];
}

function formatReasons({ name, formats }: Authority, { format }: Finding): readonly Reason[] {
  if (formats === undefined || formats.includes(format)) return [];
  return [
    { code: "E_FORMAT_UNSUPPORTED", message: `${name} speaks of ${formats.join(" and ")} alone, not of ${format}` },
  ];
}

function identityReasons({ identities }: Authority, { certificate, reasons }: Finding): readonly Reason[] {
  if (identities.length === 0) return [];
  if (certificate === undefined) {
    // Why there is no certificate, or none on a valid path, has been said already.
    if (reasons.length > 0) return [];
    return [{ code: "E_IDENTITY_MISMATCH", message: "a bare key signed, which has no identity to compare" }];
  }
  const mismatches = identities.map((rule) => matchIdentity(certificate, rule));
  return mismatches.some((found) => found.length === 0) ? [] : mismatches.flat();
}

function annotationReasons({ annotations }: Authority, claims: Claims | undefined): readonly Reason[] {
  const found = claims?.annotations ?? {};
  return Object.entries(annotations).flatMap(([key, value]): Reason[] => {
    const actual = Object.hasOwn(found, key) ? found[key] : undefined;
    if (actual === value) return [];
    const stands = actual === undefined ? "is not signed" : `is ${quoted(actual)}`;
    return [
      {
        code: "E_ANNOTATION_MISMATCH",
        message: `the annotation ${quoted(key)} ${stands}; required is ${quoted(value)}`,
      },
    ];
  });
}

function referenceReasons(
  { reference: rule }: Authority,
  claims: Claims | undefined,
  wanted: Wanted,
): readonly Reason[] {
  if (rule === "none") return [];
  const claimed = claims?.reference;
  if (claimed === undefined) {
    return [
      { code: "E_REFERENCE_MISMATCH", message: "the signature names no reference: this format has none to compare" },
    ];
  }
  if (typeof rule === "object") {
    if (matchesSignedIdentity(rule, claimed, wanted.docker)) return [];
    const required = describeSignedIdentity(rule, wanted.docker);
    return [
      { code: "E_REFERENCE_MISMATCH", message: `the signature is for ${quoted(claimed)}; required is ${required}` },
    ];
  }
  const required = rule === "repository" ? wanted.repository : wanted.reference;
  const reference = canonicalOf(claimed);
  const actual = rule === "repository" ? reference?.name : reference && formatReference(reference);
  if (actual === required) return [];
  return [
    {
      code: "E_REFERENCE_MISMATCH",
      message: `the signature is for ${quoted(claimed)}; required is ${quoted(required)}`,
    },
  ];
}

function payloadReasons({ strictPayload }: Authority, claims: Claims | undefined): readonly Reason[] {
  if (strictPayload !== true || claims?.unread === undefined) return [];
  return [{ code: "E_PAYLOAD_MALFORMED", message: `containers/image does not read the payload: ${claims.unread}` }];
}

/**
 * The claim as this program writes references, so that Docker Hub's many spellings compare as one; undefined when it is
 * none. A repository alone stays one: the tag `latest` that a reference would get is not what was signed.
 */
function canonicalOf(claimed: string): Reference | undefined {
  for (const parse of [parseRepository, parseReference]) {
    try {
      return parse(claimed);
    } catch (error) {
      if (!isCountersignError(error)) throw error;
    }
  }
  return undefined;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
