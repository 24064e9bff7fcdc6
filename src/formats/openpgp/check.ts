import type { Algorithm } from "../../model/algorithm.ts";
import type { Digest } from "../../model/digest.ts";
import type { OpenPgpAttributes, OpenPgpCertificate, OpenPgpKey, OpenPgpMaterial } from "../../model/openpgp.ts";
import type { Trust } from "../../model/policy.ts";
import type { Evidence, Finding, Reason, SignerIdentity } from "../../model/signature.ts";
import { isRevoked } from "../../trust/openpgp/revocation.ts";
import { hashNamed } from "../../trust/openpgp/signature-packet.ts";
import { decodeSignature } from "../../trust/signature-encoding.ts";
import { verifySignature } from "../../trust/verify-signature.ts";
import { subjectReasons } from "../check.ts";
import { NO_TIME } from "../signing-time.ts";
import { ATOMIC_TYPE } from "./payload.ts";

/**
 * Checks one signature against the certificates of `trust.openpgp`: that the key it names is among them, may sign, and made it; that
 * nothing has expired at `at`; that it is about `subject`. Every reason is collected.
 */
export async function checkOpenPgp(evidence: Evidence, subject: Digest, trust: Trust, at: Date): Promise<Finding> {
  const { openpgp: attributes } = evidence;
  const found =
    attributes === undefined
      ? refused("E_SIGNATURE_MALFORMED", "the signature has no signature packet")
      : await authenticate(evidence, attributes, trust, at);
  const lapses = trust.compat?.includes("containers-image") ? [] : (evidence.lapses ?? []);
  return {
    format: evidence.format,
    place: evidence.place,
    reasons: [...lapses, ...found.reasons, ...subjectReasons(evidence, subject), ...typeReasons(evidence)],
    algorithm: found.algorithm,
    signer: found.signer,
    claims: evidence.claims,
    time: NO_TIME,
  };
}

/** As reports name who signed: by the certificate, whichever of its keys did. */
export function openPgpIdentity({ fingerprint, userIds }: OpenPgpCertificate): SignerIdentity {
  return { subject: userIds[0] ?? null, sans: [], issuer: null, fingerprint: `openpgp4fpr:${fingerprint}` };
}

interface Authentication {
  readonly reasons: readonly Reason[];
  readonly algorithm: Algorithm | null;
  readonly signer: SignerIdentity | null;
}

async function authenticate(
  evidence: Evidence,
  attributes: OpenPgpAttributes,
  trust: Trust,
  at: Date,
): Promise<Authentication> {
  const trusted = trust.openpgp ?? [];
  if (trusted.length === 0) return refused("E_CERTIFICATE_UNTRUSTED", "no OpenPGP certificate is trusted here");
  const named = attributes.issuerFingerprint ?? attributes.issuerKeyId;
  if (named === undefined) return refused("E_KEY_MISMATCH", "the signature names no key");
  const candidates = trusted
    .flatMap((certificate) => certificate.keys.map((key): OpenPgpMaterial => ({ certificate, key })))
    .filter(({ key }) => isNamed(key, attributes));
  if (candidates.length === 0) {
    const whose =
      trusted.length === 1 ? `not one of ${trusted[0]?.fingerprint}` : "of none of the trusted certificates";
    return refused("E_KEY_MISMATCH", `the signature names the key ${named}, which is ${whose}`);
  }
  const opinions = await Promise.all(
    candidates.map(async (candidate) => ({
      fingerprint: candidate.key.fingerprint,
      found: await authenticateBy(candidate, evidence, attributes, trust, at),
    })),
  );
  // Of one key an older copy may be there too: what any of them says against it counts, as an expiry that only one has.
  const objections = opinions.filter(({ found }) => found.reasons.length > 0);
  const good = opinions.find(({ fingerprint }) => !objections.some((other) => other.fingerprint === fingerprint));
  return (good ?? objections[0])?.found ?? refused("E_KEY_MISMATCH", "the signature names no key");
}

/** Every name that the signature has for its key must be the key's: two that disagree name nobody. */
function isNamed({ fingerprint, keyId }: OpenPgpKey, { issuerFingerprint, issuerKeyId }: OpenPgpAttributes): boolean {
  return (
    (issuerFingerprint === undefined || issuerFingerprint === fingerprint) &&
    (issuerKeyId === undefined || issuerKeyId === keyId)
  );
}

async function authenticateBy(
  material: OpenPgpMaterial,
  evidence: Evidence,
  attributes: OpenPgpAttributes,
  trust: Trust,
  at: Date,
): Promise<Authentication> {
  const { certificate, key } = material;
  const signer = openPgpIdentity(certificate);
  const named = hashNamed(attributes.hashAlgorithm);
  if ("other" in named) {
    const message = `the signature is made with ${named.other}; SHA-256, SHA-384 and SHA-512 count`;
    return { reasons: [{ code: "E_ALGORITHM_NOT_ALLOWED", message }], algorithm: null, signer };
  }
  const algorithm = key.publicKey.algorithms.find(
    (each) => each === "ed25519" || (!each.startsWith("rsa-pss-") && each.endsWith(named.hash)),
  );
  const signature = decodeSignature(evidence.signature, evidence.encoding, key.publicKey);
  const holds =
    algorithm !== undefined &&
    signature !== undefined &&
    attributes.keyAlgorithm === key.algorithm &&
    (await verifySignature(key.publicKey, algorithm, evidence.presented ?? evidence.signed, signature));
  if (!holds) {
    const message = `the signature names the trusted key ${key.fingerprint}, but it does not verify with it`;
    return { reasons: [{ code: "E_SIGNATURE_INVALID", message }], algorithm: null, signer };
  }
  const reasons: Reason[] = [];
  if (!trust.allowedAlgorithms.includes(algorithm)) {
    const allowed = trust.allowedAlgorithms.join(", ") || "none";
    const message = `the signature verifies, but with ${algorithm}; allowed are ${allowed}`;
    reasons.push({ code: "E_ALGORITHM_NOT_ALLOWED", message });
  }
  if (isRevoked(material, trust.openpgp ?? [])) {
    reasons.push({ code: "E_CERTIFICATE_REVOKED", message: `the OpenPGP key ${key.fingerprint} has been revoked` });
  }
  return { reasons: [...reasons, ...validityReasons(key, attributes, at)], algorithm, signer };
}

/** As gpg 2.2 has it: what an expired key signed counts for nothing, whenever that was. */
function validityReasons(
  { fingerprint, createdAt, expiresAt }: OpenPgpKey,
  signature: OpenPgpAttributes,
  at: Date,
): readonly Reason[] {
  const reasons: Reason[] = [];
  if (expiresAt !== undefined && expiresAt <= at) {
    const message = `the OpenPGP key ${fingerprint} expired at ${expiresAt.toISOString()}`;
    reasons.push({ code: "E_CERTIFICATE_EXPIRED", message });
  }
  if (signature.createdAt < createdAt) {
    const message = `the signature says ${signature.createdAt.toISOString()}, before its key was made`;
    reasons.push({ code: "E_CERTIFICATE_NOT_YET_VALID", message });
  }
  if (signature.expiresAt !== undefined && signature.expiresAt <= at) {
    const message = `the signature expired at ${signature.expiresAt.toISOString()}`;
    reasons.push({ code: "E_SIGNATURE_EXPIRED", message });
  }
  return reasons;
}

function typeReasons({ claims: { type } }: Evidence): readonly Reason[] {
  if (type === ATOMIC_TYPE) return [];
  const message = `critical.type is ${JSON.stringify(type.slice(0, 200))}; an OpenPGP signature has ${JSON.stringify(ATOMIC_TYPE)}`;
  return [{ code: "E_PAYLOAD_TYPE", message }];
}

function refused(code: Reason["code"], message: string): Authentication {
  return { reasons: [{ code, message }], algorithm: null, signer: null };
}
