import type { ExitCode } from "../model/error-codes.ts";
import { formatReference, parseReference } from "../oci/reference.ts";
import type { ErrorReport, Report } from "../reports/report.ts";
import { viewOf } from "../reports/rows.ts";
import type { ReportView } from "../reports/view.ts";

/** Bytes of one output; the runner takes a mebibyte for all of a job, in UTF-16. */
const MOST = 256 * 1024;

export type Outputs = Readonly<Record<string, string>>;

export function isError(report: Report | ErrorReport): report is ErrorReport {
  return "error" in report;
}

/**
 * The outputs that a report makes, by name: `verdict`, `exit-code`, `digest`, `images` (a line each, pinned, of those that ended well),
 * `signatures` (JSON). What would be too long for the runner is empty.
 */
export function outputsOf(report: Report | ErrorReport, exit: ExitCode): Outputs {
  const code = { "exit-code": String(exit) };
  if (isError(report))
    return { ...code, verdict: verdictOfError(report, exit), digest: "", images: "", signatures: "[]" };
  const view = viewOf(report);
  return {
    ...code,
    verdict: view.verdict,
    digest: view.rows[0]?.digest ?? "",
    // What a dry run plans is not there.
    images: report.operation === "promote" && report.dryRun ? "" : fitting(pinnedImages(view).join("\n")),
    signatures: fitting(JSON.stringify(signaturesOf(report))),
  };
}

/** Nothing was told about any image, whatever stopped the run. */
function verdictOfError({ operation }: ErrorReport, exit: ExitCode): string {
  return exit === 1 && operation !== "verify" ? "refused" : "undetermined";
}

function pinnedImages({ rows }: ReportView): readonly string[] {
  const pinned = rows.flatMap(({ outcome, reference, digest }) => {
    if (outcome !== "ok" || reference === null || digest === null) return [];
    const { name } = parseReference(reference);
    return [formatReference(parseReference(`${name}@${digest}`))];
  });
  return [...new Set(pinned)];
}

/** Signatures that count: of `verify` the trusted ones, of `sign` and `attach` those that are now there, of `promote` those that it made. */
function signaturesOf(report: Report) {
  if (report.operation === "verify") {
    return report.images.flatMap(({ reference, digest, signatures }) =>
      signatures
        .filter(({ trusted }) => trusted)
        .map(({ format, place, signer }) => ({ reference, digest, format, place, signer })),
    );
  }
  if (report.operation === "sign" || report.operation === "attach") {
    return report.images.flatMap(({ reference, digest, signatures }) =>
      signatures.map(({ format, place, signer }) => ({ reference, digest, format, place, signer })),
    );
  }
  if (report.operation === "promote") {
    return report.images.flatMap(({ destination, resigned }) =>
      resigned
        .filter(({ status }) => status !== "planned")
        .map(({ subject, format, place, signer }) => ({
          reference: destination,
          digest: subject,
          format,
          place,
          signer,
        })),
    );
  }
  return [];
}

function fitting(text: string): string {
  return Buffer.byteLength(text) <= MOST ? text : "";
}
