import type { PayloadReport } from "./report.ts";
import { oneLine } from "./terminal.ts";

/** The report of `payload` for people: what the bytes are, and how to sign them. */
export function payloadText(report: PayloadReport): string {
  const { subject, format, size, signing, hashed, warnings } = report;
  const lines = [`${oneLine(subject)}: ${size} bytes to sign, format ${format}`];
  if (signing !== null) {
    const encoding = signing.encoding === "der" ? "DER (r‖s is taken too)" : "plain octets";
    lines.push(`  sign with ${signing.algorithm}, hash ${signing.hash ?? "inside the scheme"}, as ${encoding}`);
  }
  if (hashed !== null) lines.push(`  ${hashed.hash}    ${hashed.hex}`, `            ${hashed.base64} (base64)`);
  for (const warning of warnings) lines.push(`warning: ${oneLine(warning)}`);
  return `${lines.join("\n")}\n`;
}
