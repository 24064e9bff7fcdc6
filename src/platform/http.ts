import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { type Exchange, isStreamed } from "./exchange.ts";
import { networkFault } from "./faults.ts";
import { memo } from "./memo.ts";
import { createSemaphore, type Semaphore } from "./parallel.ts";
import { createRoutes } from "./routes.ts";
import { send } from "./send.ts";
import type { TlsMaterial } from "./tls.ts";

export interface HttpOptions {
  readonly tls?: TlsMaterial | undefined;
  /** Exchanges with one origin at a time; the others wait, their clocks not yet running. 64 unless told. */
  readonly perOrigin?: number | undefined;
  /** Milliseconds to a connection, TLS included. */
  readonly connectTimeout?: number | undefined;
  /** Milliseconds for a whole exchange that names no timeout of its own. */
  readonly requestTimeout?: number | undefined;
  /** Called once, when the first request has gone out: what takes its answer can be loaded while that is on its way. */
  readonly onFirstSent?: (() => void) | undefined;
  /** Refuses names that resolve to this machine, to link-local or metadata addresses, at connect time. What a proxy resolves is the proxy's. */
  readonly outsideOnly?: boolean | undefined;
}

export type HttpExchange = Exchange & {
  /** Cuts the connections that are kept alive. */
  close(): void;
};

/**
 * HTTP/1.1 over connections that are kept alive: no redirects, no retries but the one of a dead kept connection, proxies from the
 * environment. Modules of Node and of proxies load at their first use, so that the first byte leaves early.
 *
 * The exchange throws E_NETWORK, E_TIMEOUT, E_TLS; E_INSECURE_ADDRESS for a URL with a user or password in it, or with a
 * scheme other than http and https; E_CONFIG_INVALID for TLS material or a proxy variable that cannot be used.
 */
export function createExchange(options: HttpOptions = {}): HttpExchange {
  const gates = new Map<string, Semaphore>();
  const routes = createRoutes(options.tls ?? {}, options.outsideOnly);
  const timeouts = {
    connect: options.connectTimeout ?? LIMITS.connectTimeout,
    total: options.requestTimeout ?? LIMITS.requestTimeout,
  };

  const line = createLine();
  let isFirst = true;
  const sent = () => {
    if (!isFirst) return;
    isFirst = false;
    // Behind the requests that leave in the same turn of the event loop.
    if (options.onFirstSent !== undefined) setImmediate(options.onFirstSent);
  };

  const exchange: Exchange = async (request) => {
    refuseUnsafe(request.url);
    const gate = memo(gates, request.url.origin, () => createSemaphore(options.perOrigin ?? 64));
    const route = await routes.to(request.url);
    await line.turn();
    // What a streamed body is read from may need a place of the same gate: waiting for one another, nobody would go on.
    const release = isStreamed(request.body) ? () => {} : await gate.acquire();
    try {
      return await send(request, route, timeouts, { sent, release });
    } catch (error) {
      release();
      throw networkFault(error, request.url.host);
    }
  };
  return Object.assign(exchange, { close: routes.close });
}

/**
 * Lets the first request of a process go alone, and the others two turns of the event loop later, when it has begun to
 * connect and, nearby, is on its way. Requests are made in a row that takes milliseconds each while their code is cold, and none
 * leaves before the row has ended: alone, the first byte leaves before it is made.
 */
function createLine(): { readonly turn: () => Promise<void> | undefined } {
  let others: Promise<void> | undefined;
  let open = false;
  return {
    turn() {
      if (open) return undefined;
      if (others !== undefined) return others;
      others = new Promise((resolve) => {
        setImmediate(() => {
          setImmediate(() => {
            open = true;
            resolve();
          });
        });
      });
      return undefined;
    },
  };
}

function refuseUnsafe(url: URL): void {
  const known = url.protocol === "http:" || url.protocol === "https:";
  if (known && url.username === "" && url.password === "") return;
  const fault = known ? "holds a user name or password" : `has the scheme ${url.protocol}`;
  throw new CountersignError("E_INSECURE_ADDRESS", `the address of ${url.host || "a request"} ${fault}`, {
    hint: "write an http or https address, and give credentials apart from it",
  });
}
