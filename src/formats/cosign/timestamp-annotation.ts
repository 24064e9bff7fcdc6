import { isCountersignError } from "../../model/errors.ts";
import { LIMITS } from "../../model/limits.ts";
import { parseStrictJson } from "../../model/strict-json.ts";
import { responseOf, tokenOf } from "../../trust/time-stamp-response.ts";
import { decodeBase64, encodeBase64 } from "../base64.ts";

const MEMBER = "SignedRFC3161Timestamp";

/** The value of `dev.sigstore.cosign/rfc3161timestamp` for a DER TimeStampToken. */
export function encodeTimestamp(token: Uint8Array): string {
  return JSON.stringify({ [MEMBER]: encodeBase64(responseOf(token)) });
}

/**
 * The tokens of the annotation; none where there is none, or where it is `null`. One that cannot be read stands as an empty
 * token, which never verifies: what it is worth is decided only where somebody trusts a time-stamping authority.
 */
export function decodeTimestamps(annotation: string | undefined): readonly Uint8Array[] {
  if (annotation === undefined || annotation.length > 2 * LIMITS.timestamp)
    return annotation === undefined ? [] : [unreadable];
  try {
    const bytes = new TextEncoder().encode(annotation);
    const document = parseStrictJson(bytes, { maxDepth: 4, code: "E_SIGNATURE_MALFORMED", what: "the annotation" });
    if (document === null) return [];
    const found = typeof document === "object" && MEMBER in document ? document[MEMBER] : undefined;
    if (found === null) return [];
    const response = typeof found === "string" ? decodeBase64(found) : undefined;
    return [response === undefined ? unreadable : tokenOf(response)];
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    return [unreadable];
  }
}

const unreadable = new Uint8Array();
