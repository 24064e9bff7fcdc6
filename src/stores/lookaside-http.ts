import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { isRedirect, resolveLocation, tooManyRedirects } from "../oci/redirects.ts";
import { readBody } from "../platform/body.ts";
import type { Exchange, HttpRequest, HttpResponse } from "../platform/exchange.ts";
import type { Host } from "../platform/host.ts";
import { isPassing, type Outcome, parseRetryAfter, type Retrier } from "../platform/retry.ts";
import type { LookasideBase } from "./lookaside-base.ts";
import { SETTLE, settleTime } from "./settle.ts";

export interface LookasideHttpOptions {
  /** Shows nobody any credentials, a client certificate neither: a lookaside is public, or it is not for this. */
  readonly exchange: Exchange;
  readonly retrier: Retrier;
  readonly host: Pick<Host, "now" | "sleep" | "random">;
  readonly userAgent: string;
}

const READ_ONLY = new Set([401, 403, 404, 405, 501]);

/**
 * A lookaside behind a web server: read by GET, where 404 alone says that there is nothing; written by PUT with `If-None-Match: *`, where the
 * server takes that. Reads are redirected as reads of a registry are, without ever leading from https to http; writes are not.
 *
 * @param base http or https, without user, query and fragment.
 */
export function openLookasideHttp(base: URL, options: LookasideHttpOptions): LookasideBase {
  const { exchange, retrier, host, userAgent } = options;
  const root = base.href.replace(/\/+$/, "");
  // Nothing in such a path has to be escaped; containers/image writes "@" and "=" as they are.
  const placed = (path: string) => new URL(`${root}/${path}`);

  const ask = async (request: HttpRequest): Promise<HttpResponse> => {
    let { url } = request;
    for (let redirects = 0; ; redirects += 1) {
      const response = await exchange({ ...request, url });
      if (request.method !== "GET" || !isRedirect(response.status)) return response;
      response.discard();
      if (redirects === LIMITS.redirects) tooManyRedirects(base, LIMITS.redirects);
      url = resolveLocation(response.header("location"), url, base);
    }
  };

  const call = <T>(request: HttpRequest, read: (response: HttpResponse) => Promise<T>): Promise<T> =>
    retrier.run(base.host, async (): Promise<Outcome<T>> => {
      const response = await ask(request);
      // 501 says that a method is not known, now or later; isPassing leaves it out.
      if (!isPassing(response.status)) return { done: await read(response) };
      response.discard();
      const retryAfter = parseRetryAfter(response.header("retry-after"), host.now());
      const error = failing(request.url, response.status);
      return { again: { error, retryAfter, throttled: response.status === 429 || retryAfter !== undefined } };
    });

  const read = (path: string): Promise<Uint8Array | undefined> => {
    const url = placed(path);
    return call({ method: "GET", url, headers: { "user-agent": userAgent } }, async (response) => {
      const { status } = response;
      if (status === 200 && !isPage(response)) return readBody(response, LIMITS.lookasideFile, url.href);
      response.discard();
      if (status === 404) return undefined;
      if (status === 401 || status === 403) throw denied(url, status);
      throw otherAnswer(url, status);
    });
  };

  return {
    name: root,
    read,
    async create(path, bytes) {
      const url = placed(path);
      const headers = {
        "user-agent": userAgent,
        "if-none-match": "*",
        "content-type": "application/octet-stream",
      };
      const started = host.now().getTime();
      const taken = await call({ method: "PUT", url, headers, body: bytes }, async (response) => {
        const { status } = response;
        response.discard();
        if (status === 200 || status === 201 || status === 204) return false;
        if (status === 409 || status === 412) return true;
        if (READ_ONLY.has(status)) throw readOnly(url, status);
        throw otherAnswer(url, status);
      });
      if (taken) return false;
      // A server that passes over the condition lets another writer replace what was just written.
      await host.sleep(settleTime(SETTLE, host.now().getTime() - started, 0, host.random()));
      const standing = await read(path);
      return standing !== undefined && Buffer.from(standing).equals(bytes);
    },
  };
}

function isPage(response: HttpResponse): boolean {
  const type = response.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  return type === "text/html" || type === "application/xhtml+xml";
}

function denied({ href, host }: URL, status: number): CountersignError {
  return new CountersignError("E_LOOKASIDE_DENIED", `${href} may not be read: ${status}`, {
    hint: `let ${host} be read by everybody, with 404 for what is not there: no credentials are sent to a lookaside`,
  });
}

function otherAnswer({ href }: URL, status: number): CountersignError {
  const what = status === 200 ? "with a web page" : `with status ${status}`;
  return new CountersignError("E_LOOKASIDE_ANSWER", `${href} answers ${what}, where a signature or 404 is expected`, {
    hint: "check the lookaside's address, and that its server answers 404 for files that are not there",
  });
}

function failing({ href }: URL, status: number): CountersignError {
  return new CountersignError("E_LOOKASIDE_FAILING", `${href} fails: ${status}`, {
    hint: "try again later; the fault is the lookaside's server or of a proxy before it",
  });
}

function readOnly({ href }: URL, status: number): CountersignError {
  return new CountersignError("E_LOOKASIDE_READ_ONLY", `the lookaside does not take ${href}: ${status}`, {
    hint: "write to a folder with --lookaside-staging DIR, and publish that to the lookaside's server",
  });
}
