import type { Verdict } from "../model/policy.ts";
import { type Outcome, outcomeOfProblems } from "./outcome.ts";
import type { AttachReport, ListReport, PayloadReport, SignReport, VerifyReport } from "./report.ts";
import { problemReasons, signatureText, verifiedReasons, worstOf } from "./row-parts.ts";
import { counted, type ReportView, type Row } from "./view.ts";

/** Rows of what looks at images where they are, or signs them there. */

const outcomes = {
  trusted: "ok",
  untrusted: "refused",
  unsigned: "refused",
  undetermined: "undetermined",
} as const satisfies Record<Verdict, Outcome>;

export function verifyView({ operation, verdict, images, warnings }: VerifyReport): ReportView {
  const rows = images.map(
    (image): Row => ({
      name: image.reference,
      reference: image.reference,
      digest: image.digest,
      outcome: outcomes[image.verdict],
      state: image.verdict,
      signatures: image.signatures.map(
        ({ format, place, algorithm, signer, trusted }) =>
          `${trusted ? "trusted" : "refused"}: ${signatureText(format, place, algorithm, signer)}`,
      ),
      reasons: verifiedReasons(image),
    }),
  );
  return { operation, verdict, noun: "image", rows, warnings };
}

export function signView({ operation, images, warnings }: SignReport | AttachReport): ReportView {
  const rows = images.map((image): Row => {
    const signatures = image.signatures.map(
      ({ added, format, place, algorithm, signer }) =>
        `${added ? "added" : "unchanged"}: ${signatureText(format, place, algorithm, signer)}`,
    );
    return {
      name: image.reference,
      reference: image.reference,
      digest: image.digest,
      outcome: image.status === "skipped" ? "skipped" : outcomeOfProblems(image.errors),
      state: image.skippedAs === undefined ? image.status : `${image.status}, ${image.skippedAs}`,
      signatures,
      reasons: problemReasons(image.errors),
    };
  });
  return { operation, verdict: worstOf(rows), noun: "image", rows, warnings };
}

export function listView({ operation, images, warnings }: ListReport): ReportView {
  const rows = images.map((image): Row => {
    const count = image.attachments.length;
    return {
      name: image.reference,
      reference: image.reference,
      digest: image.digest,
      outcome: outcomeOfProblems(image.errors),
      state: counted(count, "attachment"),
      signatures: image.attachments.map(
        ({ kind, format, artifactType, mediaType, place, signer }) =>
          `${kind} ${signatureText(format ?? artifactType ?? mediaType, place, null, signer)}`,
      ),
      reasons: problemReasons(image.errors),
    };
  });
  const note = "What is attached, as it claims to be; nothing here has been verified.";
  return { operation, verdict: worstOf(rows), noun: "image", rows, warnings, note };
}

export function payloadView({ operation, reference, digest, format, size, warnings }: PayloadReport): ReportView {
  const state = `${size} bytes to sign, format ${format}`;
  const row: Row = { name: reference, reference, digest, outcome: "ok", state, signatures: [], reasons: [] };
  return { operation, verdict: "ok", noun: "image", rows: [row], warnings };
}
