import { ERROR_CODES } from "../model/error-codes.ts";
import type { Authority, JudgedSignature, Judgement, Requirement, Verdict } from "../model/policy.ts";
import type { Evidence, Finding, FormatName, LookFailure, Malformed, Place, Reason } from "../model/signature.ts";
import { objectionsOf, type Wanted } from "./acceptance.ts";
import { weigh } from "./enforcement.ts";
import { authoritiesOf, isFulfilled } from "./requirement.ts";

/** One signature as every authority's trust found it: nothing is left of its bytes. */
export interface Assessment {
  readonly format: FormatName;
  readonly place: Place;
  readonly findings: ReadonlyMap<Authority, Finding>;
}

export interface JudgeInput {
  readonly requirement: Requirement;
  /** What was found, decoded and checked, or not decodable, in all places together. */
  readonly assessments: readonly (Assessment | Malformed)[];
  /** Places that could not be looked at. */
  readonly failures: readonly LookFailure[];
  readonly wanted: Wanted;
}

/** Checks one signature against the trust of each authority; `check` is its format's, bound to image and time. */
export async function assess(
  { format, place }: Pick<Evidence, "format" | "place">,
  authorities: readonly Authority[],
  check: (trust: Authority["trust"]) => Promise<Finding>,
): Promise<Assessment> {
  const findings = authorities.map(async (authority) => [authority, await check(authority.trust)] as const);
  return { format, place, findings: new Map(await Promise.all(findings)) };
}

/**
 * The verdict about one image. `trusted` when the requirement holds by the signatures that were found, whatever else could
 * not be looked at; else `undetermined` when any place could not be looked at, or revocation not be asked about; else `unsigned` when nothing was found; else
 * `untrusted`. A place that could not be looked at is thus never taken for an empty one.
 */
export function judge({ requirement, assessments, failures, wanted }: JudgeInput): Judgement {
  const authorities = authoritiesOf(requirement);
  const accepted = new Map<Authority, Set<string>>(authorities.map((authority) => [authority, new Set()]));
  const pending = new Set<Assessment>();
  const signatures = assessments.map((assessment) =>
    "reason" in assessment
      ? refused(assessment, assessment.reason)
      : judgeSignature(assessment, authorities, wanted, accepted, pending),
  );
  const fulfilled = isFulfilled(requirement, (authority) => accepted.get(authority) ?? new Set());
  const untold = failures.length > 0 || pending.size > 0;
  return { verdict: verdictOf(fulfilled, untold, assessments.length), signatures, failures };
}

/** Of a signature that nothing speaks against but that somebody could not be asked: it may count the next time. */
function isUntold(objections: readonly Reason[]): boolean {
  return objections.length > 0 && objections.every(({ code }) => ERROR_CODES[code].exit === 3);
}

/** Of a signature in a format that the authority does not speak of, about which it knows nothing. */
function isForeign(objections: readonly Reason[]): boolean {
  return objections.some(({ code }) => code === "E_FORMAT_UNSUPPORTED");
}

function verdictOf(fulfilled: boolean, untold: boolean, found: number): Verdict {
  if (fulfilled) return "trusted";
  if (untold) return "undetermined";
  return found === 0 ? "unsigned" : "untrusted";
}

function judgeSignature(
  assessment: Assessment,
  authorities: readonly Authority[],
  wanted: Wanted,
  accepted: ReadonlyMap<Authority, Set<string>>,
  pending: Set<Assessment>,
): JudgedSignature {
  const opinions = authorities.flatMap((authority) => {
    const finding = assessment.findings.get(authority);
    if (finding === undefined) return [];
    return [{ authority, finding, ...weigh(authority, objectionsOf(authority, finding, wanted)) }];
  });
  for (const { authority, finding, objections } of opinions) {
    if (objections.length === 0) accepted.get(authority)?.add(signerName(finding));
    if (isUntold(objections)) pending.add(assessment);
  }
  // The authority that came closest speaks for the signature: its signer and algorithm are the most that is known.
  const [best] = [...opinions].sort(
    (a, b) =>
      Number(isForeign(a.objections)) - Number(isForeign(b.objections)) || a.objections.length - b.objections.length,
  );
  if (best === undefined) return refused(assessment, nobody);
  const trusted = best.objections.length === 0;
  const { finding, validations } = best;
  const reasons = trusted ? [] : reasonsOf(opinions);
  return { finding, format: assessment.format, trusted, reasons, ...(validations && { validations }) };
}

/** One authority's objections as they are; those of several each under the authority's name. */
function reasonsOf(opinions: readonly { authority: Authority; objections: readonly Reason[] }[]): readonly Reason[] {
  const [only, ...others] = opinions;
  if (only !== undefined && others.length === 0) return only.objections;
  return opinions.flatMap(({ authority, objections }) =>
    objections.map(({ code, message }) => ({ code, message: `${authority.name}: ${message}` })),
  );
}

const nobody: Reason = {
  code: "E_CERTIFICATE_UNTRUSTED",
  message: "the requirement names nobody whose signature counts",
};

function refused({ format, place }: Pick<Malformed, "format" | "place">, reason: Reason): JudgedSignature {
  const reasons = [reason];
  const finding: Finding = {
    format,
    place,
    reasons,
    algorithm: null,
    signer: null,
    time: { source: "none", at: null },
  };
  return { finding, format, trusted: false, reasons };
}

/** Who signed, for telling signers apart: a certificate's names, as each signature of one person may bring a certificate of its own; else the key. */
function signerName({ certificate, signer }: Finding): string {
  if (certificate === undefined) return `key ${signer?.fingerprint ?? ""}`;
  const names = certificate.alternativeNames.map(({ type, value }) => [type, value]);
  return `certificate ${JSON.stringify([certificate.subject.text, certificate.oidcIssuer ?? null, names])}`;
}
