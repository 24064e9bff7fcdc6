import type { TimestampTrust } from "../model/policy.ts";
import type { Evidence, Reason, SigningTime } from "../model/signature.ts";
import { type TrustedTime, verifyTimeStamp } from "../trust/time-stamp.ts";

/** What the time stamps of a signature come to. */
export interface Witnessed {
  readonly time: SigningTime;
  /** The first that holds. */
  readonly trusted: TrustedTime | undefined;
  /** Why none of them counts, or that there is none where one is demanded. */
  readonly reasons: readonly Reason[];
}

export const NO_TIME: SigningTime = { source: "none", at: null };

/** How many reasons are told of time stamps that do not hold. */
const TOLD = 3;

/**
 * The time of the first time stamp over a signature that holds and leads to a trusted authority. Of several one is enough; where
 * there are some and none holds, that is a reason: a signature is not better for what was broken beside it.
 */
export function witnessedTime({ signature, timestamps = [] }: Evidence, trust: TimestampTrust): Witnessed {
  const reasons: Reason[] = [];
  for (const token of timestamps) {
    const found = verifyTimeStamp(token, signature, trust);
    if (found.ok) {
      return { time: { source: "rfc3161", at: found.time.at.toISOString() }, trusted: found.time, reasons: [] };
    }
    reasons.push(found.reason);
  }
  if (reasons.length === 0 && trust.required) reasons.push(missing);
  return { time: NO_TIME, trusted: undefined, reasons: reasons.slice(0, TOLD) };
}

const missing: Reason = {
  code: "E_TIMESTAMP_MISSING",
  message: "the signature carries no time stamp, and one is demanded",
};

/** What to say of time stamps that nobody trusts here, beside a certificate that has expired. */
export const unpinned: Reason = {
  code: "E_TIMESTAMP_UNTRUSTED",
  message:
    "the signature carries a time stamp, but no time-stamping authority is trusted here: name its root with --timestamp-roots",
};
