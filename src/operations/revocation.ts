import type { Certificate } from "../model/certificate.ts";
import { asCountersignError } from "../model/errors.ts";
import type { RevocationCheck, RevocationContext } from "../model/policy.ts";
import type { Reason, RevocationStatus } from "../model/signature.ts";
import type { Host } from "../platform/host.ts";
import { memo } from "../platform/memo.ts";
import type { RevocationSource } from "../services/revocation-source.ts";
import { nameOf } from "../trust/certificate-signature.ts";
import { listFault, parseRevocationLists, type Revocation, type RevocationList } from "../trust/crl.ts";
import { encodeOcspRequest, readOcspResponse } from "../trust/ocsp.ts";
import { revocationAddresses } from "../trust/revocation-addresses.ts";

export interface RevocationOptions {
  readonly host: Pick<Host, "now" | "randomBytes">;
  /** Handed over by the caller; asked before anybody else. */
  readonly lists: readonly RevocationList[];
  /** Responders and lists that certificates name; absent: only `lists` are asked, and each certificate must be in the scope of one. */
  readonly source?: RevocationSource | undefined;
}

/** What somebody who counts says of a certificate, or why nobody does. */
type Known =
  | { readonly status: "good" | "unknown" | "unchecked" | "exempt"; readonly source: string }
  | ({ readonly status: "revoked"; readonly source: string } & Revocation);

/**
 * Asks about every certificate of a path but the anchor: first the lists at hand, then OCSP responders in their order, then the lists
 * that the certificate names, all of which must answer. Each pair of certificate and issuer is asked about once a run.
 */
export function createRevocationCheck(options: RevocationOptions): RevocationCheck {
  const asked = new Map<string, Promise<Known>>();
  return async (path, context) => {
    const pairs = path
      .slice(0, -1)
      .map((certificate, index) => ({ certificate, issuer: path[index + 1] as Certificate }));
    const known = await Promise.all(
      pairs.map(({ certificate, issuer }) =>
        memo(asked, `${certificate.fingerprint} ${issuer.fingerprint}`, () => ask(certificate, issuer, options)),
      ),
    );
    const found = known.map((one, index) => judge(one, pairs[index]?.certificate as Certificate, context));
    return { reasons: found.flatMap(({ reason }) => reason ?? []), statuses: found.map(({ status }) => status) };
  };
}

async function ask(certificate: Certificate, issuer: Certificate, options: RevocationOptions): Promise<Known> {
  const at = options.host.now();
  const faults: string[] = [];
  const offline = fromLists(options.lists, certificate, issuer, at, faults);
  if (offline !== undefined) return { ...offline, source: "a list at hand" };
  const { source } = options;
  if (source === undefined) return unchecked(faults, "no list at hand is its issuer's");
  const { ocsp, crl, unreadable } = revocationAddresses(certificate);
  let doubt: Known | undefined;
  for (const address of ocsp) {
    const answer = await fromResponder(source, address, certificate, issuer, options);
    if (answer.status === "unchecked") faults.push(answer.source);
    else if (answer.status === "unknown") doubt ??= answer;
    else return answer;
  }
  if (crl.length > 0) {
    const answer = await fromAddresses(source, crl, certificate, issuer, at);
    if (answer.status !== "unchecked") return answer;
    faults.push(answer.source);
  }
  if (doubt !== undefined) return doubt;
  if (unreadable) faults.push("the certificate names whom to ask in a way that cannot be read");
  if (faults.length === 0 && ocsp.length === 0 && crl.length === 0) {
    return { status: "exempt", source: "it names nobody to ask" };
  }
  return unchecked(faults, "nobody answered");
}

/** Undefined when no list can tell. */
function fromLists(
  lists: readonly RevocationList[],
  certificate: Certificate,
  issuer: Certificate,
  at: Date,
  faults: string[],
): ({ readonly status: "good" } | ({ readonly status: "revoked" } & Revocation)) | undefined {
  let covered = false;
  for (const list of lists) {
    const fault = listFault(list, certificate, issuer, at);
    if (fault !== undefined) {
      if (!fault.startsWith("it is the list of")) faults.push(`a list at hand: ${fault}`);
      continue;
    }
    const revoked = list.revoked.get(certificate.serial);
    if (revoked !== undefined) return { status: "revoked", ...revoked };
    covered = true;
  }
  return covered ? { status: "good" } : undefined;
}

async function fromResponder(
  source: RevocationSource,
  address: string,
  certificate: Certificate,
  issuer: Certificate,
  { host }: RevocationOptions,
): Promise<Known> {
  const told = `OCSP ${address}`;
  try {
    const nonce = host.randomBytes(16);
    const response = await source.ocsp(address, encodeOcspRequest(certificate, issuer, nonce));
    const answer = readOcspResponse(response, certificate, issuer, nonce, host.now());
    if (answer.status === "unusable") return { status: "unchecked", source: `${told}: ${answer.why}` };
    return { ...answer, source: told };
  } catch (error) {
    return { status: "unchecked", source: `${told}: ${asCountersignError(error).message}` };
  }
}

async function fromAddresses(
  source: RevocationSource,
  addresses: readonly string[],
  certificate: Certificate,
  issuer: Certificate,
  at: Date,
): Promise<Known> {
  let revoked: Revocation | undefined;
  for (const address of addresses) {
    const told = `CRL ${address}`;
    try {
      const [list] = parseRevocationLists(await source.crl(address));
      const fault = list === undefined ? "it is empty" : listFault(list, certificate, issuer, at);
      if (fault !== undefined) return { status: "unchecked", source: `${told}: ${fault}` };
      revoked ??= list?.revoked.get(certificate.serial);
    } catch (error) {
      return { status: "unchecked", source: `${told}: ${asCountersignError(error).message}` };
    }
  }
  const told = `CRL ${addresses.join(" ")}`;
  return revoked === undefined ? { status: "good", source: told } : { status: "revoked", source: told, ...revoked };
}

function unchecked(faults: readonly string[], otherwise: string): Known {
  return { status: "unchecked", source: faults.length === 0 ? otherwise : faults.slice(0, 4).join("; ") };
}

/**
 * What was revoked counts as revoked whenever it was signed, unless the authority says from when on the key may have been another's
 * and somebody trusted says that it was signed before.
 */
function judge(
  known: Known,
  certificate: Certificate,
  { signedAt }: RevocationContext,
): { readonly status: RevocationStatus; readonly reason?: Reason } {
  const { fingerprint } = certificate;
  const name = nameOf(certificate);
  const status = { fingerprint, status: known.status, source: known.source };
  switch (known.status) {
    case "good":
    case "exempt":
      return { status };
    case "revoked": {
      const from = known.invalidityDate;
      if (from !== undefined && signedAt !== undefined && signedAt < from) {
        return {
          status: {
            ...status,
            status: "good",
            source: `${known.source}: revoked, but good until ${from.toISOString()}`,
          },
        };
      }
      const message = `${name} was revoked at ${known.at.toISOString()} (${known.source})`;
      return { status, reason: { code: "E_CERTIFICATE_REVOKED", message } };
    }
    case "unknown":
      return {
        status,
        reason: { code: "E_REVOCATION_UNKNOWN", message: `who answers for ${name} does not know it (${known.source})` },
      };
    case "unchecked":
      return {
        status,
        reason: {
          code: "E_REVOCATION_UNCHECKED",
          message: `whether ${name} is revoked could not be told: ${known.source}`,
        },
      };
  }
}
