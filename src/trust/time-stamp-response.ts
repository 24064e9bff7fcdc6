import { createHash } from "node:crypto";
import type { HashName } from "../model/algorithm.ts";
import { CountersignError } from "../model/errors.ts";
import {
  bitString,
  decodeDer,
  encodingOf,
  identifierOf,
  inside,
  integerBytes,
  MalformedDer,
  sequence,
  smallInteger,
  TAG,
  text,
} from "./der.ts";
import { element, integerOf, oidOf, sequenceOf } from "./der-writer.ts";
import { hashIdentifier } from "./hash-identifiers.ts";

/** A request for a time stamp, as its answer is held against it. */
export interface TimeStampRequest {
  readonly der: Uint8Array;
  readonly hash: HashName;
  readonly imprint: Uint8Array;
  /** Big-endian, no leading zero octet. */
  readonly nonce: Uint8Array;
}

/**
 * A TimeStampReq (RFC 3161 2.4.1) for `data`, which is only hashed: version 1, with the nonce, and asking for the certificates.
 * @param random 16 octets at least; the first bit is not used.
 * @param policy dotted OID that the time stamp is to be issued under.
 */
export function encodeTimeStampRequest(
  data: Uint8Array,
  hash: HashName,
  random: Uint8Array,
  policy?: string,
): TimeStampRequest {
  const imprint = new Uint8Array(createHash(hash).update(data).digest());
  const nonce = Uint8Array.from(random);
  // Positive, and as long as the randomness is.
  nonce[0] = ((nonce[0] ?? 0) & 0x7f) | 0x40;
  const der = sequenceOf(
    integerOf(Uint8Array.of(1)),
    sequenceOf(hashIdentifier(hash), element(TAG.octetString, imprint)),
    ...(policy === undefined ? [] : [oidOf(policy)]),
    integerOf(nonce),
    element(TAG.boolean, Uint8Array.of(0xff)),
  );
  return { der, hash, imprint, nonce };
}

/**
 * The DER TimeStampToken of a TimeStampResp (RFC 3161 2.4.2), nothing of it verified.
 * @throws E_TIMESTAMP_SERVICE when the authority grants none, or the answer is no such response.
 */
export function readTimeStampResponse(der: Uint8Array): Uint8Array {
  try {
    const [status, token, ...others] = sequence(decodeDer(der, "response"), "response");
    const [number, ...details] = sequence(status, "status");
    const granted = smallInteger(integerBytes(number, "status"), "status");
    if (granted > 1) throw refused(granted, details);
    if (token === undefined || others.length > 0) throw new MalformedDer("response holds no token, or more than one");
    return encodingOf(token);
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
    throw new CountersignError(
      "E_TIMESTAMP_SERVICE",
      `what the time-stamping authority answers is no time stamp: ${error.message}`,
      {
        hint: "check that --timestamp-url is the address of an RFC 3161 service",
        retry: false,
      },
    );
  }
}

const statuses = [
  "granted",
  "granted with changes",
  "rejection",
  "waiting",
  "revocation warning",
  "revocation notification",
];

/** Bits of PKIFailureInfo. */
const failures: Readonly<Record<number, string>> = {
  0: "it does not take this hash algorithm",
  2: "it does not permit the request",
  5: "it could not read the request",
  14: "its clock is not available",
  15: "it does not issue under this policy",
  16: "it knows no such extension",
  17: "it cannot say what was asked for",
  25: "its own fault",
};

function refused(status: number, details: readonly ReturnType<typeof decodeDer>[]): CountersignError {
  const words = details
    .filter((detail) => identifierOf(detail) === TAG.sequence)
    .flatMap((detail) => inside(detail, "status text").map((part) => text(part) ?? ""))
    .join(" ")
    .replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ")
    .slice(0, 200);
  const flags = details
    .filter((detail) => identifierOf(detail) === TAG.bitString)
    .map((detail) => bitString(detail, "failure").bytes);
  const whys = Object.entries(failures).flatMap(([bit, why]) =>
    flags.some((bytes) => ((bytes[Number(bit) >> 3] ?? 0) & (0x80 >> (Number(bit) & 7))) !== 0) ? [why] : [],
  );
  const said = [statuses[status] ?? `status ${status}`, ...whys, ...(words === "" ? [] : [JSON.stringify(words)])].join(
    ": ",
  );
  const passing = whys.some((why) => why === failures[14] || why === failures[25]);
  return new CountersignError("E_TIMESTAMP_SERVICE", `the time-stamping authority grants no time stamp: ${said}`, {
    hint: passing ? "try again later" : "check what the authority permits, or name another with --timestamp-url",
    retry: passing,
  });
}

/** A granted TimeStampResp around a token: what cosign and Sigstore bundles store. */
export function responseOf(token: Uint8Array): Uint8Array {
  return sequenceOf(sequenceOf(integerOf(Uint8Array.of(0))), token);
}

/** The token in a stored response, or a bare token as it is; what is neither comes back unchanged, and never verifies. */
export function tokenOf(stored: Uint8Array): Uint8Array {
  try {
    const [first, second] = sequence(decodeDer(stored, "time stamp"), "time stamp");
    if (first !== undefined && second !== undefined && identifierOf(first) === TAG.sequence) return encodingOf(second);
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
  }
  return stored;
}
