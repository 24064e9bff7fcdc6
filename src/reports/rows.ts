import type { Verdict } from "../model/policy.ts";
import { type Outcome, outcomeOfProblems } from "./outcome.ts";
import type { PkiCheckReport, PkiReport } from "./pki-report.ts";
import type { PolicyLintReport } from "./policy-report.ts";
import type {
  AttachReport,
  ListReport,
  LoadReport,
  PayloadReport,
  Problem,
  PromoteReport,
  Report,
  SaveReport,
  SignReport,
  VerifyReport,
} from "./report.ts";
import { placeText, signerText } from "./verify-text.ts";
import { counted, type ReportView, type Row, type RowReason } from "./view.ts";

const outcomes = {
  trusted: "ok",
  untrusted: "refused",
  unsigned: "refused",
  undetermined: "undetermined",
} as const satisfies Record<Verdict, Outcome>;

/** The rows of any report. */
export function viewOf(report: Report): ReportView {
  switch (report.operation) {
    case "verify":
      return verifyView(report);
    case "sign":
    case "attach":
      return signView(report);
    case "promote":
      return promoteView(report);
    case "payload":
      return payloadView(report);
    case "list":
      return listView(report);
    case "save":
    case "load":
      return carryView(report);
    case "pki check":
      return pkiCheckView(report);
    case "policy lint":
      return policyLintView(report);
    default:
      return pkiView(report);
  }
}

function verifyView({ operation, verdict, images, warnings }: VerifyReport): ReportView {
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

function verifiedReasons({ signatures, errors }: VerifyReport["images"][number]): readonly RowReason[] {
  const refusals = signatures.flatMap(({ format, place, reasons }) =>
    reasons.map(({ code, message }) => ({
      code,
      message,
      hint: null,
      place: `${format} in ${placeText(place)}`,
      ofSignature: true,
    })),
  );
  return [...refusals, ...problemReasons(errors)];
}

function signView({ operation, images, warnings }: SignReport | AttachReport): ReportView {
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

function listView({ operation, images, warnings }: ListReport): ReportView {
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

function promoteView({ operation, dryRun, images, warnings }: PromoteReport): ReportView {
  const rows = images.map((image): Row => {
    const { source, destination, digest, status, verification, attachments, resigned, tag, errors } = image;
    const ok = status === "promoted" || status === "unchanged" || status === "planned";
    const refused = status === "refused" || outcomeOfProblems(errors) === "refused";
    const unverified = [verification.source, verification.destination].flatMap((end) =>
      end === null || end.verdict === "trusted" ? [] : end.images.flatMap(verifiedReasons),
    );
    return {
      name: `${source} to ${destination}`,
      reference: destination,
      digest,
      outcome: ok ? "ok" : refused ? "refused" : "undetermined",
      state: tag === null ? status : `${status}, tag ${tag.status}`,
      signatures: [
        ...attachments.map(attachmentText),
        ...resigned.map(({ status, format, algorithm, signer }) => {
          return `${status}: signature ${format}, ${algorithm}, ${signerText(signer)}`;
        }),
      ],
      reasons: [...problemReasons(errors), ...unverified],
    };
  });
  const note = dryRun ? { note: "A plan: nothing was written." } : {};
  return { operation, verdict: worstOf(rows), noun: "image", rows, warnings, ...note };
}

function carryView({ operation, images, warnings }: SaveReport | LoadReport): ReportView {
  const rows = images.map((image): Row => {
    const { reference, digest, status, attachments, errors } = image;
    const state = "tag" in image && image.tag !== null ? `${status}, tag ${image.tag.status}` : status;
    return {
      name: reference,
      reference,
      digest,
      outcome: outcomeOfProblems(errors),
      state,
      signatures: attachments.map(attachmentText),
      reasons: problemReasons(errors),
    };
  });
  const note = "Carried as it is; nothing here has been verified.";
  return { operation, verdict: worstOf(rows), noun: "image", rows, warnings, note };
}

function attachmentText({
  kind,
  format,
  artifactType,
  place,
  status,
}: PromoteReport["images"][number]["attachments"][number]): string {
  return `${status}: ${kind} ${format ?? artifactType ?? "of unknown kind"} in ${placeText(place)}`;
}

function payloadView({ operation, reference, digest, format, size, warnings }: PayloadReport): ReportView {
  const state = `${size} bytes to sign, format ${format}`;
  const row: Row = { name: reference, reference, digest, outcome: "ok", state, signatures: [], reasons: [] };
  return { operation, verdict: "ok", noun: "image", rows: [row], warnings };
}

function pkiView({ operation, certificates, warnings }: PkiReport): ReportView {
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

function pkiCheckView({ operation, verifiers, warnings }: PkiCheckReport): ReportView {
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
function policyLintView({ operation, consumers, findings, warnings }: PolicyLintReport): ReportView {
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

function worstOf(rows: readonly Row[]): string {
  const outcomes = rows.map(({ outcome }) => outcome);
  return (["refused", "undetermined"] as const).find((worst) => outcomes.includes(worst)) ?? "ok";
}

function problemReasons(problems: readonly Problem[]): readonly RowReason[] {
  return problems.map(({ code, message, hint, place }) => ({ code, message, hint, place, ofSignature: false }));
}

function signatureText(
  what: string,
  place: { readonly kind: string; readonly name: string },
  algorithm: string | null,
  signer: Parameters<typeof signerText>[0] | null,
): string {
  const how = algorithm === null ? "" : `, ${algorithm}`;
  const who = signer === null ? "" : `, ${signerText(signer)}`;
  return `${what} in ${placeText(place)}${how}${who}`;
}
