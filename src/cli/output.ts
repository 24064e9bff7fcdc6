import { dirname, join, resolve } from "node:path";
import type { ExitCode } from "../model/error-codes.ts";
import { asCountersignError, CountersignError } from "../model/errors.ts";
import type { Host } from "../platform/host.ts";
import { jsonText } from "../reports/json.ts";
import type { Report } from "../reports/report.ts";
import { tellError } from "./failure.ts";
import { writeReports } from "./report-files.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Makes sure, before the first request, that a report can be kept wherever it is asked for. `taken`: files that the run
 * writes something else to.
 * @throws E_FILE_UNWRITABLE; E_USAGE when two would have the same file.
 */
export async function checkReportPlace(
  paths: readonly string[] | undefined,
  host: Host,
  taken: readonly string[] = [],
): Promise<void> {
  const places = new Set(taken.map((path) => resolve(path)));
  for (const path of paths ?? []) {
    if (places.has(resolve(path))) {
      throw new CountersignError("E_USAGE", `--report ${path}: this file is named twice`, {
        hint: "name each file once; its ending says what is written: .json, .xml, .md, .env",
      });
    }
    places.add(resolve(path));
    await checkPlace(path, host);
  }
}

async function checkPlace(path: string, host: Host): Promise<void> {
  // Not joined: that would leave out what only a folder has.
  const isFolder = await host.files.exists(`${path}/.`);
  if (isFolder) {
    throw new CountersignError("E_FILE_UNWRITABLE", `--report ${path} is a folder`, { hint: "name a file in it" });
  }
  const probe = join(dirname(path), `.countersign-${Buffer.from(host.randomBytes(8)).toString("hex")}`);
  try {
    await host.files.write(probe, new Uint8Array(), { exclusive: true });
  } catch (error) {
    const { code, hint, cause } = asCountersignError(error);
    throw new CountersignError(code, `--report ${path}: nothing can be written there`, { hint, cause });
  }
  await host.files.remove(probe);
}

/**
 * Prints a report as asked, and keeps it in the files of `--report`. Resolves to the run's exit status: `exit`, but
 * never 0 when the report could not be kept.
 */
export async function emit<T extends Report>(
  report: T,
  text: (report: T) => string,
  exit: ExitCode,
  options: { readonly output: "text" | "json"; readonly report?: readonly string[] | undefined },
  host: Host,
  terminal: Terminal,
): Promise<ExitCode> {
  terminal.report?.(report);
  terminal.out(options.output === "json" ? jsonText(report) : text(report));
  const failures = await writeReports(report, exit, options.report ?? [], host);
  for (const failure of failures) tellError(failure, terminal);
  return exit === 0 && failures.length > 0 ? 3 : exit;
}
