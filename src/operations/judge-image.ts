import type { Digest } from "../model/digest.ts";
import type { Validation } from "../model/policy.ts";
import { dockerReferenceOf } from "../oci/docker-reference.ts";
import { formatReference, type Reference } from "../oci/reference.ts";
import { type JudgeInput, judge } from "../policies/judge.ts";
import type { VerifyReport } from "../reports/report.ts";
import { problemOfFailure } from "./problem.ts";

export { coreFormats } from "../formats/core-formats.ts";
export { assess } from "../policies/judge.ts";

/** What reports say of one image, but for the name it was asked for by. */
export type ImageOutcome = Omit<VerifyReport["images"][number], "reference">;

const statuses = {
  trusted: "verified",
  untrusted: "refused",
  unsigned: "unsigned",
  undetermined: "unreachable",
} as const;

function validationReport({ reasons, ...validation }: Validation) {
  return { ...validation, reasons: reasons.map(({ code, message }) => ({ code, message })) };
}

/** The verdict about one image, named `reference` by the caller, as reports have it. */
export function judgeImage(digest: Digest, reference: Reference, found: Omit<JudgeInput, "wanted">): ImageOutcome {
  const wanted = {
    repository: reference.name,
    reference: formatReference(reference),
    docker: dockerReferenceOf(reference),
  };
  const { verdict, signatures, failures } = judge({ ...found, wanted });
  return {
    digest,
    verdict,
    status: statuses[verdict],
    signatures: signatures.map(({ finding, format, trusted, reasons, validations }) => ({
      format,
      place: { kind: finding.place.kind, name: finding.place.name, digest: finding.place.digest ?? null },
      trusted,
      reasons: reasons.map(({ code, message }) => ({ code, message })),
      algorithm: finding.algorithm,
      signer: finding.signer === null ? null : { ...finding.signer, sans: [...finding.signer.sans] },
      time: { ...finding.time },
      ...(finding.revocation && { revocation: finding.revocation.map((status) => ({ ...status })) }),
      ...(validations && { validations: validations.map(validationReport) }),
    })),
    errors: failures.map(problemOfFailure),
  };
}
