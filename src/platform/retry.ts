import type { ErrorCode } from "../model/error-codes.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Host } from "./host.ts";

/** How one attempt ended: with a value, or in a way that another attempt may better. */
export type Outcome<T> = { readonly done: T } | { readonly again: Fault };

export interface Fault {
  /** Thrown when there is no further attempt. */
  readonly error: CountersignError;
  /** Everybody who talks to that host had better wait: 429, or a Retry-After. */
  readonly throttled: boolean;
  /** Milliseconds that the server asked for. */
  readonly retryAfter?: number | undefined;
}

export interface RetryNotice {
  readonly host: string;
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  /** Milliseconds until the next. */
  readonly delay: number;
  readonly error: CountersignError;
}

export interface RetrierOptions {
  /** What a wait is refused with that is longer than is borne. */
  readonly throttledCode: ErrorCode;
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
}

export interface Retrier {
  /**
   * Attempts until one is done, `LIMITS.attempts` at most. What an attempt throws ends it, but for faults of network and time that can pass.
   * @throws `throttledCode` when the server asks for a longer wait than is borne.
   */
  run<T>(host: string, attempt: () => Promise<Outcome<T>>): Promise<T>;
}

/** Milliseconds. */
const FIRST_DELAY = 500;
const LONGEST_DELAY = 16_000;
/** No attempt begins later than this after the first, waits of the host's own asking included. */
const TOTAL = 2 * LIMITS.retryAfter;

/**
 * Retries with exponential back-off and full jitter (a delay drawn from 0 to 0.5, 1, 2, 4 … seconds), or after the time that the server
 * asks for. A host that throttles one request holds back all that go there, so that a parallel run does not beat on it.
 */
export function createRetrier(
  host: Pick<Host, "now" | "sleep" | "random">,
  { throttledCode, onRetry }: RetrierOptions,
): Retrier {
  const shutUntil = new Map<string, number>();
  const now = () => host.now().getTime();

  /** Waits while the host is shut; those who wait leave spread over a quarter of a second. Resolves to the milliseconds slept. */
  const pass = async (name: string): Promise<number> => {
    const wait = (shutUntil.get(name) ?? 0) - now();
    if (wait <= 0) return 0;
    const delay = wait + host.random() * 250;
    await host.sleep(delay);
    return delay;
  };

  return {
    async run(name, attempt) {
      const start = now();
      let slept = 0;
      for (let count = 1; ; count += 1) {
        slept += await pass(name);
        const outcome = await attempt().catch((error: unknown) => ({ again: passing(error) }));
        if ("done" in outcome) return outcome.done;
        const { error, throttled, retryAfter } = outcome.again;
        if (retryAfter !== undefined && retryAfter > LIMITS.retryAfter)
          throw tooLong(throttledCode, name, retryAfter, error);
        const backOff = host.random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (count - 1));
        const delay = Math.max(retryAfter ?? 0, backOff);
        const spent = Math.max(slept, now() - start);
        if (count >= LIMITS.attempts || spent + delay > TOTAL) throw error;
        onRetry?.({ host: name, attempt: count, delay, error });
        if (throttled) shutUntil.set(name, Math.max(shutUntil.get(name) ?? 0, now() + delay));
        else {
          await host.sleep(delay);
          slept += delay;
        }
      }
    },
  };
}

function passing(error: unknown): Fault {
  if (isCountersignError(error) && error.retry && (error.code === "E_NETWORK" || error.code === "E_TIMEOUT")) {
    return { error, throttled: false };
  }
  throw error;
}

function tooLong(code: ErrorCode, host: string, retryAfter: number, cause: CountersignError): CountersignError {
  const seconds = Math.ceil(retryAfter / 1000);
  return new CountersignError(code, `${host} asks to wait ${seconds} s, longer than is waited for`, {
    cause,
    hint: `run it again in ${seconds} s, with credentials if the limit is one for anonymous use`,
  });
}

/** Statuses that may pass: asking again can help. */
export function isPassing(status: number): boolean {
  return [408, 429, 500, 502, 503, 504].includes(status);
}

/**
 * `Retry-After` (RFC 9110 10.2.3), seconds or a date, in milliseconds from `now`; undefined when absent or neither.
 */
export function parseRetryAfter(header: string | undefined, now: Date): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1000;
  if (!/^[A-Z][a-z]{2,8},? /.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime());
}
