import { ERROR_CODES, type ExitCode } from "../model/error-codes.ts";
import type { Problem } from "./report.ts";

/** What became of one row of a report. `undetermined`: could not tell; never the same as `refused`. */
export type Outcome = "ok" | "skipped" | "refused" | "undetermined";

/** What problems make of the image they stand at: a refusal is certain, whatever else could not be told. */
export function outcomeOfProblems(problems: readonly Problem[]): Exclude<Outcome, "skipped"> {
  if (problems.length === 0) return "ok";
  return problems.some(({ code }) => exitOfProblem(code) === 1) ? "refused" : "undetermined";
}

/**
 * The exit status that a problem at an image stands for. Wrong use that shows only behind the first request, as credentials
 * that cannot be read, says nothing about the image: 3.
 */
export function exitOfProblem(code: string): ExitCode {
  const known = Object.entries(ERROR_CODES).find(([name]) => name === code);
  const exit = known?.[1].exit ?? 70;
  return exit === 2 ? 3 : exit;
}
