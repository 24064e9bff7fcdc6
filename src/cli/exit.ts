import type { ExitCode } from "../model/error-codes.ts";
import { exitOfProblem } from "../reports/outcome.ts";
import type { AttachReport, ListReport, Problem, PromoteReport, SignReport, VerifyReport } from "../reports/report.ts";

/** 0 all trusted; 1 an image untrusted or unsigned; 3 else; 70 whatever else there is when a bug of ours stopped an image. */
export function exitOfVerify(report: VerifyReport): ExitCode {
  if (report.images.some(({ errors }) => errors.some(({ code }) => exitOfProblem(code) === 70))) return 70;
  if (report.verdict === "trusted") return 0;
  return report.verdict === "undetermined" ? 3 : 1;
}

/** 0 every image carries its signatures; else the worst of what went wrong, where 1 beats 3. */
export function exitOfSign(report: SignReport | AttachReport): ExitCode {
  return worst(report.images.flatMap(({ errors }) => errors));
}

/** 0 every image is where it shall be, or planned to be; else the worst of what went wrong, where 1 beats 3. */
export function exitOfPromote(report: PromoteReport): ExitCode {
  return worst(report.images.flatMap(({ errors }) => errors));
}

export function exitOfList(report: ListReport): ExitCode {
  return worst(report.images.flatMap(({ errors }) => errors));
}

function worst(problems: readonly Problem[]): ExitCode {
  const exits = new Set(problems.map((problem) => exitOfProblem(problem.code)));
  for (const exit of [70, 1, 3] as const) if (exits.has(exit)) return exit;
  return 0;
}
