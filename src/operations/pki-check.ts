import type { KeyObject } from "node:crypto";
import type { Certificate } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import type { Reason } from "../model/signature.ts";
import type { PkiCheckReport } from "../reports/pki-report.ts";
import { certificateSignatureFault, nameOf } from "../trust/certificate-signature.ts";
import { CODE_SIGNING } from "../trust/extensions.ts";
import { sameName } from "../trust/names.ts";
import { isSelfSigned } from "../trust/path-building.ts";
import { buildAndValidatePath, leafFaults } from "../trust/path-validation.ts";
import { publicKeyFrom } from "../trust/public-keys.ts";
import { type BrokenRule, brokenRules, mendOf, type VerifierName } from "../trust/verifier-rules.ts";
import { instant, shownCertificate } from "./pki-folder.ts";

export interface PkiCheckOptions {
  /** Leaf and issuers in any order, with or without the root. */
  readonly certificates: readonly Certificate[];
  /** The leaf's key, public or private; without it the first certificate that is no authority is the leaf. */
  readonly key?: KeyObject | undefined;
  readonly verifiers: readonly VerifierName[];
  readonly at: Date;
}

const DAY = 24 * 60 * 60 * 1000;

/**
 * Holds a chain to what each verifier will ask of it, before anything is signed by it: RFC 5280 as `verify` here judges it,
 * and the verifier's own rules. Warned about: an end of validity within 30 days and the last third of a certificate's life,
 * certificates that belong to no chain, a root that is not at hand.
 * @throws with exit status 2: E_CERTIFICATE_KEY_MISMATCH when the key belongs to none of them.
 */
export function checkPki({ certificates, key, verifiers, at }: PkiCheckOptions): PkiCheckReport {
  const leaf = findLeaf(certificates, key);
  const others = certificates.filter(({ fingerprint }) => fingerprint !== leaf.fingerprint);
  const chain = chainOf(leaf, others, at);
  const results = verifiers.map((name) => {
    const reasons = pathFaults(name, leaf, others, chain, at);
    const findings = [
      ...reasons.map((reason): PkiCheckReport["verifiers"][number]["findings"][number] => ({
        severity: "error",
        code: reason.code,
        rule: "certification-path",
        certificate: leaf.subject.text || leaf.fingerprint,
        message: reason.message,
        mend: mendOf(reason),
      })),
      // Where no path holds, that it does not end in a root is no news.
      ...brokenRules(name, chain)
        .filter(({ rule }) => reasons.length === 0 || rule !== "chain-root")
        .map(shownRule),
    ];
    return { name, accepted: findings.every(({ severity }) => severity !== "error"), findings };
  });
  return {
    schemaVersion: 1,
    operation: "pki check",
    at: instant(at),
    accepted: results.every(({ accepted }) => accepted),
    chain: chain.map(shownCertificate),
    verifiers: results,
    warnings: warningsAbout(chain, others, at),
  };
}

function findLeaf(certificates: readonly Certificate[], key: KeyObject | undefined): Certificate {
  const [first] = certificates;
  if (first === undefined) throw new CountersignError("E_USAGE", "no certificate is named", { hint: "name files" });
  if (key === undefined) return certificates.find(({ basicConstraints }) => basicConstraints?.ca !== true) ?? first;
  const { spki } = publicKeyFrom(key);
  const own = certificates.filter((certificate) => Buffer.compare(certificate.spki, spki) === 0);
  const leaf = own.find(({ basicConstraints }) => basicConstraints?.ca !== true) ?? own[0];
  if (leaf !== undefined) return leaf;
  throw new CountersignError("E_CERTIFICATE_KEY_MISMATCH", "the key belongs to none of the certificates", {
    exit: 2,
    hint: "name the certificate that was issued for this key, or the key of this certificate",
  });
}

/** The chain as verifiers will build it; where none holds, as far as the signatures lead. */
function chainOf(leaf: Certificate, others: readonly Certificate[], at: Date): readonly Certificate[] {
  const roots = others.filter(isSelfSigned);
  const purpose = { extendedKeyUsage: undefined };
  const whole = buildAndValidatePath(leaf, { anchors: roots, intermediates: others, at, purpose });
  if (whole.ok) return whole.path;
  const chain = [leaf];
  for (let last = leaf; !isSelfSigned(last); ) {
    const below = last;
    const issuers = others.filter(
      (other) =>
        !chain.includes(other) &&
        sameName(other.subject, below.issuer) &&
        certificateSignatureFault(below, other.publicKey) === undefined,
    );
    const next = issuers.find((issuer) => !isSelfSigned(issuer)) ?? issuers[0];
    if (next === undefined) break;
    chain.push(next);
    last = next;
  }
  return chain;
}

function pathFaults(
  verifier: VerifierName,
  leaf: Certificate,
  others: readonly Certificate[],
  chain: readonly Certificate[],
  at: Date,
): readonly Reason[] {
  // notation asks for no purpose, and takes a certificate that vouches for itself when the trust store holds it.
  const extendedKeyUsage = verifier === "notation" ? undefined : CODE_SIGNING;
  if (verifier === "notation" && isSelfSigned(leaf)) return leafFaults(leaf, at, undefined);
  const end = chain.at(-1);
  const roots = others.filter(isSelfSigned);
  // Without a root the chain may end where the certificates do: its root is the verifiers' own.
  const anchors = roots.length > 0 ? roots : end !== undefined && end !== leaf ? [end] : [];
  if (anchors.length === 0 && !isSelfSigned(leaf)) {
    const namesake = others.find((other) => sameName(other.subject, leaf.issuer));
    const forged = namesake === undefined ? undefined : certificateSignatureFault(leaf, namesake.publicKey);
    return [...leafFaults(leaf, at, extendedKeyUsage), ...(forged === undefined ? [] : [forged])];
  }
  const result = buildAndValidatePath(leaf, { anchors, intermediates: others, at, purpose: { extendedKeyUsage } });
  return result.ok ? [] : result.reasons;
}

function shownRule({ severity, code, rule, certificate, message, mend }: BrokenRule) {
  return { severity, code, rule, certificate: certificate.subject.text || certificate.fingerprint, message, mend };
}

function warningsAbout(chain: readonly Certificate[], others: readonly Certificate[], at: Date): string[] {
  const warnings = chain.flatMap((certificate) => {
    const left = certificate.notAfter.getTime() - at.getTime();
    const life = certificate.notAfter.getTime() - certificate.notBefore.getTime();
    if (left < 0 || left >= Math.min(30 * DAY, life / 3)) return [];
    return [`${nameOf(certificate)} expires at ${instant(certificate.notAfter)}: issue the next one`];
  });
  for (const stranger of others.filter((other) => !chain.includes(other))) {
    warnings.push(`${nameOf(stranger)} is not part of the leaf's chain`);
  }
  const last = chain.at(-1);
  if (last !== undefined && !isSelfSigned(last)) {
    const issuer = JSON.stringify(last.issuer.text.slice(0, 200));
    warnings.push(`the issuer ${issuer} of ${nameOf(last)} is not at hand: what it forbids was not looked at`);
  }
  return warnings;
}
