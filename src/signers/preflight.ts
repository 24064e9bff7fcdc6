import type { Certificate } from "../model/certificate.ts";
import type { ErrorCode } from "../model/error-codes.ts";
import { CountersignError } from "../model/errors.ts";
import type { PublicKey, Reason } from "../model/signature.ts";
import { nameOf } from "../trust/certificate-signature.ts";
import { CODE_SIGNING } from "../trust/extensions.ts";
import { sameName } from "../trust/names.ts";
import { isSelfIssued } from "../trust/path-building.ts";
import { buildAndValidatePath, leafFaults, type PathResult, selfSignedFault } from "../trust/path-validation.ts";

export interface SigningChainOptions {
  /** Of the signing key. */
  readonly publicKey: PublicKey;
  /** Leaf and issuers in any order, with or without the root. */
  readonly certificates: readonly Certificate[];
  /** Where verifiers let the path end, if the caller says so; else the path may end where the certificates do. */
  readonly anchors?: readonly Certificate[] | undefined;
  readonly at: Date;
  /** OID that extended key usages must permit; code signing unless told, null for formats that ask for none. */
  readonly purpose?: string | null | undefined;
}

export interface SigningChain {
  /** Leaf first, each issued by the next; the root last if it was handed over. */
  readonly chain: readonly Certificate[];
  readonly warnings: readonly Reason[];
}

const SOON = 24 * 60 * 60 * 1000;

/**
 * Puts the certificates of a signing key in order and holds them to what a verifier will ask: the leaf has this key, each
 * certificate is signed by the next, all are valid now, key usage and extended key usage (code signing) permit it. Run
 * before the first request. Warned about: certificates that belong to another path, an end that is no root, and an end of
 * validity within a day.
 * @throws with exit status 2: E_CERTIFICATE_MISSING, E_CERTIFICATE_KEY_MISMATCH, and the codes of buildAndValidatePath.
 */
export function checkSigningChain({
  publicKey,
  certificates,
  anchors,
  at,
  purpose = CODE_SIGNING,
}: SigningChainOptions): SigningChain {
  const extendedKeyUsage = purpose ?? undefined;
  const leaf = findLeaf(publicKey, certificates);
  const others = certificates.filter(({ fingerprint }) => fingerprint !== leaf.fingerprint);
  const result =
    anchors === undefined
      ? ownPath(leaf, others, at, extendedKeyUsage)
      : pathTo(leaf, anchors, others, at, extendedKeyUsage);
  if (!result.ok) throw refusal(result.reasons);
  const supplied = new Set(certificates.map(({ fingerprint }) => fingerprint));
  const chain = result.path.filter(({ fingerprint }) => supplied.has(fingerprint));
  return { chain, warnings: warningsAbout(chain, result.path, others, at) };
}

function findLeaf(publicKey: PublicKey, certificates: readonly Certificate[]): Certificate {
  if (certificates.length === 0) {
    throw new CountersignError("E_CERTIFICATE_MISSING", "no certificate was handed over for the key", {
      exit: 2,
      hint: "add --certificate with the certificate of the signing key",
    });
  }
  const matching = certificates.filter(({ spki }) => Buffer.compare(spki, publicKey.spki) === 0);
  // An authority renewed with the key of a leaf is odd, but the one that is no authority is the one to sign with.
  const leaf = matching.find(({ basicConstraints }) => basicConstraints?.ca !== true) ?? matching[0];
  if (leaf !== undefined) return leaf;
  const named = certificates.slice(0, 3).map(nameOf).join(", ");
  throw new CountersignError("E_CERTIFICATE_KEY_MISMATCH", `the signing key belongs to none of: ${named}`, {
    exit: 2,
    hint: "hand over the certificate that was issued for this key, or the key of this certificate",
  });
}

function pathTo(
  leaf: Certificate,
  anchors: readonly Certificate[],
  intermediates: readonly Certificate[],
  at: Date,
  extendedKeyUsage: string | undefined,
): PathResult {
  return buildAndValidatePath(leaf, { anchors, intermediates, at, purpose: { extendedKeyUsage } });
}

/** The path inside the certificates handed over, up to where they end; the leaf alone when they end there. */
function ownPath(
  leaf: Certificate,
  others: readonly Certificate[],
  at: Date,
  extendedKeyUsage: string | undefined,
): PathResult {
  const selfSigned = selfSignedFault(leaf, []);
  if (selfSigned !== undefined) return { ok: false, reasons: [selfSigned] };
  const roots = others.filter(isSelfIssued);
  const toRoot = pathTo(leaf, roots, others, at, extendedKeyUsage);
  if (toRoot.ok || toRoot.reasons.some(({ code }) => code !== "E_CERTIFICATE_UNTRUSTED")) return toRoot;
  // Without a root, each of the others may be where the path ends: the longest one that holds is meant.
  const ends = others.filter((certificate) => !isSelfIssued(certificate));
  const paths = ends.map((end) => pathTo(leaf, [end], ends, at, extendedKeyUsage));
  const whole = paths.flatMap((result) => (result.ok ? [result] : []));
  const longest = whole.sort((one, other) => other.path.length - one.path.length)[0];
  if (longest !== undefined) return unlessNamesake(longest, others);
  const broken = paths.find(
    (result) => !result.ok && result.reasons.some(({ code }) => code !== "E_CERTIFICATE_UNTRUSTED"),
  );
  if (broken !== undefined) return broken;
  const faults = leafFaults(leaf, at, extendedKeyUsage);
  return faults.length === 0 ? unlessNamesake({ ok: true, path: [leaf] }, others) : { ok: false, reasons: faults };
}

/** A path may end early for want of an issuer; not beside one of the issuer's name whose key did not sign. */
function unlessNamesake(found: PathResult & { ok: true }, others: readonly Certificate[]): PathResult {
  const last = found.path.at(-1);
  const namesake = others.find(
    (other) => last !== undefined && !found.path.includes(other) && sameName(other.subject, last.issuer),
  );
  if (last === undefined || namesake === undefined) return found;
  const message = `${nameOf(last)} is not signed by the key of ${nameOf(namesake)} (${namesake.fingerprint}), which has its issuer's name`;
  return { ok: false, reasons: [{ code: "E_CERTIFICATE_SIGNATURE", message }] };
}

function warningsAbout(
  chain: readonly Certificate[],
  path: readonly Certificate[],
  others: readonly Certificate[],
  at: Date,
): readonly Reason[] {
  const inPath = new Set(path.map(({ fingerprint }) => fingerprint));
  const warnings = others
    .filter(({ fingerprint }) => !inPath.has(fingerprint))
    .map(
      (stranger): Reason => ({
        code: "E_CERTIFICATE_UNTRUSTED",
        message: `${nameOf(stranger)} is not part of the signing certificate's path and is left out`,
      }),
    );
  const last = path.at(-1);
  if (last !== undefined && path.length === chain.length && !isSelfIssued(last)) {
    const issuer = JSON.stringify(last.issuer.text.slice(0, 200));
    warnings.push({
      code: "E_CERTIFICATE_MISSING",
      message: `the issuer ${issuer} of ${nameOf(last)} was not handed over: verifiers must have it as an anchor`,
    });
  }
  const first = [...path].sort((one, other) => one.notAfter.getTime() - other.notAfter.getTime())[0];
  if (first !== undefined && first.notAfter.getTime() - at.getTime() < SOON) {
    const end = first.notAfter.toISOString().replace(".000Z", "Z");
    warnings.push({
      code: "E_CERTIFICATE_EXPIRED",
      message: `${nameOf(first)} expires at ${end}: without a time stamp its signatures verify no longer than that`,
    });
  }
  return warnings;
}

const hints: Partial<Record<ErrorCode, string>> = {
  E_CERTIFICATE_EXPIRED: "renew the certificate, or correct this machine's clock",
  E_CERTIFICATE_NOT_YET_VALID: "wait, issue it with an earlier start, or correct this machine's clock",
  E_CERTIFICATE_USAGE: "issue it with key usage digitalSignature and extended key usage codeSigning",
  E_CERTIFICATE_CONSTRAINT: "issue it as its authority permits, or from an authority that permits it",
  E_CERTIFICATE_SIGNATURE: "hand over the certificates that really issued one another, signed with SHA-256 or better",
  E_CERTIFICATE_SELF_SIGNED: "sign with a certificate that a root or intermediate issued, or with --key alone",
  E_CERTIFICATE_UNTRUSTED: "add the missing issuers to --certificate-chain",
  E_KEY_WEAK: "use ECDSA on P-256, P-384 or P-521, RSA from 2048 bits, or Ed25519, in every certificate",
};

function refusal(reasons: readonly Reason[]): CountersignError {
  const code = reasons[0]?.code ?? "E_CERTIFICATE_UNTRUSTED";
  const message = reasons.map((reason) => reason.message).join("; ") || "the certificates form no path";
  return new CountersignError(code, message, { exit: 2, hint: hints[code] });
}
