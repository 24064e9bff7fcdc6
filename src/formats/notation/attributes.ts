import type { ErrorCode } from "../../model/error-codes.ts";
import { CountersignError } from "../../model/errors.ts";
import type { NotaryAttributes } from "../../model/notary.ts";
import type { Reason } from "../../model/signature.ts";

/** Labels of the attributes that the specification defines, the same in JWS and COSE. */
export const LABEL = {
  scheme: "io.cncf.notary.signingScheme",
  signingTime: "io.cncf.notary.signingTime",
  authenticSigningTime: "io.cncf.notary.authenticSigningTime",
  expiry: "io.cncf.notary.expiry",
  verificationPlugin: "io.cncf.notary.verificationPlugin",
  verificationPluginMinVersion: "io.cncf.notary.verificationPluginMinVersion",
  timestamp: "io.cncf.notary.timestampSignature",
  agent: "io.cncf.notary.signingAgent",
} as const;

const SCHEMES = ["notary.x509", "notary.x509.signingAuthority"] as const;
/** Those that may be critical. */
const known: ReadonlySet<string> = new Set([
  LABEL.scheme,
  LABEL.authenticSigningTime,
  LABEL.expiry,
  LABEL.verificationPlugin,
  LABEL.verificationPluginMinVersion,
]);
const MAX_CRITICAL = 64;

/** Told what the specification forbids although other verifiers let it pass. */
export type Lapse = (code: ErrorCode, message: string) => void;

/** A protected header, whatever it was encoded in. */
export interface ProtectedHeader {
  /** Everything with a text for a label, the registered ones of JWS too. */
  readonly members: ReadonlyMap<string, unknown>;
  /** The value of `crit`. */
  readonly critical: unknown;
  /** Whether there is a member of this label. */
  has(label: string | number): boolean;
  /** Labels of the encoding itself, which must be understood in any case. */
  readonly registered: ReadonlySet<string | number>;
  /** The time that a value of this encoding is; undefined when it is none. */
  time(value: unknown): Date | undefined;
}

/** What signed attributes say, but for the algorithm. */
export type Attributes = Omit<NotaryAttributes, "algorithm" | "userMetadata">;

/**
 * Reads the signed attributes of a protected header and holds them to the specification ("Signed Attributes"): which must be there,
 * which may not, which must be critical.
 * @throws E_SIGNATURE_MALFORMED
 */
export function readAttributes(header: ProtectedHeader, lapse: Lapse): Attributes {
  const critical = readCritical(header, lapse);
  const { members } = header;
  const scheme = SCHEMES.find((name) => name === members.get(LABEL.scheme));
  if (scheme === undefined) throw malformed(`${LABEL.scheme} is ${shown(members.get(LABEL.scheme))}`);
  if (!critical.has(LABEL.scheme)) throw malformed(`${LABEL.scheme} is not critical`);
  const time = (label: string): Date | undefined => {
    const value = members.get(label);
    if (value === undefined) return undefined;
    const date = header.time(value);
    if (date === undefined) throw malformed(`${label} is ${shown(value)}, which is no time as it belongs there`);
    return date;
  };
  const times = {
    signing: time(LABEL.signingTime),
    authentic: time(LABEL.authenticSigningTime),
    expiry: time(LABEL.expiry),
  };
  const authority = scheme === "notary.x509.signingAuthority";
  const signingTime = authority ? times.authentic : times.signing;
  const [wanted, other] = authority
    ? [LABEL.authenticSigningTime, LABEL.signingTime]
    : [LABEL.signingTime, LABEL.authenticSigningTime];
  if (signingTime === undefined) throw malformed(`${wanted} is missing under the scheme ${scheme}`);
  if (members.has(other)) throw malformed(`${other} does not belong under the scheme ${scheme}`);
  for (const label of known) {
    if (members.has(label) && !critical.has(label)) throw malformed(`${label} is not critical`);
  }
  if (times.expiry !== undefined && times.expiry <= signingTime) throw malformed("it expires before it is signed");
  return {
    scheme,
    signingTime,
    ...(authority && { authenticSigningTime: signingTime }),
    ...(times.expiry && { expiry: times.expiry }),
    ...plugin(members),
  };
}

function readCritical(header: ProtectedHeader, lapse: Lapse): ReadonlySet<unknown> {
  const { critical } = header;
  if (!Array.isArray(critical) || critical.length === 0) throw malformed("it names no critical attributes");
  if (critical.length > MAX_CRITICAL) throw malformed(`it names more than ${MAX_CRITICAL} critical attributes`);
  const seen = new Set<unknown>();
  for (const label of critical) {
    if (typeof label !== "string" && typeof label !== "number") throw malformed("a critical attribute has no label");
    if (seen.has(label)) throw malformed(`the critical attribute ${shown(label)} is named twice`);
    seen.add(label);
    if (!header.has(label)) throw malformed(`the critical attribute ${shown(label)} is not there`);
    if (header.registered.has(label) || label === LABEL.signingTime) {
      throw malformed(`${shown(label)} may not be among the critical attributes`);
    }
    if (typeof label === "number" || !known.has(label)) {
      lapse("E_ATTRIBUTE_UNKNOWN", `the critical attribute ${shown(label)} is not known to this verifier`);
    }
  }
  return seen;
}

function plugin(members: ReadonlyMap<string, unknown>): Pick<Attributes, "verificationPlugin"> {
  const name = members.get(LABEL.verificationPlugin);
  const minVersion = members.get(LABEL.verificationPluginMinVersion);
  if (name === undefined && minVersion === undefined) return {};
  if (typeof name !== "string" || name.trim() === "") throw malformed("it names a verification plugin without a name");
  if (minVersion !== undefined && typeof minVersion !== "string") {
    throw malformed(`${LABEL.verificationPluginMinVersion} is ${shown(minVersion)}`);
  }
  return { verificationPlugin: { name, ...(minVersion !== undefined && { minVersion }) } };
}

export function malformed(message: string): CountersignError {
  return new CountersignError("E_SIGNATURE_MALFORMED", `the envelope is not a Notary signature: ${message}`);
}

/** Foreign values in messages. */
export function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 120));
  return typeof value === "number" || typeof value === "bigint" ? String(value) : `a ${typeof value}`;
}

/** Collects lapses. */
export function lapses(): { readonly found: readonly Reason[]; readonly add: Lapse } {
  const found: Reason[] = [];
  return { found, add: (code, message) => void found.push({ code, message }) };
}
