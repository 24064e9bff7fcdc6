import type { PkiCheckReport, PkiReport } from "./pki-report.ts";
import { oneLine } from "./terminal.ts";

/** What `pki init`, `issue`, `revoke` and `crl` did, for people. */
export function pkiText(report: PkiReport): string {
  const lines = report.certificates.map(({ name, subject, serial, notAfter, revoked }) => {
    const state = revoked === null ? `valid to ${notAfter}` : `revoked at ${revoked.at} (${revoked.reason})`;
    return `${oneLine(name)}: ${oneLine(subject)}, serial ${serial}, ${state}`;
  });
  const width = Math.max(0, ...report.files.map(({ path }) => path.length));
  for (const { path, holds } of report.files) lines.push(`  wrote ${oneLine(path.padEnd(width))}  ${holds}`);
  for (const warning of report.warnings) lines.push(`warning: ${oneLine(warning)}`);
  if (lines.length === 0) lines.push("nothing to do");
  return `${lines.join("\n")}\n`;
}

/** What `pki check` found, for people: the chain, then each verifier with the rules broken and their mends. */
export function pkiCheckText(report: PkiCheckReport): string {
  const lines = [`checked at ${report.at}`];
  for (const [index, { subject, notBefore, notAfter }] of report.chain.entries()) {
    lines.push(`  ${index + 1}. ${oneLine(subject)}, ${notBefore} to ${notAfter}`);
  }
  for (const { name, accepted, findings } of report.verifiers) {
    lines.push(`${name}: ${accepted ? "would accept" : "would refuse"}`);
    for (const { severity, code, message, mend } of findings) {
      lines.push(`  ${severity} ${code}: ${oneLine(message, 1000)}`, `    mend: ${oneLine(mend)}`);
    }
  }
  for (const warning of report.warnings) lines.push(`warning: ${oneLine(warning)}`);
  return `${lines.join("\n")}\n`;
}
