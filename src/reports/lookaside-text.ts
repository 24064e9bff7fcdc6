import type { LookasideReport } from "./report.ts";
import { oneLine } from "./terminal.ts";

/** What `lookaside publish` did, for people. */
export function lookasideText({ files, warnings }: LookasideReport): string {
  const lines = files.map(({ from, to, status }) => `${status.padEnd(7)} ${oneLine(from)}: ${oneLine(to)}`);
  for (const warning of warnings) lines.push(`warning: ${oneLine(warning)}`);
  if (lines.length === 0) lines.push("nothing to publish");
  return `${lines.join("\n")}\n`;
}
