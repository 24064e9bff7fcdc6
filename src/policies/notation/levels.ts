import type { Enforcement, ValidationName } from "../../model/policy.ts";
import type { Reason } from "../../model/signature.ts";

export const LEVELS = ["strict", "permissive", "audit", "skip"] as const;
export type Level = (typeof LEVELS)[number];

/** What each level does about each validation (trust-store-trust-policy.md, "Signature Verification details"). */
const actions = {
  strict: both("enforce", "enforce"),
  permissive: both("enforce", "log"),
  audit: both("log", "log"),
} as const satisfies Record<Exclude<Level, "skip">, Enforcement>;

function both(authenticity: "enforce" | "log", rest: "enforce" | "log"): Enforcement {
  return { integrity: "enforce", authenticity, authenticTimestamp: rest, expiry: rest, revocation: rest };
}

/** The actions of a level with a statement's overrides. */
export function enforcementOf(level: Exclude<Level, "skip">, override: Partial<Enforcement>): Enforcement {
  return { ...actions[level], ...override };
}

const validations: Readonly<Partial<Record<Reason["code"], ValidationName>>> = {
  E_CERTIFICATE_UNTRUSTED: "authenticity",
  E_CERTIFICATE_SELF_SIGNED: "authenticity",
  E_IDENTITY_MISMATCH: "authenticity",
  E_CERTIFICATE_EXPIRED: "authenticTimestamp",
  E_CERTIFICATE_NOT_YET_VALID: "authenticTimestamp",
  E_TIMESTAMP_INVALID: "authenticTimestamp",
  E_TIMESTAMP_MISMATCH: "authenticTimestamp",
  E_TIMESTAMP_MISSING: "authenticTimestamp",
  E_TIMESTAMP_UNTRUSTED: "authenticTimestamp",
  E_SIGNATURE_EXPIRED: "expiry",
  E_CERTIFICATE_REVOKED: "revocation",
  E_REVOCATION_UNKNOWN: "revocation",
  E_REVOCATION_UNCHECKED: "revocation",
};

/** The validation that a reason belongs to. What is not listed is integrity, which every level enforces. */
export function validationOf({ code, validation }: Reason): ValidationName {
  return validation ?? validations[code] ?? "integrity";
}
