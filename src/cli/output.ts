import { dirname, join } from "node:path";
import type { ExitCode } from "../model/error-codes.ts";
import { asCountersignError, CountersignError } from "../model/errors.ts";
import type { Host } from "../platform/host.ts";
import { jsonText } from "../reports/json.ts";
import type { Report } from "../reports/report.ts";
import { tellError } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Makes sure, before the first request, that a report can be kept where it is asked for.
 * @throws E_FILE_UNWRITABLE.
 */
export async function checkReportPlace(path: string | undefined, host: Host): Promise<void> {
  if (path === undefined) return;
  const isFolder = await host.files.exists(join(path, "."));
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
 * Prints a report as asked, and keeps it as JSON in `--report`'s file, written whole or not at all. Resolves to the run's
 * exit status: `exit`, but never 0 when the report could not be kept.
 */
export async function emit<T extends Report>(
  report: T,
  text: (report: T) => string,
  exit: ExitCode,
  options: { readonly output: "text" | "json"; readonly report?: string | undefined },
  host: Host,
  terminal: Terminal,
): Promise<ExitCode> {
  terminal.out(options.output === "json" ? jsonText(report) : text(report));
  if (options.report === undefined) return exit;
  try {
    await host.files.write(options.report, Buffer.from(jsonText(report)));
    return exit;
  } catch (error) {
    tellError(asCountersignError(error), terminal);
    return exit === 0 ? 3 : exit;
  }
}
