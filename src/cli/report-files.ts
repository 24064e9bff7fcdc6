import { extname } from "node:path";
import type { ExitCode } from "../model/error-codes.ts";
import { asCountersignError, type CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Host } from "../platform/host.ts";
import { jsonText } from "../reports/json.ts";
import type { Report } from "../reports/report.ts";

/**
 * Keeps a report in each of the files, as the ending of its name says, every file whole or not at all. Resolves to what
 * stood in the way; one file that cannot be written does not keep the others from it.
 */
export async function writeReports(
  report: Report,
  exit: ExitCode,
  paths: readonly string[],
  host: Host,
): Promise<readonly CountersignError[]> {
  const failures: CountersignError[] = [];
  for (const path of paths) {
    try {
      await host.files.write(path, Buffer.from(await renderFor(path, report, exit)));
    } catch (error) {
      failures.push(asCountersignError(error));
    }
  }
  return failures;
}

/** Loaded only where one is asked for. */
async function renderFor(path: string, report: Report, exit: ExitCode): Promise<string> {
  switch (kindOf(path)) {
    case "json":
      return jsonText(report);
    case "junit":
      return (await import("../reports/junit.ts")).junitXml(await viewed(report));
    case "markdown":
      return (await import("../reports/markdown.ts")).markdownSummary(await viewed(report), LIMITS.summary);
    case "dotenv":
      return (await import("../reports/dotenv.ts")).dotenvText(await viewed(report), exit);
  }
}

function kindOf(path: string): "json" | "junit" | "markdown" | "dotenv" {
  // A file that is called .env has, for Node.js, no ending.
  const ending = path.endsWith(".env") ? ".env" : extname(path).toLowerCase();
  if (ending === ".xml") return "junit";
  if (ending === ".md") return "markdown";
  return ending === ".env" ? "dotenv" : "json";
}

async function viewed(report: Report) {
  return (await import("../reports/rows.ts")).viewOf(report);
}
