import type { ErrorCode } from "../model/error-codes.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { TimestampTrust } from "../model/policy.ts";
import type { Witness } from "../model/signature.ts";
import type { Host } from "../platform/host.ts";
import type { TimeStampService } from "../services/time-stamp.ts";
import { hashOf } from "../trust/public-keys.ts";
import { verifyTimeStamp } from "../trust/time-stamp.ts";
import { encodeTimeStampRequest, readTimeStampResponse } from "../trust/time-stamp-response.ts";

export interface WitnessOptions {
  readonly host: Pick<Host, "now" | "randomBytes">;
  readonly service: TimeStampService;
  /** Whose time stamps are taken; absent: anybody's who answers at that address. */
  readonly trust?: TimestampTrust | undefined;
  /** OID that they must be issued under. */
  readonly policy?: string | undefined;
}

/** Octets of a nonce: nobody sees the same twice. */
const NONCE = 16;

/**
 * A witness that asks a time-stamping authority and holds its answer against the question: nonce, imprint, policy, a time near this
 * machine's, then all that `verifyTimeStamp` asks. What does not hold is not handed on.
 * `attest` throws what the service throws; E_TIMESTAMP_SERVICE for a refusal, E_TIMESTAMP_MISMATCH, _INVALID, _UNTRUSTED.
 */
export function createTimeStampWitness({ host, service, trust, policy }: WitnessOptions): Witness {
  return {
    async attest(signature, algorithm) {
      const request = encodeTimeStampRequest(signature, hashOf(algorithm) ?? "sha256", host.randomBytes(NONCE), policy);
      const token = readTimeStampResponse(await service(request.der));
      const found = verifyTimeStamp(token, signature, trust);
      if (!found.ok) throw refused(found.reason.code, found.reason.message);
      const { info, at } = found.time;
      if (info.nonce === undefined || !Buffer.from(info.nonce).equals(request.nonce)) {
        throw refused("E_TIMESTAMP_MISMATCH", "the time stamp answers another request: its nonce is not the one sent");
      }
      if (info.hash !== request.hash) {
        throw refused("E_TIMESTAMP_MISMATCH", `the time stamp is over ${info.hash}, asked for was ${request.hash}`);
      }
      if (policy !== undefined && info.policy !== policy) {
        throw refused(
          "E_TIMESTAMP_MISMATCH",
          `the time stamp is issued under the policy ${info.policy}, not ${policy}`,
        );
      }
      const off = Math.abs(at.getTime() - host.now().getTime());
      if (off > LIMITS.clockSkew) {
        throw refused(
          "E_TIMESTAMP_MISMATCH",
          `the time stamp says ${at.toISOString()}, ${Math.round(off / 1000)} s from this machine's clock`,
        );
      }
      return { kind: "rfc3161", token };
    },
  };
}

const mends: Partial<Record<string, string>> = {
  E_TIMESTAMP_UNTRUSTED: "name the root of that authority with --timestamp-roots, or ask another with --timestamp-url",
  E_TIMESTAMP_MISMATCH: "check the address, what stands between, and this machine's clock; nothing was stored",
};

function refused(code: ErrorCode, message: string): CountersignError {
  return new CountersignError(code, `what the time-stamping authority sent was refused: ${message}`, {
    hint: mends[code] ?? "ask another authority with --timestamp-url; nothing was stored",
  });
}
