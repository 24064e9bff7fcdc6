import type { Certificate } from "../model/certificate.ts";
import { isCountersignError } from "../model/errors.ts";
import type { Reason } from "../model/signature.ts";
import { partsOf } from "./certificate.ts";
import { nameOf } from "./certificate-signature.ts";
import { ANY_EXTENDED_KEY_USAGE, EXTENSION } from "./extensions.ts";
import { nameConstraintFaults } from "./name-constraints.ts";
import { failure, findPath, isSelfIssued, isSelfSigned, type PathResult } from "./path-building.ts";
import { publicKeyFrom } from "./public-keys.ts";

export type { PathResult } from "./path-building.ts";

export interface PathOptions {
  /** Where a path may end. The caller's statement; never what came with a signature. */
  readonly anchors: readonly Certificate[];
  /** Help for building a path, in any order, with any strangers: the caller's and what came with the signature. */
  readonly intermediates: readonly Certificate[];
  /** The time at which every certificate of the path, the anchor too, must be valid. */
  readonly at: Date;
  /** The end of a span that begins at `at`, for a time that is known only so well; `at` itself unless told. */
  readonly until?: Date | undefined;
  /** Takes a leaf that is an anchor itself, signed by whomever: trust in that one certificate. Only when the caller asks. */
  readonly allowLeafAnchor?: boolean | undefined;
  readonly purpose: {
    /** OID that the leaf's extended key usage must name; undefined: not looked at. */
    readonly extendedKeyUsage: string | undefined;
  };
}

/** Extensions that are honoured here; any other that is critical refuses its certificate (RFC 5280 4.2). */
const honoured: ReadonlySet<string> = new Set([
  EXTENSION.basicConstraints,
  EXTENSION.keyUsage,
  EXTENSION.extendedKeyUsage,
  EXTENSION.alternativeNames,
  EXTENSION.nameConstraints,
  // With any policy acceptable and none demanded, policies alone can refuse nothing (RFC 5280 6.1.1 c and e).
  EXTENSION.certificatePolicies,
]);

/**
 * Finds and validates a path from `leaf` to an anchor (RFC 5280 section 6), at one time. Beyond the RFC, as Go does: the
 * anchor's own validity, constraints and usages count, and extended key usages of issuers must permit the leaf's purpose.
 * Stricter than both: the leaf must name its purpose itself, SHA-1 and MD5 signatures and weak keys are refused, and a
 * leaf that is an anchor or signed by itself is no leaf.
 *
 * Reasons: E_CERTIFICATE_EXPIRED, _NOT_YET_VALID, _USAGE, _CONSTRAINT, _SIGNATURE, _SELF_SIGNED, _UNTRUSTED, E_KEY_WEAK.
 * Those of the leaf come first; then of the path that came furthest.
 */
export function buildAndValidatePath(leaf: Certificate, options: PathOptions): PathResult {
  const { at, until, anchors } = options;
  const pinned =
    options.allowLeafAnchor === true && anchors.some(({ fingerprint }) => fingerprint === leaf.fingerprint);
  const selfSigned = pinned ? undefined : selfSignedFault(leaf, anchors);
  if (selfSigned !== undefined) return { ok: false, reasons: [selfSigned] };
  const own = leafFaults(leaf, at, options.purpose.extendedKeyUsage, until);
  if (pinned) return own.length === 0 ? { ok: true, path: [leaf] } : failure(own, [leaf]);
  const found = findPath(leaf, options.anchors, options.intermediates, (path) => issuerFaults(path, options));
  if (!found.ok) return failure([...own, ...found.reasons], found.path);
  return own.length === 0 ? found : failure(own, found.path);
}

/** Why a leaf that vouches for itself is refused; undefined when another vouches for it. */
export function selfSignedFault(leaf: Certificate, anchors: readonly Certificate[]): Reason | undefined {
  if (anchors.some(({ fingerprint }) => fingerprint === leaf.fingerprint)) {
    return {
      code: "E_CERTIFICATE_SELF_SIGNED",
      message: `${nameOf(leaf)} is itself a trust anchor: nobody vouches for it`,
    };
  }
  if (!isSelfSigned(leaf)) return undefined;
  return {
    code: "E_CERTIFICATE_SELF_SIGNED",
    message: `${nameOf(leaf)} is signed by its own key: nobody vouches for it`,
  };
}

/** What is wrong with an end-entity certificate by itself. */
export function leafFaults(
  leaf: Certificate,
  at: Date,
  extendedKeyUsage: string | undefined,
  until = at,
): readonly Reason[] {
  const faults = [...commonFaults(leaf, at, until)];
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.has("digitalSignature")) {
    faults.push(usage(`the key usage of ${nameOf(leaf)} does not include digitalSignature`));
  }
  if (extendedKeyUsage !== undefined && !leaf.extendedKeyUsage?.includes(extendedKeyUsage)) {
    faults.push(usage(`the extended key usage of ${nameOf(leaf)} does not name ${purposeName(extendedKeyUsage)}`));
  }
  return faults;
}

/** What is wrong with the issuers of a path, leaf first and anchor last, of which each link's signature holds. */
function issuerFaults(path: readonly Certificate[], { at, until, purpose }: PathOptions): readonly Reason[] {
  return path.flatMap((issuer, index) => {
    if (index === 0) return [];
    const below = path.slice(0, index);
    return [
      ...commonFaults(issuer, at, until ?? at),
      ...authorityFaults(issuer, index === path.length - 1),
      ...issuerUsageFaults(issuer, purpose.extendedKeyUsage),
      ...pathLengthFaults(issuer, below),
      // A self-issued issuer only changes a key, and is exempt (RFC 5280 6.1.3 b and c).
      ...nameConstraintFaults(
        issuer,
        below.filter((certificate, position) => position === 0 || !isSelfIssued(certificate)),
      ).map((sentence) => constraint(`${nameOf(issuer)} forbids: ${sentence}`)),
    ];
  });
}

function commonFaults(certificate: Certificate, at: Date, until: Date): readonly Reason[] {
  return [...validityFaults(certificate, at, until), ...criticalFaults(certificate), ...keyFaults(certificate)];
}

/** What is wrong with a certificate from `at` to `until`. */
export function validityFaults(certificate: Certificate, at: Date, until: Date): readonly Reason[] {
  if (Number.isNaN(at.getTime())) throw new TypeError("the time to validate at is no time");
  const { notBefore, notAfter } = certificate;
  if (at < notBefore) {
    const message = `${nameOf(certificate)} is not valid before ${instant(notBefore)} (checked at ${instant(at)})`;
    return [{ code: "E_CERTIFICATE_NOT_YET_VALID", message }];
  }
  if (until > notAfter) {
    const message = `${nameOf(certificate)} expired at ${instant(notAfter)} (checked at ${instant(until)})`;
    return [{ code: "E_CERTIFICATE_EXPIRED", message }];
  }
  return [];
}

function criticalFaults(certificate: Certificate): readonly Reason[] {
  return certificate.extensions
    .filter(({ critical, oid }) => critical && !honoured.has(oid))
    .map(({ oid }) => constraint(`${nameOf(certificate)} has the critical extension ${oid}, which is not supported`));
}

function keyFaults(certificate: Certificate): readonly Reason[] {
  try {
    publicKeyFrom(certificate.publicKey);
    return [];
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    return [{ code: "E_KEY_WEAK", message: `the key of ${nameOf(certificate)} is refused: ${error.message}` }];
  }
}

function authorityFaults(issuer: Certificate, anchor: boolean): readonly Reason[] {
  const faults: Reason[] = [];
  // A version 1 or 2 root cannot say that it is one; that the caller calls it an anchor must do (RFC 5280 6.1.1 d).
  const silent = anchor && partsOf(issuer).version < 3;
  if (!silent && issuer.basicConstraints?.ca !== true) {
    faults.push(constraint(`${nameOf(issuer)} issued another but is not a certificate authority`));
  }
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.has("keyCertSign")) {
    faults.push(usage(`the key usage of ${nameOf(issuer)}, which issued another, does not include keyCertSign`));
  }
  return faults;
}

function issuerUsageFaults(issuer: Certificate, purpose: string | undefined): readonly Reason[] {
  const permitted = issuer.extendedKeyUsage;
  if (purpose === undefined || permitted === undefined) return [];
  if (permitted.includes(purpose) || permitted.includes(ANY_EXTENDED_KEY_USAGE)) return [];
  return [usage(`the extended key usage of the issuer ${nameOf(issuer)} does not permit ${purposeName(purpose)}`)];
}

function pathLengthFaults(issuer: Certificate, below: readonly Certificate[]): readonly Reason[] {
  const limit = issuer.basicConstraints?.pathLength;
  const intermediates = below.slice(1).filter((certificate) => !isSelfIssued(certificate)).length;
  if (limit === undefined || intermediates <= limit) return [];
  return [constraint(`${nameOf(issuer)} permits ${limit} intermediates below it, and the path has ${intermediates}`)];
}

const purposes: Readonly<Record<string, string>> = {
  "1.3.6.1.5.5.7.3.3": "codeSigning",
  "1.3.6.1.5.5.7.3.8": "timeStamping",
  "1.3.6.1.5.5.7.3.9": "OCSPSigning",
};

function purposeName(oid: string): string {
  return purposes[oid] ?? oid;
}

function instant(at: Date): string {
  return at.toISOString().replace(".000Z", "Z");
}

function usage(message: string): Reason {
  return { code: "E_CERTIFICATE_USAGE", message };
}

function constraint(message: string): Reason {
  return { code: "E_CERTIFICATE_CONSTRAINT", message };
}
