import type { Certificate } from "../../model/certificate.ts";
import type { Digest } from "../../model/digest.ts";
import { isCountersignError } from "../../model/errors.ts";
import type { ManifestFacts } from "../../model/format.ts";
import type { NotaryAttributes } from "../../model/notary.ts";
import type { Trust } from "../../model/policy.ts";
import type { Evidence, Finding, PublicKey, Reason } from "../../model/signature.ts";
import { certificateSignatureFault, nameOf } from "../../trust/certificate-signature.ts";
import { buildAndValidatePath, type PathResult, validityFaults } from "../../trust/path-validation.ts";
import { publicKeyFrom } from "../../trust/public-keys.ts";
import { decodeSignature } from "../../trust/signature-encoding.ts";
import { brokenRules } from "../../trust/verifier-rules.ts";
import { verifySignature } from "../../trust/verify-signature.ts";
import {
  type Authentication,
  authenticateInTime,
  certificateIdentity,
  keyIdentity,
  nothingTrusted,
  type Period,
  subjectReasons,
} from "../check.ts";
import { unrevoked } from "../revocation.ts";
import { NO_TIME } from "../signing-time.ts";
import { algorithmOfKey } from "./algorithms.ts";
import { instantOf } from "./times.ts";

/**
 * Checks a Notary signature by the steps of the specification ("Signature Validation"): integrity, the certificates' profile, a valid
 * path to a trusted anchor at `at` or a trusted key, expiry, and that the descriptor in the payload is the image's. What it
 * forbids and notation lets pass is refused, unless `trust.compat` names notation.
 */
export async function checkNotary(
  evidence: Evidence,
  subject: Digest,
  trust: Trust,
  at: Date,
  facts?: Promise<ManifestFacts | undefined>,
): Promise<Finding> {
  const lenient = isLenient(trust);
  const { reasons, path: _, ...authentication } = await inTime(evidence, trust, at);
  return {
    format: evidence.format,
    place: evidence.place,
    reasons: [
      ...(lenient ? [] : (evidence.lapses ?? [])),
      ...reasons,
      ...attributeReasons(evidence, trust, at),
      ...subjectReasons(evidence, subject),
      ...manifestReasons(evidence, await facts),
    ],
    ...authentication,
    claims: evidence.claims,
  };
}

/**
 * Integrity alone, whoever is trusted: the signature by the key of its leaf with the one algorithm that the specification has for
 * such a key, which the header must name, and the certificates in order and as their profile asks.
 */
export async function integrityReasons(evidence: Evidence, lenient: boolean): Promise<readonly Reason[]> {
  const [leaf] = evidence.certificates;
  if (leaf === undefined)
    return [{ code: "E_CERTIFICATE_MISSING", message: "the signature comes without a certificate" }];
  const key = keyOf(leaf);
  if ("code" in key) return [key];
  return [...(await signatureReasons(key, evidence, undefined)), ...profileReasons(evidence.certificates, lenient)];
}

/** A signing authority's own time is as good as a time stamp; it is asked for none. */
async function inTime(evidence: Evidence, trust: Trust, at: Date): ReturnType<typeof authenticateInTime> {
  const { authenticSigningTime: signed } = attributesOf(evidence);
  if (!trust.signingAuthorities || signed === undefined) return authenticateInTime(evidence, trust, at, authenticate);
  const found = await authenticate(evidence, trust, { at: signed, until: signed });
  return unrevoked({ ...found, time: NO_TIME }, evidence, trust, { at: signed });
}

async function authenticate(evidence: Evidence, trust: Trust, period: Period): Promise<Authentication> {
  const lenient = isLenient(trust);
  const [leaf, ...issuers] = evidence.certificates;
  if (leaf === undefined) return refused({ code: "E_CERTIFICATE_MISSING", message: "it comes without a certificate" });
  const key = keyOf(leaf);
  if ("code" in key) return { ...refused(key), signer: certificateIdentity(leaf) };
  const algorithm = algorithmOfKey(key)?.algorithm ?? null;
  const signature = await signatureReasons(key, evidence, trust);
  const trusted = trust.keys.find(({ spki }) => Buffer.compare(spki, key.spki) === 0);
  if (trusted !== undefined) return { reasons: signature, algorithm, signer: keyIdentity(trusted) };
  if (trust.anchors.length === 0) {
    const other = trust.keys.length > 1 ? `none of the ${trust.keys.length} trusted keys` : "not the trusted key";
    const message = `the signature comes with ${nameOf(leaf)}, whose key is ${other}`;
    const reason: Reason = trust.keys.length === 0 ? nothingTrusted : { code: "E_KEY_MISMATCH", message };
    return { reasons: [reason, ...signature], algorithm, signer: certificateIdentity(leaf) };
  }
  const path = pathOf(leaf, issuers, trust, period);
  const pathReasons = path.ok ? [] : path.reasons;
  const told = new Set(pathReasons.map(({ code }) => code));
  const others = [...signature, ...profileReasons(evidence.certificates, lenient)];
  return {
    reasons: [
      ...pathReasons,
      ...others.filter(({ code }) => !told.has(code)),
      ...(path.path === undefined ? untimely(evidence.certificates, period, pathReasons) : []),
    ],
    algorithm,
    signer: certificateIdentity(leaf),
    // Who signed is known even where the time is wrong, which a policy may let pass.
    ...(path.path && { certificate: leaf }),
    path: path.path,
  };
}

/** Every certificate of the envelope must be valid in time, whether or not the path through them is trusted. */
function untimely(chain: readonly Certificate[], { at, until }: Period, told: readonly Reason[]): readonly Reason[] {
  const known = new Set(told.map(({ message }) => message));
  return chain.flatMap((one) => validityFaults(one, at, until)).filter(({ message }) => !known.has(message));
}

/** The specification asks for no purpose of its own: its profile of certificates says which are forbidden. */
function pathOf(leaf: Certificate, issuers: readonly Certificate[], trust: Trust, { at, until }: Period): PathResult {
  return buildAndValidatePath(leaf, {
    anchors: trust.anchors,
    intermediates: [...trust.intermediates, ...issuers],
    at,
    until,
    purpose: { extendedKeyUsage: undefined },
    allowLeafAnchor: trust.allowLeafAnchor ?? isLenient(trust),
  });
}

function isLenient({ compat }: Trust): boolean {
  return compat?.includes("notation") ?? false;
}

function keyOf(leaf: Certificate): PublicKey | Reason {
  try {
    return publicKeyFrom(leaf.publicKey);
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    return { code: error.code, message: error.message };
  }
}

async function signatureReasons(key: PublicKey, evidence: Evidence, trust: Trust | undefined): Promise<Reason[]> {
  const own = algorithmOfKey(key)?.algorithm;
  if (own === undefined) {
    return [
      { code: "E_KEY_UNSUPPORTED", message: "the key of its certificate is of no kind that the specification has" },
    ];
  }
  const named = attributesOf(evidence).algorithm;
  if (named !== own) {
    const message = `the signature names ${named}; the key of its certificate signs with ${own}`;
    return [{ code: "E_SIGNATURE_INVALID", message }];
  }
  const signature = decodeSignature(evidence.signature, evidence.encoding, key);
  const salt = evidence.format === "notation-cose" ? "hash" : "any";
  if (signature === undefined || !(await verifySignature(key, own, evidence.signed, signature, salt))) {
    return [{ code: "E_SIGNATURE_INVALID", message: "the signature does not verify with the key of its certificate" }];
  }
  if (trust === undefined || trust.allowedAlgorithms.includes(own)) return [];
  const message = `the signature verifies, but with ${own}; allowed are ${trust.allowedAlgorithms.join(", ") || "none"}`;
  return [{ code: "E_ALGORITHM_NOT_ALLOWED", message }];
}

/** Order of the chain, and the profile of its certificates. */
function profileReasons(chain: readonly Certificate[], lenient: boolean): readonly Reason[] {
  const disorder = chain.slice(1).flatMap((issuer, position) => {
    const child = chain[position];
    const fault = child && certificateSignatureFault(child, issuer.publicKey);
    return fault === undefined ? [] : [fault];
  });
  if (disorder.length > 0) return disorder.slice(0, 1);
  return brokenRules("notation", chain)
    .filter(({ severity, rule }) => severity === "error" || (!lenient && rule === "leaf-extended-key-usage"))
    .map(({ code, message }) => ({ code, message }));
}

function attributeReasons(evidence: Evidence, trust: Trust, at: Date): readonly Reason[] {
  const { scheme, expiry, signingTime, verificationPlugin } = attributesOf(evidence);
  const reasons: Reason[] = [];
  if (verificationPlugin !== undefined) {
    const name = JSON.stringify(verificationPlugin.name.slice(0, 120));
    const message = `the signature asks for the verification plugin ${name}, and plugins of verifiers are not run`;
    reasons.push({ code: "E_VERIFICATION_PLUGIN", message });
  }
  if ((scheme === "notary.x509.signingAuthority") !== (trust.signingAuthorities ?? false)) {
    const message = trust.signingAuthorities
      ? "it is not made under the scheme of signing authorities, which alone are trusted here"
      : "it is made under the scheme of signing authorities, and none is trusted here";
    reasons.push({ code: "E_CERTIFICATE_UNTRUSTED", message });
  }
  if (expiry !== undefined && at >= expiry) {
    const message = `the signature expired at ${instantOf(expiry)} (checked at ${instantOf(at)})`;
    reasons.push({ code: "E_SIGNATURE_EXPIRED", message });
  }
  const outside = evidence.certificates.find(
    ({ notBefore, notAfter }) => signingTime < notBefore || signingTime > notAfter,
  );
  if (!isLenient(trust) && outside !== undefined) {
    const code = signingTime < outside.notBefore ? "E_CERTIFICATE_NOT_YET_VALID" : "E_CERTIFICATE_EXPIRED";
    const message = `it says that it was made at ${instantOf(signingTime)}, when ${nameOf(outside)} was not valid`;
    reasons.push({ code, message });
  }
  return reasons;
}

function manifestReasons({ claims: { manifest } }: Evidence, facts: ManifestFacts | undefined): readonly Reason[] {
  if (manifest === undefined || facts === undefined) return [];
  if (manifest.mediaType === facts.mediaType && manifest.size === facts.size) return [];
  const claimed = `${JSON.stringify(manifest.mediaType.slice(0, 120))} of ${manifest.size} bytes`;
  const message = `the signature is about ${claimed}; the image's manifest is ${facts.mediaType} of ${facts.size} bytes`;
  return [{ code: "E_SUBJECT_MISMATCH", message }];
}

function attributesOf({ notary }: Evidence): NotaryAttributes {
  if (notary === undefined) throw new TypeError("this is no evidence of a Notary signature");
  return notary;
}

function refused(reason: Reason): Authentication {
  return { reasons: [reason], algorithm: null, signer: null };
}
