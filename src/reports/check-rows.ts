import type { PkiCheckReport, PkiReport } from "./pki-report.ts";
import type { PolicyLintReport } from "./policy-report.ts";
import { worstOf } from "./row-parts.ts";
import type { ReportView, Row } from "./view.ts";

/** Rows of certificates and policies, and of what others will make of them. */

export function pkiView({ operation, certificates, warnings }: PkiReport): ReportView {
  const rows = certificates.map(({ name, subject, notAfter, revoked }): Row => {
    const state = revoked === null ? `valid to ${notAfter}` : `revoked at ${revoked.at} (${revoked.reason})`;
    return {
      name: `${name}: ${subject}`,
      reference: null,
      digest: null,
      outcome: "ok",
      state,
      signatures: [],
      reasons: [],
    };
  });
  return { operation, verdict: "ok", noun: "certificate", rows, warnings };
}

export function pkiCheckView({ operation, verifiers, warnings }: PkiCheckReport): ReportView {
  const rows = verifiers.map(
    ({ name, accepted, findings }): Row => ({
      name,
      reference: null,
      digest: null,
      outcome: accepted ? "ok" : "refused",
      state: accepted ? "would accept" : "would refuse",
      signatures: [],
      reasons: findings.map(({ code, message, mend, certificate }) => ({
        code,
        message,
        hint: mend,
        place: certificate,
        ofSignature: false,
      })),
    }),
  );
  return { operation, verdict: worstOf(rows), noun: "verifier", rows, warnings };
}

/** What is about everybody is shown for each. */
export function policyLintView({ operation, consumers, findings, warnings }: PolicyLintReport): ReportView {
  const rows = consumers.map(
    ({ name, accepted }): Row => ({
      name,
      reference: null,
      digest: null,
      outcome: accepted ? "ok" : "refused",
      state: accepted ? "takes the policy" : "refuses the policy",
      signatures: [],
      reasons: findings
        .filter(({ severity, consumer }) => severity === "error" && (consumer === null || consumer === name))
        .map(({ message, mend, place }) => ({
          code: "E_POLICY_INVALID",
          message,
          hint: mend,
          place,
          ofSignature: false,
        })),
    }),
  );
  const said = findings
    .filter(({ severity }) => severity === "warning")
    .map(({ place, message }) => `${place}: ${message}`);
  return { operation, verdict: worstOf(rows), noun: "consumer", rows, warnings: [...warnings, ...said] };
}
