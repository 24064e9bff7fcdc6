import type { IncomingMessage, RequestOptions } from "node:http";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { type HttpRequest, type HttpResponse, isStreamed } from "./exchange.ts";
import { networkFault } from "./faults.ts";
import { pump } from "./pump.ts";
import type { Route } from "./routes.ts";

const HEADER_LIMIT = 32 * 1024;
/** Bytes of an unread body worth reading to keep its connection. */
const DRAIN_LIMIT = 64 * 1024;
/** What a timer of Node holds. */
const LONGEST = 2 ** 31 - 1;
/** Requests that may be sent again when a kept connection turns out to be dead before the first byte of an answer. */
const REPEATABLE = new Set(["GET", "HEAD", "PUT", "DELETE"]);

/** Milliseconds: to a connection, TLS included; to the last byte of an answer. */
export interface Timeouts {
  readonly connect: number;
  readonly total: number;
}

export interface Progress {
  /** The last byte of the request has gone out. */
  sent(): void;
  /** The connection is free again, or gone. */
  release(): void;
}

/** One exchange. Rejects with what went wrong, unmapped. */
export async function send(
  request: HttpRequest,
  route: Route,
  timeouts: Timeouts,
  progress: Progress,
): Promise<HttpResponse> {
  const ends = Date.now() + wholeTime(request, timeouts);
  try {
    return await attempt(request, route, timeouts, ends, progress);
  } catch (error) {
    if (!(error instanceof DeadConnection) || !REPEATABLE.has(request.method)) throw error;
    return await attempt(request, route, timeouts, ends, progress);
  }
}

/** A kept connection that the server had closed: nothing of the request was looked at. */
class DeadConnection extends Error {
  readonly code = "ECONNRESET";
}

function attempt(
  request: HttpRequest,
  route: Route,
  timeouts: Timeouts,
  ends: number,
  progress: Progress,
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const { url, body } = request;
    const options = route.options(url);
    const size = body === undefined ? 0 : isStreamed(body) ? body.size : body.length;
    const length =
      body || request.method === "PUT" || request.method === "POST" ? { "content-length": String(size) } : {};
    const outgoing = route.request(
      {
        ...options,
        method: request.method,
        headers: { ...options.headers, ...length, ...request.headers },
        maxHeaderSize: HEADER_LIMIT,
      } as RequestOptions,
      (message) => {
        answered = message;
        clearTimeout(head);
        // The rest of a body that was answered early is not sent, and its connection serves for nothing else.
        message.once("close", () => outgoing.writableEnded || outgoing.destroy());
        resolve(responseOf(message, url.host, () => timedOut, waiting));
      },
    );
    let answered: IncomingMessage | undefined;
    let timedOut: CountersignError | undefined;
    const stop = (milliseconds: number, what: string) => {
      timedOut = new CountersignError("E_TIMEOUT", `${url.host} ${what} within ${seconds(milliseconds)}`, {
        hint: "try again, or check the network and the proxy variables",
      });
      (answered ?? outgoing).destroy(timedOut);
    };
    const total = wholeTime(request, timeouts);
    const whole = setTimeout(() => stop(total, "did not finish its answer"), Math.max(0, ends - Date.now()));
    const pause = request.timeout ?? timeouts.total;
    const paused = () => setTimeout(() => stop(pause, "moved no byte"), pause);
    const waiting = async <T>(work: Promise<T>): Promise<T> => {
      if (request.bulk === undefined) return work;
      const timer = paused();
      try {
        return await work;
      } finally {
        clearTimeout(timer);
      }
    };
    const head = request.bulk === undefined || isStreamed(body) ? undefined : paused();
    const connecting = setTimeout(() => stop(timeouts.connect, "took no connection"), timeouts.connect);
    outgoing.once("proxyConnect", ({ statusCode }: { statusCode: number }) => {
      // What a proxy says instead of opening a tunnel must not pass for the server's answer.
      if (statusCode !== 200) outgoing.destroy(refusedTunnel(url, statusCode));
    });
    outgoing.once("socket", (socket) => {
      if (!socket.connecting && !("secureConnecting" in socket && socket.secureConnecting)) clearTimeout(connecting);
      else socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => clearTimeout(connecting));
    });
    outgoing.once("error", (error: NodeJS.ErrnoException) => {
      const kept = outgoing.reusedSocket && !answered && !isStreamed(body);
      const dead = kept && (error.code === "ECONNRESET" || error.code === "EPIPE");
      reject(timedOut ?? (dead ? new DeadConnection("the kept connection was closed", { cause: error }) : error));
    });
    outgoing.on("error", () => {});
    outgoing.once("finish", progress.sent);
    outgoing.once("close", () => {
      clearTimeout(whole);
      clearTimeout(connecting);
      clearTimeout(head);
      if (answered) progress.release();
    });
    if (isStreamed(body)) pump(body, outgoing, waiting).catch((error: unknown) => outgoing.destroy(asError(error)));
    else outgoing.end(body);
  });
}

/** Milliseconds that an exchange may take from its start to its last byte. */
function wholeTime({ timeout, bulk = 0 }: HttpRequest, { total }: Timeouts): number {
  return Math.min((timeout ?? total) + (bulk / LIMITS.slowest) * 1000, LONGEST);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function refusedTunnel(url: URL, status: number): CountersignError {
  return new CountersignError("E_NETWORK", `the proxy opens no tunnel to ${url.host}: it answered ${status}`, {
    hint: status === 407 ? "put the proxy's user and password into HTTPS_PROXY" : "check HTTPS_PROXY and NO_PROXY",
    retry: status >= 500,
  });
}

function responseOf(
  message: IncomingMessage,
  host: string,
  timedOut: () => CountersignError | undefined,
  waiting: <T>(work: Promise<T>) => Promise<T>,
): HttpResponse {
  message.on("error", () => {});
  return {
    status: message.statusCode ?? 0,
    header(name) {
      const value = message.headers[name.toLowerCase()];
      return Array.isArray(value) ? value.join(", ") : value;
    },
    body: {
      async *[Symbol.asyncIterator]() {
        const chunks = (message as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
        try {
          for (;;) {
            const { done, value } = await waiting(chunks.next());
            if (done) return;
            yield value;
          }
        } catch (error) {
          throw timedOut() ?? networkFault(error, host);
        } finally {
          await chunks.return?.();
        }
      },
    },
    discard() {
      let size = 0;
      message.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > DRAIN_LIMIT) message.destroy();
      });
    },
  };
}

function seconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds} ms` : `${Math.round(milliseconds / 100) / 10} s`;
}
