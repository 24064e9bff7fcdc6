import { expect } from "vitest";
import type { ListReport, PromoteReport, SignReport, VerifyReport } from "../../../src/reports/report.ts";
import type { Run } from "./machine.ts";
import { type AnyReport, parseReport } from "./refusals.ts";

/** The report that a run with `--output json` printed, which must be of this operation. */
export function verifyReportOf(run: Run): VerifyReport {
  const report = parseReport(run.stdout);
  if ("error" in report || report.operation !== "verify") throw unexpected(report);
  return report;
}

export function signReportOf(run: Run): SignReport {
  const report = parseReport(run.stdout);
  if ("error" in report || report.operation !== "sign") throw unexpected(report);
  return report;
}

export function listReportOf(run: Run): ListReport {
  const report = parseReport(run.stdout);
  if ("error" in report || report.operation !== "list") throw unexpected(report);
  return report;
}

export function promoteReportOf(run: Run): PromoteReport {
  const report = parseReport(run.stdout);
  if ("error" in report || report.operation !== "promote") throw unexpected(report);
  return report;
}

function unexpected(report: AnyReport): Error {
  return new Error(`another report: ${JSON.stringify(report).slice(0, 2000)}`);
}

/** Every code among the errors of a report's images, each once. */
export function errorCodes(report: {
  readonly images: readonly { readonly errors: readonly { readonly code: string }[] }[];
}) {
  return [...new Set(report.images.flatMap(({ errors }) => errors.map(({ code }) => code)))].sort();
}

/** The only image of a report. */
export function onlyImage<T>({ images }: { readonly images: readonly T[] }): T {
  expect(images).toHaveLength(1);
  const [image] = images;
  if (image === undefined) throw new Error("no image");
  return image;
}
