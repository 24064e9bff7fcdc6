import type { Certificate, DistinguishedName } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { nameOf, signatureFault } from "./certificate-signature.ts";
import {
  bitString,
  boolean,
  decodeDer,
  type Element,
  encodingOf,
  identifierOf,
  inside,
  integerBytes,
  isContext,
  MalformedDer,
  octets,
  oid,
  only,
  required,
  sequence,
  serialNumber,
  smallInteger,
  TAG,
  time,
} from "./der.ts";
import { decodeName, sameName } from "./names.ts";
import { parsePem } from "./pem.ts";
import { revocationAddresses } from "./revocation-addresses.ts";

/** A certificate revocation list (RFC 5280 section 5), decoded strictly. Nothing in here has been verified. */
export interface RevocationList {
  readonly issuer: DistinguishedName;
  readonly thisUpdate: Date;
  /** RFC 5280 5.1.2.5 demands it; a list without it never counts. */
  readonly nextUpdate: Date | undefined;
  /** By serial number in hex. */
  readonly revoked: ReadonlyMap<string, Revocation>;
  readonly extensions: readonly { readonly oid: string; readonly critical: boolean; readonly value: Uint8Array }[];
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  /** DER of the AlgorithmIdentifier. */
  readonly algorithm: Uint8Array;
}

export interface Revocation {
  readonly at: Date;
  /** From when on the key may have been another's (RFC 5280 5.3.2). */
  readonly invalidityDate: Date | undefined;
}

const ISSUING_DISTRIBUTION_POINT = "2.5.29.28";
const DELTA_INDICATOR = "2.5.29.27";
const FRESHEST_CRL = "2.5.29.46";
export const INVALIDITY_DATE = "2.5.29.24";
const REASON_CODE = "2.5.29.21";

/**
 * Lists of a file: one in DER, or any number in PEM.
 * @throws E_REVOCATION_UNCHECKED for what is no list; E_TOO_LARGE.
 */
export function parseRevocationLists(bytes: Uint8Array): readonly RevocationList[] {
  if (bytes.length > LIMITS.crl) {
    throw new CountersignError("E_TOO_LARGE", `the list has ${bytes.length} bytes, more than ${LIMITS.crl}`);
  }
  try {
    if (bytes[0] === TAG.sequence) return [decodeList(bytes)];
    const blocks = parsePem(bytes, LIMITS.certificates);
    const stray = blocks.find(({ label }) => label !== "X509 CRL");
    if (blocks.length === 0 || stray !== undefined)
      throw new MalformedDer("it holds no X509 CRL, or something else too");
    return blocks.map(({ der }) => decodeList(der));
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
    throw new CountersignError(
      "E_REVOCATION_UNCHECKED",
      `what is to be a revocation list cannot be read: ${error.message}`,
      {
        hint: "hand over a CRL in DER or PEM, as `countersign pki crl` or `openssl ca -gencrl` writes it",
        retry: false,
      },
    );
  }
}

function decodeList(der: Uint8Array): RevocationList {
  const [tbs, algorithm, signature, ...others] = sequence(decodeDer(der, "list"), "list");
  if (others.length > 0) throw new MalformedDer("list has parts too many");
  const outer = encodingOf(required(algorithm, "signature algorithm"));
  const parts = [...sequence(tbs, "TBSCertList")];
  if (parts[0] !== undefined && identifierOf(parts[0]) === TAG.integer) {
    if (smallInteger(integerBytes(parts.shift(), "version"), "version") !== 1)
      throw new MalformedDer("version is unknown");
  }
  const inner = encodingOf(required(parts.shift(), "signature algorithm"));
  if (Buffer.compare(inner, outer) !== 0) throw new MalformedDer("the two signature algorithms of the list differ");
  const issuer = decodeName(parts.shift(), "issuer");
  const thisUpdate = time(parts.shift(), "thisUpdate");
  const dated =
    parts[0] !== undefined &&
    [TAG.utcTime, TAG.generalizedTime].some((tag) => tag === identifierOf(parts[0] as Element));
  const nextUpdate = dated ? time(parts.shift(), "nextUpdate") : undefined;
  const entries =
    parts[0] !== undefined && identifierOf(parts[0]) === TAG.sequence ? (parts.shift() as Element).subs : [];
  const [wrapped, ...rest] = parts;
  if (rest.length > 0 || (wrapped !== undefined && !isContext(wrapped, 0)))
    throw new MalformedDer("TBSCertList has parts too many");
  const { unused, bytes } = bitString(signature, "signature of the list");
  if (unused !== 0) throw new MalformedDer("signature of the list is not whole octets");
  return {
    issuer,
    thisUpdate,
    nextUpdate,
    revoked: new Map(entries.map(readEntry)),
    extensions: wrapped === undefined ? [] : readExtensions(only(wrapped, "extensions of the list")),
    signed: encodingOf(required(tbs, "TBSCertList")),
    signature: new Uint8Array(bytes),
    algorithm: outer,
  };
}

function readEntry(entry: Element): [string, Revocation] {
  const [serial, at, list, ...others] = sequence(entry, "entry of the list");
  if (others.length > 0) throw new MalformedDer("entry of the list has parts too many");
  const extensions = list === undefined ? [] : readExtensions(list);
  // Whom a critical extension here speaks of cannot be told: an entry of an indirect list names another issuer.
  const unknown = extensions.find(({ oid, critical }) => critical && oid !== REASON_CODE && oid !== INVALIDITY_DATE);
  if (unknown !== undefined)
    throw new MalformedDer(`an entry has the critical extension ${unknown.oid}, which is not supported`);
  return [
    serialNumber(serial, "serial number"),
    { at: time(at, "time of revocation"), invalidityDate: invalidityDate(extensions) },
  ];
}

export function invalidityDate(extensions: RevocationList["extensions"]): Date | undefined {
  const value = extensions.find(({ oid }) => oid === INVALIDITY_DATE)?.value;
  return value && time(decodeDer(value, "invalidity date"), "invalidity date");
}

export function readExtensions(list: Element): RevocationList["extensions"] {
  return sequence(list, "list of extensions").map((member) => {
    const [id, second, third, ...others] = sequence(member, "extension");
    const flagged = second !== undefined && identifierOf(second) === TAG.boolean;
    if (others.length > 0 || (!flagged && third !== undefined)) throw new MalformedDer("extension has parts too many");
    return {
      oid: oid(id, "extension"),
      critical: flagged && boolean(second, "criticality"),
      value: new Uint8Array(octets(flagged ? third : second, "value of an extension")),
    };
  });
}

/**
 * Why a list cannot say whether `certificate` is revoked, undefined when it can: it must be its issuer's, signed by a key that may
 * sign lists, in time at `at`, and about all such certificates (RFC 5280 6.3.3).
 */
export function listFault(
  list: RevocationList,
  certificate: Certificate,
  issuer: Certificate,
  at: Date,
): string | undefined {
  if (!sameName(list.issuer, issuer.subject))
    return `it is the list of ${JSON.stringify(list.issuer.text.slice(0, 120))}`;
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.has("cRLSign")) return `${nameOf(issuer)} may not sign lists`;
  try {
    const fault = signatureFault(list.algorithm, list.signed, list.signature, issuer.publicKey);
    if (fault === "mismatch") return `it is not signed by the key of ${nameOf(issuer)}`;
    if (fault !== undefined) return `it is signed with ${fault}`;
    if (list.thisUpdate.getTime() > at.getTime() + LIMITS.clockSkew)
      return `it is of ${list.thisUpdate.toISOString()}, which is to come`;
    if (list.nextUpdate === undefined) return "it does not say until when it holds";
    if (list.nextUpdate < at) return `it held until ${list.nextUpdate.toISOString()}`;
    return extensionFault(list, certificate);
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
    return error.message;
  }
}

function extensionFault({ extensions }: RevocationList, certificate: Certificate): string | undefined {
  for (const { oid, critical, value } of extensions) {
    if (oid === DELTA_INDICATOR) return "it lists changes alone";
    if (oid === FRESHEST_CRL) return "changes to it stand in another list, which is not read";
    if (oid === ISSUING_DISTRIBUTION_POINT) {
      const fault = scopeFault(value, certificate);
      if (fault !== undefined) return fault;
    } else if (critical) return `it has the critical extension ${oid}, which is not supported`;
  }
  return undefined;
}

/** IssuingDistributionPoint (RFC 5280 5.2.5): which certificates a list is about. */
function scopeFault(value: Uint8Array, certificate: Certificate): string | undefined {
  const authority = certificate.basicConstraints?.ca === true;
  for (const part of sequence(decodeDer(value, "scope of the list"), "scope of the list")) {
    const set = part.value[0] !== undefined && part.value[0] !== 0;
    if (isContext(part, 0)) {
      const full = inside(part, "scope of the list").find((name) => isContext(name, 0));
      const names =
        full === undefined ? [] : inside(full, "scope of the list").map((name) => name.value.toString("latin1"));
      const wanted = revocationAddresses(certificate).crl;
      if (!names.some((name) => wanted.includes(name)))
        return "it is about the certificates of another distribution point";
    } else if (isContext(part, 1)) {
      if (set && authority) return "it is about signers' certificates alone";
    } else if (isContext(part, 2)) {
      if (set && !authority) return "it is about authorities' certificates alone";
    } else return "it is about some reasons, other issuers or attribute certificates alone";
  }
  return undefined;
}
