import { CountersignError, isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { readBody } from "../platform/body.ts";
import type { Exchange, HttpRequest } from "../platform/exchange.ts";
import { memoUnlessFailed } from "../platform/memo.ts";

export interface RevocationSourceOptions {
  /** Refuses inside addresses at connect time, unless for tests. */
  readonly exchange: Exchange;
  /** Throws for a host that may not be visited. */
  readonly permitted: (hostname: string) => void;
  /** Milliseconds for one request. */
  readonly timeout: number;
  readonly userAgent: string;
}

/** Responders and lists at addresses out of certificates. What comes back is bytes that nothing is known of. */
export interface RevocationSource {
  /** RFC 6960 appendix A.1. */
  ocsp(address: string, request: Uint8Array): Promise<Uint8Array>;
  /** The same list once a run. */
  crl(address: string): Promise<Uint8Array>;
}

/** An answer that breaks off or fails may be better the next time. */
const TRIES = 2;

/**
 * No redirects are followed, nothing is sent but the request, and only plain http is spoken, as what comes back is signed (RFC 5280 8).
 * Both throw E_REVOCATION_UNCHECKED, E_NETWORK, E_TIMEOUT, E_INSECURE_ADDRESS.
 */
export function createRevocationSource(options: RevocationSourceOptions): RevocationSource {
  const { exchange, permitted, timeout, userAgent } = options;
  const lists = new Map<string, Promise<Uint8Array>>();

  const ask = async (address: string, how: Omit<HttpRequest, "url">, type: string | undefined, limit: number) => {
    const url = addressOf(address);
    permitted(url.hostname);
    for (let tries = 1; ; tries += 1) {
      try {
        const response = await exchange({ ...how, url, timeout });
        const { status } = response;
        const found = response.header("content-type")?.split(";")[0]?.trim().toLowerCase();
        if (status === 200 && (type === undefined || found === type)) return await readBody(response, limit, url.host);
        response.discard();
        if (status < 500 || tries === TRIES)
          throw answered(url, status === 200 ? `${found ?? "something"} without a name` : `${status}`);
      } catch (error) {
        const passing = isCountersignError(error) && error.retry && error.code !== "E_REVOCATION_UNCHECKED";
        if (!passing || tries === TRIES) throw error;
      }
    }
  };

  return {
    ocsp: (address, body) => {
      const headers = {
        "content-type": "application/ocsp-request",
        accept: "application/ocsp-response",
        "user-agent": userAgent,
      };
      return ask(address, { method: "POST", headers, body }, "application/ocsp-response", LIMITS.ocspResponse);
    },
    crl: (address) =>
      memoUnlessFailed(lists, address, () =>
        ask(address, { method: "GET", headers: { "user-agent": userAgent } }, undefined, LIMITS.crl),
      ),
  };
}

function addressOf(text: string): URL {
  const url = text.length <= 2048 && URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && url.protocol === "http:" && url.username === "" && url.password === "") return url;
  throw new CountersignError("E_REVOCATION_UNCHECKED", `${JSON.stringify(text.slice(0, 120))} is no http address`, {
    retry: false,
  });
}

function answered({ host }: URL, what: string): CountersignError {
  return new CountersignError("E_REVOCATION_UNCHECKED", `${host} answers ${what}`);
}
