import { createHash } from "node:crypto";
import type { Algorithm } from "../model/algorithm.ts";
import type { Certificate } from "../model/certificate.ts";
import type { Digest } from "../model/digest.ts";
import { isCountersignError } from "../model/errors.ts";
import type { Trust } from "../model/policy.ts";
import type { Evidence, Finding, PublicKey, Reason, SignerIdentity } from "../model/signature.ts";
import { CODE_SIGNING } from "../trust/extensions.ts";
import { buildAndValidatePath } from "../trust/path-validation.ts";
import { publicKeyFrom } from "../trust/public-keys.ts";
import { matchAlgorithm } from "../trust/verify-signature.ts";
import { encodeBase64 } from "./base64.ts";
import { unrevoked } from "./revocation.ts";
import { NO_TIME, unpinned, witnessedTime } from "./signing-time.ts";

/** What a format's image signatures say they are, and the code for one that says something else. */
export interface ExpectedType {
  readonly type: string;
  readonly code: "E_PAYLOAD_TYPE" | "E_PREDICATE_TYPE";
  /** `critical.type` or `predicateType`. */
  readonly member: string;
}

/** Who made a signature and how, or why that could not be established. */
export interface Authentication {
  readonly reasons: readonly Reason[];
  readonly algorithm: Algorithm | null;
  readonly signer: SignerIdentity | null;
  readonly certificate?: Certificate | undefined;
  /** To the anchor; also where nothing is wrong with it but the time. */
  readonly path?: readonly Certificate[] | undefined;
}

/**
 * Checks one piece of evidence: that a trusted key made the signature, or a certificate on a valid path to a trusted anchor at
 * `at`, or at the time of a trusted time stamp; that its claims name `subject`; that they are those of an image signature. Every reason is collected, and
 * nothing that the evidence says decides what is tried.
 */
export async function checkEvidence(
  evidence: Evidence,
  subject: Digest,
  trust: Trust,
  at: Date,
  expected: ExpectedType,
): Promise<Finding> {
  const { reasons, path: _, ...authentication } = await authenticateInTime(evidence, trust, at, authenticate);
  return {
    format: evidence.format,
    place: evidence.place,
    reasons: [...reasons, ...subjectReasons(evidence, subject), ...typeReasons(evidence, expected)],
    ...authentication,
    claims: evidence.claims,
  };
}

/** The time, or the span of one, at which a path must be valid. */
export interface Period {
  readonly at: Date;
  readonly until: Date;
}

/** What came of authentication, the time it was for, and of the question whether anything is revoked. */
export type InTime = Authentication & Pick<Finding, "time" | "revocation">;

/**
 * At the time of a trusted time stamp where there is one, else at `at`: what was signed while a certificate was valid stays signed
 * when it has expired.
 */
export async function authenticateInTime(
  evidence: Evidence,
  trust: Trust,
  at: Date,
  authenticate: (evidence: Evidence, trust: Trust, period: Period) => Promise<Authentication>,
): Promise<InTime> {
  const stamps = trust.timestamps;
  const now = { at, until: at };
  if (stamps === undefined || stamps.when === "after-expiry") {
    const found = await authenticate(evidence, trust, now);
    const expired = found.reasons.some(({ code }) => code === "E_CERTIFICATE_EXPIRED");
    if (!expired) return unrevoked({ ...found, time: NO_TIME }, evidence, trust, undefined);
    if (stamps === undefined) {
      const told = evidence.timestamps?.length ? [unpinned] : [];
      return unrevoked({ ...found, reasons: [...found.reasons, ...told], time: NO_TIME }, evidence, trust, undefined);
    }
  }
  const { time, trusted, reasons } = witnessedTime(evidence, stamps);
  const period = trusted === undefined ? now : { at: trusted.earliest, until: trusted.latest };
  const found = await authenticate(evidence, trust, period);
  return unrevoked({ ...found, reasons: [...found.reasons, ...reasons], time }, evidence, trust, trusted);
}

async function authenticate(evidence: Evidence, trust: Trust, period: Period): Promise<Authentication> {
  const byKey = trust.keys.length > 0 ? await authenticateByKey(evidence, trust) : undefined;
  if (byKey?.reasons.length === 0 || trust.anchors.length === 0) return byKey ?? refused(nothingTrusted);
  const byCertificate = await authenticateByCertificate(evidence, trust, period);
  if (byKey === undefined || byCertificate.reasons.length === 0) return byCertificate;
  return { ...byCertificate, reasons: [...byKey.reasons, ...byCertificate.reasons] };
}

export const nothingTrusted: Reason = {
  code: "E_CERTIFICATE_UNTRUSTED",
  message: "no key and no anchor is trusted here",
};

async function authenticateByKey(evidence: Evidence, trust: Trust): Promise<Authentication> {
  const [leaf] = evidence.certificates;
  const claimed = trust.keys.filter((key) => isNamedBy(key, evidence, leaf));
  for (const key of [...claimed, ...trust.keys.filter((key) => !claimed.includes(key))]) {
    const found = await verifyWith(key, evidence, trust);
    if (found !== undefined) return { ...found, signer: keyIdentity(key) };
  }
  if (claimed.length > 0) {
    const names = claimed.map(({ fingerprint }) => fingerprint).join(", ");
    return refused({
      code: "E_SIGNATURE_INVALID",
      message: `the signature names the trusted key ${names}, but it does not verify with it`,
    });
  }
  return {
    ...refused(keyMismatch(evidence, trust, leaf)),
    signer: leaf === undefined ? null : certificateIdentity(leaf),
  };
}

function keyMismatch(evidence: Evidence, trust: Trust, leaf: Certificate | undefined): Reason {
  const trusted = `none of the ${trust.keys.length} trusted keys`;
  if (leaf !== undefined) {
    const message = `the signature comes with the certificate of ${leaf.subject.text || leaf.fingerprint}, whose key is ${trusted}`;
    return { code: "E_KEY_MISMATCH", message };
  }
  if (evidence.keyHint) {
    const message = `the signature names the key ${JSON.stringify(evidence.keyHint.slice(0, 80))}, which is ${trusted}, and verifies with none`;
    return { code: "E_KEY_MISMATCH", message };
  }
  return {
    code: "E_KEY_MISMATCH",
    message: `the signature verifies with ${trusted}: another key made it, or it was changed since; it names no key to tell these apart`,
  };
}

async function authenticateByCertificate(evidence: Evidence, trust: Trust, period: Period): Promise<Authentication> {
  const [leaf, ...hints] = evidence.certificates;
  if (leaf === undefined) {
    return refused({
      code: "E_CERTIFICATE_MISSING",
      message: "the signature comes without a certificate, so no anchor can vouch for its key",
    });
  }
  const path = buildAndValidatePath(leaf, {
    anchors: trust.anchors,
    intermediates: [...trust.intermediates, ...hints],
    ...period,
    allowLeafAnchor: trust.allowLeafAnchor,
    purpose: { extendedKeyUsage: CODE_SIGNING },
  });
  const signature = await verifyWithLeaf(leaf, evidence, trust);
  const pathReasons = path.ok ? [] : path.reasons;
  const told = new Set(pathReasons.map(({ code }) => code));
  const reasons = [...pathReasons, ...signature.reasons.filter(({ code }) => !told.has(code))];
  return {
    reasons,
    algorithm: signature.algorithm,
    signer: certificateIdentity(leaf),
    ...(path.ok ? { certificate: leaf } : {}),
    path: path.path,
  };
}

async function verifyWithLeaf(leaf: Certificate, evidence: Evidence, trust: Trust): Promise<Authentication> {
  try {
    const found = await verifyWith(publicKeyFrom(leaf.publicKey), evidence, trust);
    return (
      found ??
      refused({
        code: "E_SIGNATURE_INVALID",
        message: `the signature does not verify with the key of its certificate, ${leaf.subject.text || leaf.fingerprint}`,
      })
    );
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    return refused({ code: error.code, message: error.message });
  }
}

/** Undefined when the key did not make the signature with anything that its type permits. */
async function verifyWith(
  key: PublicKey,
  { signed, signature }: Evidence,
  trust: Trust,
): Promise<Authentication | undefined> {
  const allowed = await matchAlgorithm(key, trust.allowedAlgorithms, signed, signature);
  if (allowed !== undefined) return { reasons: [], algorithm: allowed, signer: null };
  const others = key.algorithms.filter((algorithm) => !trust.allowedAlgorithms.includes(algorithm));
  const other = await matchAlgorithm(key, others, signed, signature);
  if (other === undefined) return undefined;
  const message = `the signature verifies, but with ${other}; allowed are ${trust.allowedAlgorithms.join(", ") || "none"}`;
  return { reasons: [{ code: "E_ALGORITHM_NOT_ALLOWED", message }], algorithm: other, signer: null };
}

function isNamedBy(key: PublicKey, { keyHint }: Evidence, leaf: Certificate | undefined): boolean {
  if (leaf !== undefined) return Buffer.from(leaf.spki).equals(key.spki);
  return keyHint !== undefined && keyHint === keyHintOf(key);
}

/** How cosign names a bare key in a bundle: base64 of the SHA-256 over its DER SubjectPublicKeyInfo. */
export function keyHintOf({ spki }: PublicKey): string {
  return encodeBase64(createHash("sha256").update(spki).digest());
}

export function subjectReasons({ claims }: Evidence, subject: Digest): Reason[] {
  if (claims.digests.includes(subject)) return [];
  const named = claims.digests.slice(0, 3).join(", ") || "no image";
  return [{ code: "E_SUBJECT_MISMATCH", message: `the signature is about ${named}, not about ${subject}` }];
}

function typeReasons({ claims }: Evidence, { type, code, member }: ExpectedType): Reason[] {
  if (claims.type === type) return [];
  const message = `${member} is ${JSON.stringify(claims.type.slice(0, 200))}; an image signature has ${JSON.stringify(type)}`;
  return [{ code, message }];
}

function refused(reason: Reason): Authentication {
  return { reasons: [reason], algorithm: null, signer: null };
}

export function keyIdentity({ fingerprint }: PublicKey): SignerIdentity {
  return { subject: null, sans: [], issuer: null, fingerprint };
}

export function certificateIdentity({
  subject,
  alternativeNames,
  oidcIssuer,
  fingerprint,
}: Certificate): SignerIdentity {
  return {
    subject: subject.text,
    sans: alternativeNames.map(({ value }) => value),
    issuer: oidcIssuer ?? null,
    fingerprint,
  };
}
