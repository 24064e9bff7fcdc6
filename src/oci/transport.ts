import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { readBody } from "../platform/body.ts";
import type { Exchange, HttpRequest, HttpResponse } from "../platform/exchange.ts";
import { type Fault, isPassing, type Outcome, parseRetryAfter, type Retrier } from "../platform/retry.ts";
import type { Authorizer, Scope } from "./auth.ts";
import { type Endpoint, WantsHttps } from "./endpoint.ts";
import { isRedirect, refuseRedirect, resolveLocation, tooManyRedirects } from "./redirects.ts";
import { passingError, type RegistryFault, readFault, unexpectedAnswer } from "./registry-error.ts";

export interface RegistryRequest {
  readonly method: HttpRequest["method"];
  /** A path from the root of the API, or an address that the registry has given. */
  readonly target: string | URL;
  readonly scope: Scope;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: HttpRequest["body"];
  /** As the platform has it: the bytes that are about to move. */
  readonly bulk?: number | undefined;
  /** Not sent again after a passing fault: who asks can do without the answer. */
  readonly once?: boolean | undefined;
  /** Sent without credentials; `read` sees a 401 too. */
  readonly anonymous?: boolean | undefined;
}

export interface RegistryAnswer {
  readonly status: number;
  readonly response: HttpResponse;
  /** The address that answered, redirects followed. */
  readonly url: URL;
  /** The `Authorization` header that it was asked with. */
  readonly shown: string | undefined;
}

/** Sends one request and makes a value of the answer. */
export type Send = <T>(request: RegistryRequest, read: (answer: RegistryAnswer) => Promise<T>) => Promise<T>;

/** Requests to one registry: authenticated, redirected, retried. */
export interface Transport {
  readonly registry: string;
  /**
   * Sends a request and lets `read` make a value of the answer; both happen again when that can help. `read` sees every status but redirects,
   * 401, 403 and those that passing faults have (408, 429, 500, 502, 503, 504).
   */
  readonly call: Send;
  /** Several requests that are retried as one, from the first: what `work` is given sends each once. */
  together<T>(work: (send: Send) => Promise<T>): Promise<T>;
  /** @throws E_REGISTRY_ANSWER: an answer that was not expected, as an error that quotes it. */
  refuse(answer: RegistryAnswer, what: string): Promise<never>;
  /** Where the upload that an answer began goes on (`Location`). */
  location(answer: RegistryAnswer): URL;
}

export interface TransportOptions {
  readonly exchange: Exchange;
  readonly endpoint: Endpoint;
  readonly authorizer: Authorizer;
  readonly retrier: Retrier;
  readonly now: () => Date;
  readonly userAgent: string;
}

/**
 * Redirects: reads (GET, HEAD) are followed to other hosts, without credentials, since what they bring is checked by digest or came by the
 * word of the registry itself; writes only within the registry's origin. A 401 is answered once, and only to the registry.
 */
export function createTransport(options: TransportOptions): Transport {
  const { endpoint, authorizer } = options;
  const { registry } = endpoint;

  const follow = async (request: RegistryRequest, origin: URL): Promise<RegistryAnswer> => {
    let url = typeof request.target === "string" ? new URL(request.target, origin) : request.target;
    let granted: string | undefined;
    let refused = false;
    for (let redirects = 0; ; ) {
      const own = url.origin === origin.origin;
      const known = own && !request.anonymous;
      const authorization = known ? (granted ?? (await authorizer.header(request.scope, origin))) : undefined;
      const response = await settled(
        endpoint,
        origin,
        await options.exchange(outgoing(request, url, authorization, options)),
      );
      const { status } = response;
      if (status === 401 && known && !refused) {
        refused = true;
        const fault = faultOf(response, authorization);
        const challenges = response.header("www-authenticate") ?? "";
        granted = await authorizer.afterRefusal(challenges, authorization, request.scope, origin);
        if (granted === undefined) throw denied(request.scope, url, await fault);
      } else if (isRedirect(status)) {
        response.discard();
        redirects += 1;
        if (redirects > LIMITS.redirects) tooManyRedirects(origin, LIMITS.redirects);
        const next = resolveLocation(response.header("location"), url, origin);
        if (!mayFollow(request.method, status, url, next)) refuseRedirect(url, next.href);
        url = next;
      } else {
        return { status, response, url, shown: authorization };
      }
    }
  };

  const denied = ({ repository, actions }: Scope, url: URL, fault: RegistryFault): CountersignError => {
    const source = authorizer.source({ repository, actions });
    const what = actions === "pull" ? "reading" : "writing to";
    return new CountersignError("E_REGISTRY_DENIED", `${url.host} denies ${what} ${repository}: ${fault.text}`, {
      hint: source
        ? `the credentials of ${source} were shown: check what they permit, and the repository's name`
        : `no credentials for ${registry} were found: use docker login ${registry}, or --registry-username and --registry-password`,
    });
  };

  const attempt = async <T>(
    request: RegistryRequest,
    read: (answer: RegistryAnswer) => Promise<T>,
  ): Promise<Outcome<T>> => {
    const answer = await endpoint.attempt((origin) => follow(request, origin));
    const { status, response, url, shown } = answer;
    if (status === 401 && request.anonymous) return { done: await read(answer) };
    if (status === 401 || status === 403) throw denied(request.scope, url, await faultOf(response, shown));
    if (status < 400) return { done: await read(answer) };
    if (!isPassing(status)) return { done: await read(answer) };
    const retryAfter = parseRetryAfter(response.header("retry-after"), options.now());
    const error = passingError(url.host, await faultOf(response, shown));
    return { again: { error, retryAfter, throttled: status === 429 || retryAfter !== undefined } };
  };

  const once: Send = async (request, read) => {
    const outcome = await attempt(request, read);
    if ("done" in outcome) return outcome.done;
    throw new Passing(outcome.again);
  };

  return {
    registry,
    async call(request, read) {
      if (request.once !== true) return options.retrier.run(registry, () => attempt(request, read));
      const outcome = await attempt(request, read);
      if ("done" in outcome) return outcome.done;
      throw outcome.again.error;
    },
    together: <T>(work: (send: Send) => Promise<T>) =>
      options.retrier.run<T>(registry, async () => {
        try {
          return { done: await work(once) };
        } catch (error) {
          if (error instanceof Passing) return { again: error.fault };
          throw error;
        }
      }),
    async refuse({ response, url, shown }, what) {
      throw unexpectedAnswer(url.host, what, await faultOf(response, shown));
    },
    location: ({ response, url }) => resolveLocation(response.header("location"), url, url),
  };
}

/** How one of several requests that are retried as one says that another attempt may help. */
class Passing extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.error.message);
    this.fault = fault;
  }
}

function outgoing(
  { method, headers, body, bulk }: RegistryRequest,
  url: URL,
  authorization: string | undefined,
  { userAgent }: TransportOptions,
): HttpRequest {
  const own: Record<string, string> = authorization === undefined ? {} : { authorization };
  return { method, url, headers: { ...headers, ...own, "user-agent": userAgent }, body, bulk };
}

function mayFollow(method: string, status: number, from: URL, to: URL): boolean {
  if (method === "GET" || method === "HEAD") return true;
  return to.origin === from.origin && (status === 307 || status === 308);
}

function faultOf(response: HttpResponse, shown: string | undefined): Promise<RegistryFault> {
  return readFault(response, [shown]);
}

/**
 * Settles the endpoint by its first answer, unless that is how a TLS server answers plain HTTP: with a 400 that says so.
 * @throws WantsHttps.
 */
async function settled(endpoint: Endpoint, origin: URL, response: HttpResponse): Promise<HttpResponse> {
  if (endpoint.settled()) return response;
  if (response.status !== 400 || origin.protocol !== "http:") {
    endpoint.settle(origin);
    return response;
  }
  const body = await readBody(response, LIMITS.errorBody);
  if (/https/i.test(new TextDecoder().decode(body))) throw new WantsHttps("it wants HTTPS");
  endpoint.settle(origin);
  const again = async function* () {
    yield body;
  };
  return { ...response, body: again(), discard: () => {} };
}
