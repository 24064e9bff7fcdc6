import { createHash } from "node:crypto";
import type { Certificate } from "../model/certificate.ts";
import type { ErrorCode } from "../model/error-codes.ts";
import { LIMITS } from "../model/limits.ts";
import type { Reason } from "../model/signature.ts";
import { nameOf } from "./certificate-signature.ts";
import { type Element, identifierOf, MalformedDer, octets, oid, sequence, TAG } from "./der.ts";
import { EXTENSION, TIME_STAMPING } from "./extensions.ts";
import { subjectKeyIdentifier } from "./path-building.ts";
import { buildAndValidatePath } from "./path-validation.ts";
import { decodeSignedData, type SignedData, signedDataFault } from "./signed-data.ts";
import { decodeTimeStampInfo, type TimeStampInfo } from "./time-stamp-info.ts";

/** Where the path of a time-stamping authority may end, and help for building it. */
export interface TimeStampAnchors {
  readonly anchors: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
}

/** A time that a trusted authority vouches for: `at`, give or take its accuracy. */
export interface TrustedTime {
  readonly at: Date;
  readonly earliest: Date;
  readonly latest: Date;
  readonly info: TimeStampInfo;
  /** The authority's certificates, its own first, the anchor last; its own alone where no anchor was asked for. */
  readonly path: readonly Certificate[];
}

export type TimeStampResult =
  | { readonly ok: true; readonly time: TrustedTime }
  | { readonly ok: false; readonly reason: Reason };

/** OIDs of id-ct-TSTInfo, and of the attributes that name the signer's certificate (RFC 5035, RFC 2634). */
const TIME_STAMP_INFO = "1.2.840.113549.1.9.16.1.4";
const SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47";
const SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12";

const hashes: Readonly<Record<string, string>> = {
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};

/**
 * Verifies a DER TimeStampToken over `data` (RFC 3161 2.3, 2.4.2): one CMS signer, whose certificate the signed attributes name
 * and whose extended key usage is time stamping, critical and nothing else; the imprint that of `data`; a path to an anchor that is
 * valid at the token's time (RFC 5280 6).
 *
 * @param trust undefined: the path is not looked at, which is for asking an authority that nobody pinned.
 * @returns reasons E_TIMESTAMP_INVALID (malformed, signature, certificate), E_TIMESTAMP_MISMATCH (made over something else),
 * E_TIMESTAMP_UNTRUSTED (no valid path to an anchor).
 */
export function verifyTimeStamp(
  token: Uint8Array,
  data: Uint8Array,
  trust: TimeStampAnchors | undefined,
): TimeStampResult {
  try {
    if (token.length > LIMITS.timestamp) throw new MalformedDer(`${token.length} bytes are more than are read`);
    const signed = decodeSignedData(token, "token");
    if (signed.contentType !== TIME_STAMP_INFO) throw new MalformedDer("what is signed is no time stamp");
    const info = decodeTimeStampInfo(signed.content);
    const signer = signerOf(signed, trust?.intermediates ?? []);
    if (signer === undefined) return refused("E_TIMESTAMP_INVALID", "it does not hold its authority's certificate");
    const fault = signedDataFault(signed, signer) ?? namedCertificateFault(signed, signer) ?? purposeFault(signer);
    if (fault !== undefined) return refused("E_TIMESTAMP_INVALID", fault);
    if (!createHash(info.hash).update(data).digest().equals(info.imprint)) {
      return refused("E_TIMESTAMP_MISMATCH", "it is over something else than this signature");
    }
    return trustedTime(info, signer, signed.certificates, trust);
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
    return refused("E_TIMESTAMP_INVALID", `it cannot be read: ${error.message}`);
  }
}

function trustedTime(
  info: TimeStampInfo,
  signer: Certificate,
  certificates: readonly Certificate[],
  trust: TimeStampAnchors | undefined,
): TimeStampResult {
  const { at, accuracy } = info;
  const earliest = new Date(at.getTime() - accuracy);
  const latest = new Date(at.getTime() + accuracy);
  if (trust === undefined) return { ok: true, time: { at, earliest, latest, info, path: [signer] } };
  const found = buildAndValidatePath(signer, {
    anchors: trust.anchors,
    intermediates: [...trust.intermediates, ...certificates],
    at,
    purpose: { extendedKeyUsage: TIME_STAMPING },
  });
  if (found.ok) return { ok: true, time: { at, earliest, latest, info, path: found.path } };
  return refused(
    "E_TIMESTAMP_UNTRUSTED",
    `its authority is not trusted: ${found.reasons.map(({ message }) => message).join("; ")}`,
  );
}

function signerOf(
  { certificates, signer: { identifier } }: SignedData,
  others: readonly Certificate[],
): Certificate | undefined {
  return [...certificates, ...others].find((certificate) =>
    identifier.kind === "issuer"
      ? certificate.serial === identifier.serial && Buffer.from(certificate.issuer.der).equals(identifier.issuer)
      : subjectKeyIdentifier(certificate)?.equals(identifier.keyIdentifier),
  );
}

/** The first certificate that the signed attribute names must be the signer's: else another of the same key could stand in (RFC 2634 5). */
function namedCertificateFault({ signer }: SignedData, { der }: Certificate): string | undefined {
  const second = signer.attributes.get(SIGNING_CERTIFICATE_V2);
  const named = second ?? signer.attributes.get(SIGNING_CERTIFICATE);
  if (named === undefined) return "its signed attributes do not name the certificate of its authority";
  const [first] = sequence(sequence(named, "signing certificate")[0], "signing certificate");
  const parts = [...sequence(first, "signing certificate")];
  const hash = second === undefined ? "sha1" : namedHash(parts);
  const same = octets(parts[0], "hash of the signing certificate").equals(createHash(hash).update(der).digest());
  return same ? undefined : "its signed attributes name another certificate than its authority's";
}

function namedHash(parts: Element[]): string {
  const [first] = parts;
  if (first === undefined || identifierOf(first) !== TAG.sequence) return "sha256";
  parts.shift();
  const id = oid(sequence(first, "hash algorithm")[0], "hash algorithm");
  const hash = hashes[id];
  if (hash === undefined) throw new MalformedDer(`the signing certificate is named by the hash ${id}`);
  return hash;
}

/** RFC 3161 2.3: a key that stamps times does nothing else. */
function purposeFault(signer: Certificate): string | undefined {
  const [purpose, ...others] = signer.extendedKeyUsage ?? [];
  const critical = signer.extensions.some(({ oid, critical }) => oid === EXTENSION.extendedKeyUsage && critical);
  if (purpose === TIME_STAMPING && others.length === 0 && critical) return undefined;
  return `${nameOf(signer)} is not for time stamping alone, as a critical extended key usage`;
}

function refused(code: ErrorCode, why: string): TimeStampResult {
  return { ok: false, reason: { code, message: `the time stamp does not count: ${why}` } };
}
