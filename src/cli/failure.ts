import type { ExitCode } from "../model/error-codes.ts";
import { asCountersignError, type CountersignError } from "../model/errors.ts";
import { jsonText } from "../reports/json.ts";
import type { ErrorReport } from "../reports/report.ts";
import { oneLine } from "../reports/terminal.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Tells why a run ended before it had a report: on standard error a sentence and its mend, with `--output json` one
 * document on standard output too. No stack trace; the cause of a bug is named by its message. `operation` is the command
 * that was asked for, empty when there was none.
 */
export function reportError(thrown: unknown, operation: string, args: readonly string[], terminal: Terminal): ExitCode {
  const error = asCountersignError(thrown);
  tellError(error, terminal);
  const report: ErrorReport = {
    schemaVersion: 1,
    operation,
    error: { code: error.code, message: error.message, hint: error.hint ?? null, retry: error.retry, place: null },
  };
  terminal.report?.(report);
  if (wantsJson(args)) terminal.out(jsonText(report));
  return error.exit;
}

/** The code, the sentence, and the mend on a line of its own. */
export function tellError({ code, message, hint }: CountersignError, terminal: Terminal): void {
  terminal.err(`countersign: ${code}: ${oneLine(message, 2000)}\n`);
  if (hint !== undefined) terminal.err(`  mend: ${oneLine(hint, 2000)}\n`);
}

/** Read from the raw arguments, for the failure may be in the arguments themselves. */
function wantsJson(args: readonly string[]): boolean {
  return args.some(
    (arg, at) =>
      arg === "--output=json" || arg === "-ojson" || ((arg === "--output" || arg === "-o") && args[at + 1] === "json"),
  );
}
