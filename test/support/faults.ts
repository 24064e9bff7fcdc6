import { setTimeout as delay } from "node:timers/promises";
import type { Handler, ServedRequest, ServedResponse } from "../../src/platform/serve.ts";

/** What happens in place of, or to, the answer that `next` gives. Undefined: the connection is cut. */
export type Fault = (
  request: ServedRequest,
  next: () => Promise<ServedResponse | undefined>,
) => Promise<ServedResponse | undefined>;

export interface FaultRule {
  /** Any method when absent. */
  readonly method?: string;
  /** Against path and query. */
  readonly path?: RegExp;
  /** The first matching request is 1. Absent: every one. */
  readonly nth?: number | readonly number[] | { readonly upTo: number };
  readonly fault: Fault;
}

/** Puts faults before a handler; the first rule that matches, in method, path and turn, acts. Each rule counts for itself. */
export function withFaults(handler: Handler, rules: readonly FaultRule[]): Handler {
  const turns = new Map<FaultRule, number>();
  return async (request) => {
    const acting = rules.filter((rule) => {
      if (rule.method !== undefined && rule.method !== request.method) return false;
      if (rule.path !== undefined && !rule.path.test(request.url.pathname + request.url.search)) return false;
      const turn = (turns.get(rule) ?? 0) + 1;
      turns.set(rule, turn);
      return isTurn(rule.nth, turn);
    });
    const next = () => handler(request);
    return acting[0] === undefined ? next() : acting[0].fault(request, next);
  };
}

function isTurn(nth: FaultRule["nth"], turn: number): boolean {
  if (nth === undefined) return true;
  if (typeof nth === "number") return nth === turn;
  return "upTo" in nth ? turn <= nth.upTo : nth.includes(turn);
}

/** Answers `status` without asking the registry. */
export function status(code: number, headers: Record<string, string> = {}, body = ""): Fault {
  return async () => ({
    status: code,
    headers: { "content-length": String(Buffer.byteLength(body)), ...headers },
    body,
  });
}

/** 429, with `Retry-After` in seconds or as a date. */
export function throttled(retryAfter?: number | string): Fault {
  return status(429, retryAfter === undefined ? {} : { "retry-after": String(retryAfter) });
}

/** Cuts the connection before any answer. */
export function reset(): Fault {
  return async () => undefined;
}

/** Does what was asked, then cuts the connection: the client cannot know. */
export function resetAfter(): Fault {
  return async (_, next) => {
    await next();
    return undefined;
  };
}

/** Promises the whole body, sends half of it and cuts the connection. */
export function truncated(): Fault {
  return changed((answer) => {
    const bytes = wholeBody(answer);
    return { ...answer, body: cutAfter(bytes.subarray(0, Math.floor(bytes.length / 2))) };
  });
}

async function* cutAfter(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
  await delay(10);
  throw new Error("cut on purpose");
}

/** Answers after `milliseconds`. */
export function slow(milliseconds: number): Fault {
  return async (_, next) => {
    await delay(milliseconds);
    return next();
  };
}

/** Sends one byte, and then one every `milliseconds`: the body never ends in time. */
export function dribbling(milliseconds: number): Fault {
  return changed((answer) => ({ ...answer, body: drip(wholeBody(answer), milliseconds) }));
}

async function* drip(bytes: Uint8Array, milliseconds: number): AsyncIterable<Uint8Array> {
  for (const byte of bytes) {
    yield Uint8Array.of(byte);
    await delay(milliseconds);
  }
}

/** A body without an end or a length, of white space. */
export function endless(): Fault {
  return changed((answer) => {
    const { "content-length": _, ...headers } = answer.headers;
    return { ...answer, headers, body: forever() };
  });
}

async function* forever(): AsyncIterable<Uint8Array> {
  const chunk = new Uint8Array(64 * 1024).fill(0x20);
  for (;;) yield chunk;
}

/** Turns one bit in the middle of the body: the length is right and the digest is not. */
export function wrongDigest(): Fault {
  return changed((answer) => {
    const bytes = Uint8Array.from(wholeBody(answer));
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    return { ...answer, body: bytes };
  });
}

/** The registry's answer with these headers over its own; undefined takes one away. */
export function withHeaders(headers: Record<string, string | undefined>): Fault {
  return changed((answer) => {
    const merged = Object.entries({ ...answer.headers, ...headers });
    return {
      ...answer,
      headers: Object.fromEntries(merged.filter(([, value]) => value !== undefined)) as Record<string, string>,
    };
  });
}

/** The registry's answer with another body, its length corrected. */
export function withBody(body: string | Uint8Array, contentType?: string): Fault {
  return changed((answer) => ({
    ...answer,
    body,
    headers: {
      ...answer.headers,
      "content-length": String(Buffer.byteLength(body)),
      ...(contentType === undefined ? {} : { "content-type": contentType }),
    },
  }));
}

export function redirect(location: string, code = 307): Fault {
  return status(code, { location });
}

function changed(change: (answer: ServedResponse) => ServedResponse): Fault {
  return async (_, next) => {
    const answer = await next();
    return answer === undefined ? undefined : change(answer);
  };
}

function wholeBody(answer: ServedResponse): Uint8Array {
  if (typeof answer.body === "string") return Buffer.from(answer.body);
  if (answer.body instanceof Uint8Array) return answer.body;
  return new Uint8Array();
}
