import { CountersignError, isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { readBody } from "../platform/body.ts";
import type { Exchange, HttpResponse } from "../platform/exchange.ts";
import { createSemaphore } from "../platform/parallel.ts";
import { type Fault, isPassing, type Outcome, parseRetryAfter, type Retrier } from "../platform/retry.ts";
import { printable } from "../platform/server-words.ts";

export interface TimeStampServiceOptions {
  /** http or https: what comes back is signed, and what goes there is a hash. */
  readonly url: URL;
  readonly exchange: Exchange;
  readonly retrier: Retrier;
  readonly now: () => Date;
  /** Milliseconds for one request. */
  readonly timeout: number;
  /** Requests under way at once. */
  readonly concurrency: number;
  readonly userAgent: string;
}

/** Sends a DER TimeStampReq, resolves to what came back: a DER TimeStampResp of which nothing has been read. */
export type TimeStampService = (request: Uint8Array) => Promise<Uint8Array>;

/**
 * The HTTP transport of RFC 3161 3.4. Passing faults are tried again, after `Retry-After` where it is said; redirects are not followed;
 * no credentials are sent.
 * The service throws E_TIMESTAMP_SERVICE for any other answer than a time stamp's, E_NETWORK, E_TIMEOUT, E_TLS.
 */
export function createTimeStampService(options: TimeStampServiceOptions): TimeStampService {
  const { url, exchange, retrier } = options;
  const gate = createSemaphore(options.concurrency);
  const headers = {
    "content-type": "application/timestamp-query",
    accept: "application/timestamp-reply",
    "user-agent": options.userAgent,
  };
  const attempt = async (body: Uint8Array): Promise<Outcome<Uint8Array>> => {
    const response = await exchange({ method: "POST", url, headers, body, timeout: options.timeout });
    const { status } = response;
    if (status !== 200 && status !== 201) return { again: await refusal(response, url, options.now()) };
    const type = response.header("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
    if (type !== "application/timestamp-reply") {
      response.discard();
      throw noTimeStamp(url, `its answer is ${JSON.stringify(printable(type))}, not application/timestamp-reply`);
    }
    return { done: await readBody(response, LIMITS.timestamp).catch(tooLong(url)) };
  };
  return async (request) => {
    const release = await gate.acquire();
    return retrier
      .run(url.host, () => attempt(request))
      .catch(ofTheAuthority)
      .finally(release);
  };
}

async function refusal(response: HttpResponse, url: URL, now: Date): Promise<Fault> {
  const { status } = response;
  if (status >= 300 && status < 400) {
    response.discard();
    throw noTimeStamp(url, `it redirects (${status}), which is not followed`);
  }
  const bytes = await readBody(response, 4096).catch(() => new Uint8Array());
  const said = printable(new TextDecoder().decode(bytes));
  const answer = said === "" ? `it answers ${status}` : `it answers ${status} ${said}`;
  if (!isPassing(status)) throw noTimeStamp(url, answer);
  const retryAfter = parseRetryAfter(response.header("retry-after"), now);
  const error = new CountersignError("E_TIMESTAMP_SERVICE", `no time stamp from ${url.host}: ${answer}`, {
    hint: "try again later, or name another authority with --timestamp-url",
  });
  return { error, retryAfter, throttled: status === 429 || retryAfter !== undefined };
}

function noTimeStamp({ host }: URL, why: string): CountersignError {
  return new CountersignError("E_TIMESTAMP_SERVICE", `no time stamp from ${host}: ${why}`, {
    hint: "check that --timestamp-url is the final address of an RFC 3161 service",
    retry: false,
  });
}

function tooLong(url: URL): (error: unknown) => never {
  return (error) => {
    if (isCountersignError(error) && error.code === "E_TOO_LARGE") {
      throw noTimeStamp(url, `it answers more than ${LIMITS.timestamp} bytes`);
    }
    throw error;
  };
}

/** The platform's mends name the registry's flags. */
function ofTheAuthority(error: unknown): never {
  if (!isCountersignError(error) || !["E_TLS", "E_TIMEOUT", "E_NETWORK"].includes(error.code)) throw error;
  const hint =
    error.code === "E_TIMEOUT"
      ? "give it longer with --timestamp-timeout, or check the network"
      : "check --timestamp-url; plain http will do, as time stamps are signed";
  throw new CountersignError(error.code, `time-stamping authority: ${error.message}`, {
    hint,
    cause: error.cause,
    retry: error.retry,
  });
}
