import { outcomeOfProblems } from "./outcome.ts";
import type { LoadReport, LookasideReport, PromoteReport, SaveReport } from "./report.ts";
import { problemReasons, verifiedReasons, worstOf } from "./row-parts.ts";
import { placeText, signerText } from "./verify-text.ts";
import type { ReportView, Row } from "./view.ts";

/** Rows of what moves images, or signatures. */

export function promoteView({ operation, dryRun, images, warnings }: PromoteReport): ReportView {
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

export function carryView({ operation, images, warnings }: SaveReport | LoadReport): ReportView {
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

export function lookasideView({ operation, files, warnings }: LookasideReport): ReportView {
  const rows = files.map(
    ({ from, to, status }): Row => ({
      ...{ name: from, reference: to, digest: null, outcome: "ok", state: status, signatures: [], reasons: [] },
    }),
  );
  return { operation, verdict: "ok", noun: "signature", rows, warnings };
}
