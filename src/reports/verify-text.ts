import type { Problem, VerifyReport } from "./report.ts";
import { oneLine } from "./terminal.ts";

/**
 * The report of `verify` for people: an image a paragraph, a signature a line, then one line of totals.
 * Everything that came from outside goes through the terminal encoder.
 */
export function verifyText(report: VerifyReport): string {
  const lines: string[] = [];
  for (const image of report.images) {
    const skipped = image.status === "skipped" ? ", verification skipped by the policy" : "";
    lines.push(`${oneLine(image.reference)}: ${image.verdict}${skipped}`);
    if (image.digest !== null && !image.reference.endsWith(image.digest)) lines.push(`  digest    ${image.digest}`);
    for (const signature of image.signatures) {
      const who = signature.signer === null ? "" : `, ${signerText(signature.signer)}`;
      const how = signature.algorithm === null ? "" : `, ${signature.algorithm}`;
      const mark = signature.trusted ? "trusted " : "refused ";
      lines.push(`  ${mark}  ${signature.format} in ${placeText(signature.place)}${how}${who}`);
      for (const reason of signature.reasons) lines.push(`              ${reason.code}: ${oneLine(reason.message)}`);
      if (signature.time.at !== null) lines.push(`              time-stamped ${signature.time.at}`);
      for (const { name, action, result, reasons } of signature.validations ?? []) {
        const codes = reasons.length === 0 ? "" : `: ${[...new Set(reasons.map(({ code }) => code))].join(", ")}`;
        lines.push(
          `              ${name} ${result}${result === "failed" && action === "log" ? ", only logged" : ""}${codes}`,
        );
      }
    }
    for (const error of image.errors) lines.push(...problemLines(error, "  "));
  }
  for (const { path, digest } of report.policies ?? []) lines.push(`policy: ${oneLine(path)} ${digest}`);
  for (const warning of report.warnings) lines.push(`warning: ${oneLine(warning)}`);
  lines.push(totals(report));
  return `${lines.join("\n")}\n`;
}

/** The place of a signature in a few words: `tag sha256-….sig`. */
export function placeText(place: { readonly kind: string; readonly name: string }): string {
  const name = place.name.replace(/^(sha256[:-][0-9a-f]{12})[0-9a-f]{52}/, "$1…");
  return `${place.kind === "fallback-tag" ? "referrer (by tag)" : place.kind} ${oneLine(name)}`;
}

/** Who signed: the certificate's names, or the bare key's fingerprint. */
export function signerText(signer: {
  readonly subject?: string | null | undefined;
  readonly sans?: readonly string[] | undefined;
  readonly issuer?: string | null | undefined;
  readonly fingerprint?: string | undefined;
}): string {
  if (signer.subject === null || signer.subject === undefined) return `key ${signer.fingerprint ?? "unknown"}`;
  const names = [signer.subject, ...(signer.sans ?? [])]
    .filter((name) => name !== "")
    .map((name) => oneLine(name, 200));
  const issuer = signer.issuer ? `, vouched for by ${oneLine(signer.issuer, 200)}` : "";
  return `by ${names.join(" · ")}${issuer}`;
}

export function problemLines(problem: Problem, indent: string): string[] {
  const where = problem.place === null ? "" : `${oneLine(problem.place)}: `;
  const lines = [`${indent}${problem.code}: ${where}${oneLine(problem.message)}`];
  if (problem.hint !== null) lines.push(`${indent}  mend: ${oneLine(problem.hint)}`);
  return lines;
}

function totals(report: VerifyReport): string {
  const counts = new Map<string, number>();
  for (const image of report.images) counts.set(image.verdict, (counts.get(image.verdict) ?? 0) + 1);
  const parts = [...counts].map(([verdict, count]) => `${count} ${verdict}`);
  const images = report.images.length === 1 ? "1 image" : `${report.images.length} images`;
  return `${images}: ${parts.length === 0 ? "nothing to verify" : parts.join(", ")}`;
}
