import type { Certificate } from "../model/certificate.ts";
import type { Trust } from "../model/policy.ts";
import type { Evidence, Finding, Reason } from "../model/signature.ts";
import { nameOf } from "../trust/certificate-signature.ts";
import { namesRevocationSource } from "../trust/revocation-addresses.ts";

interface Authenticated extends Pick<Finding, "time" | "reasons" | "revocation"> {
  readonly path?: readonly Certificate[] | undefined;
}

/** A time that somebody trusted vouches for, with the path of the authority that stamped it where it was one. */
interface Vouched {
  readonly at: Date;
  readonly path?: readonly Certificate[];
}

/**
 * What was found, and what is known of revocation: of the signer's certificates, and of those of the authority whose time stamp is
 * relied on. Nobody is asked about certificates that lead to no anchor; where they name somebody to ask, that is said.
 */
export async function unrevoked<Found extends Authenticated>(
  found: Found,
  { certificates }: Evidence,
  { revocation: check }: Trust,
  vouched: Vouched | undefined,
): Promise<Found> {
  if (check === undefined) return found;
  const stamper = vouched?.path && (await check(vouched.path, { of: "stamper" }));
  const stamped = (stamper?.reasons ?? []).map(ofTheStamper);
  if (found.path === undefined) {
    const unasked = certificates.find(namesRevocationSource);
    const reasons = unasked === undefined ? stamped : [...stamped, leadsNowhere(unasked)];
    return { ...found, reasons: [...found.reasons, ...reasons] };
  }
  const { reasons, statuses } = await check(found.path, { of: "signer", signedAt: vouched?.at });
  return { ...found, reasons: [...found.reasons, ...reasons, ...stamped], revocation: statuses };
}

function leadsNowhere(certificate: Certificate): Reason {
  const message = `whether ${nameOf(certificate)} is revoked was not asked: it leads to no trusted anchor`;
  return { code: "E_REVOCATION_UNCHECKED", message };
}

function ofTheStamper({ code, message }: Reason): Reason {
  const sentence = `the time stamp does not count: ${message}`;
  return {
    code: code === "E_REVOCATION_UNCHECKED" ? code : "E_TIMESTAMP_UNTRUSTED",
    message: sentence,
    validation: "authenticTimestamp",
  };
}
