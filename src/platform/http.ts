import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Exchange } from "./exchange.ts";
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

  const exchange: Exchange = async (request) => {
    refuseUnsafe(request.url);
    const gate = memo(gates, request.url.origin, () => createSemaphore(options.perOrigin ?? 64));
    const route = await routes.to(request.url);
    const release = await gate.acquire();
    try {
      return await send(request, route, timeouts, release);
    } catch (error) {
      release();
      throw networkFault(error, request.url.host);
    }
  };
  return Object.assign(exchange, { close: routes.close });
}

function refuseUnsafe(url: URL): void {
  const known = url.protocol === "http:" || url.protocol === "https:";
  if (known && url.username === "" && url.password === "") return;
  const fault = known ? "holds a user name or password" : `has the scheme ${url.protocol}`;
  throw new CountersignError("E_INSECURE_ADDRESS", `the address of ${url.host || "a request"} ${fault}`, {
    hint: "write an http or https address, and give credentials apart from it",
  });
}
