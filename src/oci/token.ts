import { z } from "zod";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { readBody } from "../platform/body.ts";
import type { Exchange, HttpRequest } from "../platform/exchange.ts";
import { isPassing, parseRetryAfter, type Retrier } from "../platform/retry.ts";
import type { Credential } from "./credential.ts";
import { isRedirect } from "./redirects.ts";
import { passingError, readFault } from "./registry-error.ts";

export interface TokenRequest {
  /** The token server; checked already, and fit for `credential`. */
  readonly realm: URL;
  readonly service: string | undefined;
  /** `repository:app:pull,push`; several parted by blanks. */
  readonly scope: string;
  readonly credential: Exclude<Credential, { kind: "bearer" }> | undefined;
}

export interface Token {
  readonly value: string;
  /** Milliseconds that it is good for, from now. */
  readonly lifetime: number;
}

export interface TokenOptions {
  readonly exchange: Exchange;
  readonly retrier: Retrier;
  readonly now: () => Date;
  readonly userAgent: string;
}

/** Seconds, where the server says nothing (docker's token specification). */
const DEFAULT_LIFETIME = 60;

const optionalText = z.string().nullish().catch(undefined);
const answer = z.object({
  token: optionalText,
  access_token: optionalText,
  expires_in: z.number().positive().max(31_536_000).catch(DEFAULT_LIFETIME),
});

/**
 * Gets a bearer token: by GET with Basic authentication, or as nobody; with a refresh token by POST as OAuth2 (docker's token and
 * OAuth2 specifications). Follows no redirect.
 *
 * @throws E_REGISTRY_DENIED when the server refuses; E_REGISTRY_ANSWER for an answer that holds no token; and what retries end in.
 */
export async function fetchToken(wanted: TokenRequest, options: TokenOptions): Promise<Token> {
  const request =
    wanted.credential?.kind === "identity" ? postRequest(wanted, wanted.credential.token) : getRequest(wanted);
  const headers = { ...request.headers, accept: "application/json", "user-agent": options.userAgent };
  const { host } = wanted.realm;
  const refreshToken = wanted.credential?.kind === "identity" ? wanted.credential.token : undefined;
  const bytes = await options.retrier.run<Uint8Array>(host, async () => {
    const response = await options.exchange({ ...request, headers });
    if (response.status === 200) return { done: await readBody(response, LIMITS.token).catch(rethrow(host)) };
    const fault = await readFault(response, [request.headers?.["authorization"], refreshToken]);
    if (isPassing(fault.status)) {
      const retryAfter = parseRetryAfter(response.header("retry-after"), options.now());
      const throttled = fault.status === 429 || retryAfter !== undefined;
      return { again: { error: passingError(host, fault), throttled, retryAfter } };
    }
    throw isRedirect(fault.status) ? redirected(host) : denied(wanted, fault.text);
  });
  return readToken(bytes, host);
}

function getRequest({ realm, service, scope, credential }: TokenRequest): HttpRequest {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const one of scope.split(" ")) url.searchParams.append("scope", one);
  const headers: Record<string, string> =
    credential?.kind === "password" ? { authorization: basicHeader(credential.username, credential.password) } : {};
  return { method: "GET", url, headers };
}

function postRequest({ realm, service, scope }: TokenRequest, refreshToken: string): HttpRequest {
  const form = new URLSearchParams({ grant_type: "refresh_token", client_id: "countersign", scope });
  if (service !== undefined) form.set("service", service);
  form.set("refresh_token", refreshToken);
  return {
    method: "POST",
    url: realm,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new TextEncoder().encode(form.toString()),
  };
}

/** RFC 7617, in UTF-8. */
export function basicHeader(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}

function readToken(bytes: Uint8Array, host: string): Token {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    parsed = undefined;
  }
  const result = answer.safeParse(parsed);
  const value = result.success ? result.data.token || result.data.access_token : undefined;
  // Whatever stands in it goes into a header.
  if (result.success && value && /^[\x21-\x7e]+$/.test(value)) {
    return { value, lifetime: result.data.expires_in * 1000 };
  }
  throw noToken(host);
}

/** A body that is too long holds no token; what else goes wrong goes wrong as it does. */
function rethrow(host: string): (error: unknown) => never {
  return (error) => {
    throw isCountersignError(error) && error.code === "E_TOO_LARGE" ? noToken(host) : error;
  };
}

function noToken(host: string): CountersignError {
  return new CountersignError("E_REGISTRY_ANSWER", `${host} answers a request for a token without one`, {
    hint: "check the token server of the registry",
  });
}

function denied({ realm, credential, scope }: TokenRequest, text: string): CountersignError {
  const who = credential ? `the credentials of ${credential.source}` : "an anonymous caller";
  return new CountersignError("E_REGISTRY_DENIED", `${realm.host} gives ${who} no token for ${scope}: ${text}`, {
    hint: credential ? `check the user and password in ${credential.source}` : "log in to the registry (docker login)",
  });
}

function redirected(host: string): CountersignError {
  return new CountersignError("E_REGISTRY_REDIRECT", `${host} redirects a request for a token`, {
    hint: "tokens are asked for at the address that the registry names, and nowhere else",
  });
}
