import type { PolicyLintReport } from "./policy-report.ts";
import { oneLine } from "./terminal.ts";

/** What `policy lint` found, for people: who takes the document, then each finding with its mend. */
export function policyLintText({ policy, consumers, findings, warnings }: PolicyLintReport): string {
  const lines = [`${oneLine(policy.path)} ${policy.digest}`];
  for (const { name, library, accepted } of consumers) {
    lines.push(`${name} (containers/image ${library}): ${accepted ? "takes it" : "refuses the whole document"}`);
  }
  for (const { severity, rule, place, message, mend } of findings) {
    const where = place === "" ? "" : ` ${oneLine(place)}:`;
    lines.push(`${severity} ${rule}:${where} ${oneLine(message, 1000)}`, `  mend: ${oneLine(mend, 1000)}`);
  }
  for (const warning of warnings) lines.push(`warning: ${oneLine(warning)}`);
  if (findings.length === 0) lines.push("nothing to mend");
  return `${lines.join("\n")}\n`;
}
