import { CountersignError, isCountersignError } from "../model/errors.ts";
import { isLoopbackHost } from "../platform/addresses.ts";
import { causeCode } from "../platform/faults.ts";

type Scheme = "https" | "http";

/**
 * Where a registry's API is, and by which scheme. HTTPS alone, but on this machine plain HTTP is tried first and HTTPS after, and where the
 * caller allows plain HTTP it is HTTPS first and HTTP after. The first answer settles it for the run.
 */
export interface Endpoint {
  /** Host and port as references write them. */
  readonly registry: string;
  /** Host and port of its API: Docker Hub has several names for one. */
  readonly host: string;
  /** Whether only one scheme is left: there never was another, or an answer came by this one. */
  settled(): boolean;
  /** The registry has answered by this origin. */
  settle(origin: URL): void;
  /**
   * Runs `work` with the registry's origin; while unsettled, with the other one too when the first fault says that the wrong scheme was spoken. A
   * certificate that is not trusted never leads to plain HTTP.
   */
  attempt<T>(work: (origin: URL) => Promise<T>): Promise<T>;
}

/** What a server or its TLS library says when it is spoken to by the other scheme, or not there at all. */
const SPOKE_HTTP_TO_TLS = new Set(["ECONNRESET", "EPIPE", "HPE_INVALID_CONSTANT"]);
const SPOKE_TLS_TO_HTTP = new Set([
  "EPROTO",
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG",
  "ECONNRESET",
]);
const NOT_THERE = new Set(["ECONNREFUSED"]);

/** Thrown by who reads answers: the server has said in HTTP that it wants HTTPS (Go's and nginx's 400). */
export class WantsHttps extends Error {}

/** @throws E_REFERENCE_INVALID when `registry` is no host. */
export function createEndpoint(registry: string, allowHttp: boolean): Endpoint {
  const host = apiHost(registry);
  let origins = schemesFor(host, allowHttp).map((scheme) => new URL(`${scheme}://${host}`));
  return {
    registry,
    host: origins[0]?.host ?? host,
    settled: () => origins.length === 1,
    settle(origin) {
      if (origins.length > 1) origins = [origin];
    },
    async attempt(work) {
      const first = origins[0] ?? new URL(`https://${host}`);
      try {
        return await work(first);
      } catch (fault) {
        // Settled in the meantime by this answer there is none; by somebody else's there may be.
        const other = origins.find((origin) => origin !== first);
        if (other === undefined || !saysWrongScheme(first, fault)) throw fault;
        return await work(other).catch((second: unknown) => {
          throw saysWrongScheme(other, second) && isCountersignError(fault) ? fault : second;
        });
      }
    },
  };
}

function saysWrongScheme(origin: URL, fault: unknown): boolean {
  if (fault instanceof WantsHttps) return origin.protocol === "http:";
  if (!isCountersignError(fault) || (fault.code !== "E_NETWORK" && fault.code !== "E_TLS")) return false;
  const code = causeCode(fault.cause);
  if (NOT_THERE.has(code)) return origin.port === "";
  return (origin.protocol === "http:" ? SPOKE_HTTP_TO_TLS : SPOKE_TLS_TO_HTTP).has(code);
}

function schemesFor(host: string, allowHttp: boolean): readonly Scheme[] {
  if (isLoopbackHost(new URL(`http://${host}`).hostname)) return ["http", "https"];
  return allowHttp ? ["https", "http"] : ["https"];
}

function apiHost(registry: string): string {
  const host = registry === "docker.io" || registry === "registry-1.docker.io" ? "index.docker.io" : registry;
  const url = URL.canParse(`https://${host}/`) ? new URL(`https://${host}/`) : undefined;
  if (url && url.href === `https://${url.host}/` && !/[/?#@\\\s]/.test(host)) return host;
  throw new CountersignError(
    "E_REFERENCE_INVALID",
    `${JSON.stringify(registry.slice(0, 160))} is not a registry's host`,
    {
      hint: "write HOST or HOST:PORT",
    },
  );
}
