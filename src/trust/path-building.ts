import type { Certificate } from "../model/certificate.ts";
import { LIMITS } from "../model/limits.ts";
import type { Reason } from "../model/signature.ts";
import { certificateSignatureFault, nameOf } from "./certificate-signature.ts";
import { decodeDer, isContext, MalformedDer, octets, sequence } from "./der.ts";
import { EXTENSION } from "./extensions.ts";
import { canonicalName, sameName } from "./names.ts";

export type PathResult =
  | { readonly ok: true; readonly path: readonly Certificate[] }
  | {
      readonly ok: false;
      readonly reasons: readonly Reason[];
      /** A path to an anchor with which nothing is wrong but the time. */
      readonly path?: readonly Certificate[] | undefined;
    };

interface Candidate {
  readonly certificate: Certificate;
  readonly anchor: boolean;
}

/** Ranks of failures beside those that count how long the path had become. */
const COMPLETE = 1_000_000;
const GAVE_UP = 1001;
const TOO_LONG = 1000;

/**
 * Looks, depth first, for a path from `leaf` to one of the anchors, each certificate signed by the next, with which
 * `faultsOf` finds no fault. Order and strangers among the intermediates do not matter; no certificate, and no other of
 * the same name and key, stands in a path twice. Bounded by LIMITS.pathDepth certificates in a path, anchor included,
 * and LIMITS.pathAttempts signatures checked. When every path fails, the reasons are of the one that came furthest.
 */
export function findPath(
  leaf: Certificate,
  anchors: readonly Certificate[],
  intermediates: readonly Certificate[],
  faultsOf: (path: readonly Certificate[]) => readonly Reason[],
): PathResult {
  const index = indexBySubject(anchors, intermediates);
  let attempts: number = LIMITS.pathAttempts;
  let best: Best = { rank: -1, reasons: [], path: undefined };
  const note = (rank: number, reasons: readonly Reason[], complete?: readonly Certificate[]) => {
    if (rank > best.rank) best = { rank, reasons, path: complete };
  };

  const extend = (path: readonly Certificate[], last: Certificate): readonly Certificate[] | undefined => {
    note(path.length * 2, [noIssuer(last, anchors.length)]);
    for (const { certificate, anchor } of issuersOf(last, index)) {
      if (path.some((earlier) => sameEntity(earlier, certificate))) continue;
      if (attempts === 0) {
        note(GAVE_UP, [untrusted(`gave up on ${nameOf(leaf)} after ${LIMITS.pathAttempts} attempts to build a path`)]);
        return undefined;
      }
      attempts -= 1;
      const fault = certificateSignatureFault(last, certificate.publicKey);
      if (fault !== undefined) {
        // A namesake with another key is a stranger, not proof of a forged signature.
        if (keyIdentifiers(last, certificate) !== "differ") note(path.length * 2 + 1, [fault]);
        continue;
      }
      const longer = [...path, certificate];
      if (anchor) {
        const faults = faultsOf(longer);
        if (faults.length === 0) return longer;
        note(COMPLETE - faults.length, faults, longer);
      } else if (longer.length >= LIMITS.pathDepth) {
        note(TOO_LONG, [
          untrusted(`no path of at most ${LIMITS.pathDepth} certificates leads from ${nameOf(leaf)} to an anchor`),
        ]);
      } else {
        const found = extend(longer, certificate);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };

  const path = extend([leaf], leaf);
  return path === undefined ? failure(best.reasons, best.path) : { ok: true, path };
}

interface Best {
  readonly rank: number;
  readonly reasons: readonly Reason[];
  readonly path: readonly Certificate[] | undefined;
}

/** A failure, with the path where only the time is wrong with it. */
export function failure(reasons: readonly Reason[], path: readonly Certificate[] | undefined): PathResult {
  const timely = reasons.every(
    ({ code }) => code === "E_CERTIFICATE_EXPIRED" || code === "E_CERTIFICATE_NOT_YET_VALID",
  );
  return { ok: false, reasons, path: timely ? path : undefined };
}

/** Whether a certificate names itself as its issuer (RFC 5280 6.1: self-issued). */
export function isSelfIssued(certificate: Certificate): boolean {
  return sameName(certificate.subject, certificate.issuer);
}

/** Whether a certificate is signed by its own key. */
export function isSelfSigned(certificate: Certificate): boolean {
  return isSelfIssued(certificate) && certificateSignatureFault(certificate, certificate.publicKey) === undefined;
}

/**
 * Whether the authority key identifier of `child` is the subject key identifier of `issuer` (RFC 5280 4.2.1.1), as far
 * as both have one. A hint and nothing more: signatures decide.
 */
function keyIdentifiers(child: Certificate, issuer: Certificate): "same" | "differ" | "unknown" {
  const wanted = identifier(child, EXTENSION.authorityKeyIdentifier);
  const offered = identifier(issuer, EXTENSION.subjectKeyIdentifier);
  if (wanted === undefined || offered === undefined) return "unknown";
  return Buffer.compare(wanted, offered) === 0 ? "same" : "differ";
}

/** The subject key identifier of a certificate, where it has one that can be read. */
export function subjectKeyIdentifier(certificate: Certificate): Buffer | undefined {
  const found = identifier(certificate, EXTENSION.subjectKeyIdentifier);
  return found && Buffer.from(found);
}

function identifier(certificate: Certificate, id: string): Uint8Array | undefined {
  const value = certificate.extensions.find(({ oid }) => oid === id)?.value;
  if (value === undefined) return undefined;
  try {
    const element = decodeDer(value, "key identifier");
    if (id === EXTENSION.subjectKeyIdentifier) return octets(element, "key identifier");
    const first = sequence(element, "key identifier")[0];
    return isContext(first, 0) ? first.value : undefined;
  } catch (error) {
    if (error instanceof MalformedDer) return undefined;
    throw error;
  }
}

function indexBySubject(
  anchors: readonly Certificate[],
  intermediates: readonly Certificate[],
): ReadonlyMap<string, readonly Candidate[]> {
  const known = new Set<string>();
  const index = new Map<string, Candidate[]>();
  const add = (anchor: boolean) => (certificate: Certificate) => {
    if (known.has(certificate.fingerprint)) return;
    known.add(certificate.fingerprint);
    const key = canonicalName(certificate.subject).join("\u0001");
    const namesakes = index.get(key);
    if (namesakes === undefined) index.set(key, [{ certificate, anchor }]);
    else namesakes.push({ certificate, anchor });
  };
  anchors.forEach(add(true));
  intermediates.forEach(add(false));
  return index;
}

/** Certificates with the issuer's name: anchors first, then by how well the key identifiers agree. */
function issuersOf(child: Certificate, index: ReadonlyMap<string, readonly Candidate[]>): readonly Candidate[] {
  const namesakes = index.get(canonicalName(child.issuer).join("\u0001")) ?? [];
  const order = { same: 0, unknown: 1, differ: 2 };
  const rank = ({ certificate, anchor }: Candidate) => order[keyIdentifiers(child, certificate)] * 2 + (anchor ? 0 : 1);
  return namesakes
    .map((candidate) => ({ candidate, rank: rank(candidate) }))
    .sort((one, other) => one.rank - other.rank)
    .map(({ candidate }) => candidate);
}

function sameEntity(one: Certificate, other: Certificate): boolean {
  return (
    one.fingerprint === other.fingerprint ||
    (Buffer.compare(one.spki, other.spki) === 0 && sameName(one.subject, other.subject))
  );
}

function noIssuer(certificate: Certificate, anchors: number): Reason {
  if (anchors === 0) return untrusted(`no trust anchor was given that ${nameOf(certificate)} could lead to`);
  const issuer = JSON.stringify(certificate.issuer.text.slice(0, 200));
  return untrusted(`no certificate at hand is the issuer ${issuer} of ${nameOf(certificate)}`);
}

function untrusted(message: string): Reason {
  return { code: "E_CERTIFICATE_UNTRUSTED", message };
}
