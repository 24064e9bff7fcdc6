import { isCountersignError } from "../model/errors.ts";
import type { Evidence, FormatName, Malformed, Stored } from "../model/signature.ts";

/** Runs a decoder over foreign bytes. Whatever it throws is what is wrong with them: a bad entry never stops a run. */
export function orMalformed(format: FormatName, stored: Stored, decode: () => Evidence): Evidence | Malformed {
  try {
    return decode();
  } catch (error) {
    const reason = isCountersignError(error)
      ? { code: error.code, message: error.message }
      : { code: "E_SIGNATURE_MALFORMED" as const, message: `the signature cannot be decoded: ${String(error)}` };
    return { format, place: stored.place, reason };
  }
}
