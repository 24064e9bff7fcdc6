import { isCountersignError } from "../model/errors.ts";
import type { LookFailure } from "../model/signature.ts";

/** What a repository threw, as a place that could not be looked at. Anything else is a bug of ours and is thrown on. */
export function lookFailure(error: unknown, place: string): LookFailure {
  if (!isCountersignError(error)) throw error;
  const { code, message, hint, retry } = error;
  return { place, code, message, hint, retry };
}
