import type { AttachReport, SignReport } from "./report.ts";
import { oneLine } from "./terminal.ts";
import { placeText, problemLines, signerText } from "./verify-text.ts";

const skipped = {
  unsigned: "nothing signed it",
  untrusted: "no valid signature on it is one of those asked for",
} as const;

/** The report of `sign` or `attach` for people: an image a paragraph, a signature a line, then totals. */
export function signText(report: SignReport | AttachReport): string {
  const lines: string[] = [];
  for (const image of report.images) {
    const why = image.skippedAs === undefined ? "" : `, ${skipped[image.skippedAs]}`;
    lines.push(`${oneLine(image.reference)}: ${image.status}${why}`);
    if (image.digest !== null && !image.reference.endsWith(image.digest)) lines.push(`  digest    ${image.digest}`);
    for (const signature of image.signatures) {
      const state = signature.added ? "added    " : "unchanged";
      lines.push(
        `  ${state} ${signature.format} in ${placeText(signature.place)}, ${signature.algorithm}, ${signerText(signature.signer)}`,
      );
    }
    for (const error of image.errors) lines.push(...problemLines(error, "  "));
  }
  for (const warning of report.warnings) lines.push(`warning: ${oneLine(warning)}`);
  const count = (status: string) => report.images.filter((image) => image.status === status).length;
  const parts = (["signed", "unchanged", "skipped", "failed"] as const)
    .filter((status) => count(status) > 0)
    .map((status) => `${count(status)} ${status}`);
  const images = report.images.length === 1 ? "1 image" : `${report.images.length} images`;
  lines.push(`${images}: ${parts.join(", ") || "nothing to sign"}`);
  return `${lines.join("\n")}\n`;
}
