import { z } from "zod";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { isLoopbackHost } from "../platform/addresses.ts";
import { readBody } from "../platform/body.ts";
import type { Exchange, HttpResponse } from "../platform/exchange.ts";
import { isPassing, type Outcome, parseRetryAfter, type Retrier } from "../platform/retry.ts";

export interface GithubTokenOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whom the token is for; a service refuses tokens for others. */
  readonly audience: string;
  readonly exchange: Exchange;
  readonly retrier: Retrier;
  readonly now: () => Date;
  readonly userAgent: string;
}

const answer = z.object({ value: z.string().regex(/^[\x21-\x7e]+$/) });
const claims = z.object({ exp: z.number() });

/** Seconds: a token that says nothing of its end is good for this long. */
const UNTOLD = 60;
/** Milliseconds before its end in which a token is no longer sent. */
const MARGIN = 30_000;

/**
 * The OIDC token of a GitHub Actions job for one audience, asked for at its first use and again when it is about to expire
 * (`ACTIONS_ID_TOKEN_REQUEST_URL` and `_TOKEN`, which a job has with `permissions: id-token: write`). No redirect is followed.
 *
 * @throws E_ENVIRONMENT_EMPTY at once when the job has no such variables; E_INSECURE_ADDRESS; the function given throws E_IDENTITY_TOKEN
 * when no token is to be had.
 */
export function createGithubToken(options: GithubTokenOptions): () => Promise<string> {
  const url = new URL(requestAddress(options));
  url.searchParams.set("audience", options.audience);
  const secret = variable(options.env, "ACTIONS_ID_TOKEN_REQUEST_TOKEN");
  let held: Promise<Token> | undefined;

  const current = (): Promise<Token> => {
    if (held !== undefined) return held;
    const asked = fetchToken();
    held = asked;
    asked.catch(() => forget(asked));
    return asked;
  };
  const forget = (token: Promise<Token>) => {
    if (held === token) held = undefined;
  };
  const fetchToken = async (): Promise<Token> => {
    const value = await options.retrier.run(url.host, () => attempt(url, secret, options));
    return { value, until: expiryOf(value, options.now()) };
  };
  return async () => {
    const known = current();
    const { value, until } = await known;
    if (until - MARGIN > options.now().getTime()) return value;
    forget(known);
    return (await current()).value;
  };
}

interface Token {
  readonly value: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

async function attempt(url: URL, secret: string, options: GithubTokenOptions): Promise<Outcome<string>> {
  const headers = { accept: "application/json", authorization: `Bearer ${secret}`, "user-agent": options.userAgent };
  const response = await options.exchange({ method: "GET", url, headers });
  const { status } = response;
  if (status === 200) return { done: await readToken(response, url.host) };
  response.discard();
  const error = failure(`${url.host} answers the request for an OIDC token with ${status}`, isPassing(status));
  if (!isPassing(status)) throw error;
  const retryAfter = parseRetryAfter(response.header("retry-after"), options.now());
  return { again: { error, retryAfter, throttled: status === 429 || retryAfter !== undefined } };
}

async function readToken(response: HttpResponse, host: string): Promise<string> {
  const bytes = await readBody(response, LIMITS.token);
  const parsed = answer.safeParse(parseJson(new TextDecoder().decode(bytes)));
  if (parsed.success) return parsed.data.value;
  // Not quoted: it may hold a token all the same.
  throw failure(`${host} answers the request for an OIDC token without one`, false);
}

/** Milliseconds; read from the token as it says (RFC 7519 4.1.4), which only decides when another is asked for. */
function expiryOf(token: string, now: Date): number {
  const payload = Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8");
  const parsed = claims.safeParse(parseJson(payload));
  return parsed.success ? parsed.data.exp * 1000 : now.getTime() + UNTOLD * 1000;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function requestAddress({ env }: GithubTokenOptions): string {
  const text = variable(env, "ACTIONS_ID_TOKEN_REQUEST_URL");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.protocol === "https:" || (url.protocol === "http:" && isLoopbackHost(url.hostname)))) {
    return text;
  }
  throw new CountersignError("E_INSECURE_ADDRESS", "ACTIONS_ID_TOKEN_REQUEST_URL holds no https address", {
    hint: "it is set by the runner: leave it as it is",
  });
}

function variable(env: GithubTokenOptions["env"], name: string): string {
  const value = env[name];
  if (value) return value;
  throw new CountersignError("E_ENVIRONMENT_EMPTY", `the environment variable ${name} is empty or not set`, {
    hint: "run it in a GitHub Actions job that has permissions: id-token: write; runs from forks never have it",
  });
}

function failure(message: string, retry: boolean): CountersignError {
  return new CountersignError("E_IDENTITY_TOKEN", message, {
    hint: "check the job's permissions (id-token: write) and try again",
    retry,
  });
}
