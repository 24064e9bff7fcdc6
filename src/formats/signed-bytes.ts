import { type Digest, isDigest } from "../model/digest.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import type { Format } from "../model/format.ts";
import { LIMITS } from "../model/limits.ts";
import type { Claims } from "../model/signature.ts";
import { notationFormatOf } from "./notation/format.ts";
import { endsAsSignedPart } from "./openpgp/signed-part.ts";
import { formatNamed } from "./registry.ts";

/** What bytes that were handed to a signer say of themselves. */
export interface SignedBytes {
  readonly format: Format;
  readonly subject: Digest;
  readonly claims: Claims;
}

/** How every DSSE pre-authentication encoding begins; no JSON does. */
const PRE_AUTH = Buffer.from("DSSEv1 ");

/**
 * Tells format and subject of bytes that `Format.signedBytes`, or cosign's `generate`, made: a DSSE pre-authentication encoding is
 * the bundle's, a JWS signing input or a COSE Sig_structure notation's, what ends in the trailer of
 * an OpenPGP signature openpgp's, a simple-signing payload cosign's.
 * @throws E_PAYLOAD_MALFORMED for whatever else, also for bytes about no image or about several; E_PAYLOAD_TYPE, E_TOO_LARGE.
 */
export function describeSignedBytes(bytes: Uint8Array): SignedBytes {
  if (bytes.length > LIMITS.payload) {
    throw new CountersignError("E_TOO_LARGE", `the signed bytes are ${bytes.length}, more than ${LIMITS.payload}`, {
      hint,
    });
  }
  const format = formatOf(bytes);
  const claims = read(format, bytes);
  const [subject, ...others] = claims.digests;
  if (subject === undefined || !isDigest(subject) || others.length > 0) {
    const named = claims.digests.slice(0, 3).join(", ") || "no image";
    throw new CountersignError("E_PAYLOAD_MALFORMED", `the signed bytes are about ${named}; one image belongs there`, {
      hint,
    });
  }
  return { format, subject, claims };
}

function formatOf(bytes: Uint8Array): Format {
  if (Buffer.from(bytes.subarray(0, PRE_AUTH.length)).equals(PRE_AUTH)) return formatNamed("bundle");
  if (endsAsSignedPart(bytes)) return formatNamed("openpgp");
  return notationFormatOf(bytes) ?? formatNamed("cosign");
}

function read(format: Format, bytes: Uint8Array): Claims {
  try {
    return format.readSignedBytes(bytes);
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    throw new CountersignError(error.code, error.message, { cause: error, hint: error.hint ?? hint });
  }
}

const hint = "hand over the bytes that `countersign payload` or `cosign generate` wrote, unchanged";
