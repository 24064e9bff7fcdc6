import {
  createEmbeddedRegistry,
  type EmbeddedRegistry,
  type EmbeddedRegistryOptions,
} from "../../src/oci/embedded/registry.ts";
import { type Handler, type ServedRequest, type ServeOptions, serve } from "../../src/platform/serve.ts";

export interface LoggedRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined when the connection was cut instead. */
  readonly status: number | undefined;
}

export interface StartedRegistry {
  /** `http://127.0.0.1:PORT`. */
  readonly origin: string;
  /** `127.0.0.1:PORT`: what stands before a repository in a reference. */
  readonly host: string;
  readonly storage: EmbeddedRegistry["storage"];
  /** Every request answered so far, in the order of the answers, faults and refusals included. */
  readonly requests: readonly LoggedRequest[];
  /** How many requests of this method, all for "*", went to paths that match. */
  count(method: string, path?: RegExp): number;
  /** Forgets the requests so far. */
  clear(): void;
  close(): Promise<void>;
}

export interface StartOptions extends EmbeddedRegistryOptions {
  /** Puts faults and authentication around the registry, the outermost last. */
  readonly wrap?: readonly ((handler: Handler) => Handler)[];
  readonly tls?: ServeOptions["tls"];
  readonly port?: number;
}

/** Starts an embedded registry on the loopback address, with a log of what it was asked. */
export async function startRegistry(options: StartOptions = {}): Promise<StartedRegistry> {
  const registry = createEmbeddedRegistry(options);
  const requests: LoggedRequest[] = [];
  const handler = (options.wrap ?? []).reduce((inner, wrap) => wrap(inner), registry.handle);
  const logged = async (request: ServedRequest) => {
    const answer = await handler(request);
    const { method, url, headers } = request;
    requests.push({ method, path: url.pathname + url.search, headers, status: answer?.status });
    return answer;
  };
  const served = await serve(logged, { tls: options.tls, port: options.port });
  return {
    origin: served.origin,
    host: new URL(served.origin).host,
    storage: registry.storage,
    requests,
    count: (method, path = /^/) =>
      requests.filter((request) => (method === "*" || request.method === method) && path.test(request.path)).length,
    clear: () => requests.splice(0),
    close: served.close,
  };
}
