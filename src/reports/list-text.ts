import type { ListReport } from "./report.ts";
import { oneLine } from "./terminal.ts";
import { placeText, problemLines, signerText } from "./verify-text.ts";

/** The report of `list` for people. Says first that nothing in it has been verified. */
export function listText(report: ListReport): string {
  const lines = ["What is attached, as it claims to be; nothing here has been verified."];
  for (const image of report.images) {
    lines.push(oneLine(image.reference));
    if (image.digest !== null && !image.reference.endsWith(image.digest)) lines.push(`  digest ${image.digest}`);
    for (const attachment of image.attachments) {
      const what = attachment.format ?? attachment.artifactType ?? attachment.mediaType;
      const who = attachment.signer === null ? "" : `, ${signerText(attachment.signer)}`;
      lines.push(
        `  ${attachment.kind} ${oneLine(what)} in ${placeText(attachment.place)}, ${attachment.size} bytes${who}`,
      );
    }
    if (image.attachments.length === 0 && image.errors.length === 0) lines.push("  nothing attached");
    for (const error of image.errors) lines.push(...problemLines(error, "  "));
  }
  for (const warning of report.warnings) lines.push(`warning: ${oneLine(warning)}`);
  return `${lines.join("\n")}\n`;
}
