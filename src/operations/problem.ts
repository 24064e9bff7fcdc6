import { asCountersignError } from "../model/errors.ts";
import type { LookFailure } from "../model/signature.ts";
import type { Problem } from "../reports/report.ts";

/** Any thrown value as reports write it. */
export function problemOf(error: unknown, place: string | null = null): Problem {
  const { code, message, hint, retry } = asCountersignError(error);
  return { code, message, hint: hint ?? null, retry, place };
}

/** A place that could not be looked at, as reports write it. */
export function problemOfFailure(failure: LookFailure): Problem {
  const { code, message, hint, retry, place } = failure;
  return { code, message, hint: hint ?? null, retry, place };
}
