import type { Exchange } from "../platform/exchange.ts";

/** One request as it went out, for logs and benchmarks. No query and no header: both hold secrets. */
export interface RequestNotice {
  readonly method: string;
  readonly host: string;
  /** Empty on hosts that are no registry of this run: token servers, and where registries redirect to. */
  readonly path: string;
  /** 0 when no answer came. */
  readonly status: number;
  /** To the head of the answer. */
  readonly milliseconds: number;
}

/** The exchange, telling of each request when its answer begins or it has failed. */
export function observe(
  exchange: Exchange,
  now: () => Date,
  isRegistry: (host: string) => boolean,
  tell: (notice: RequestNotice) => void,
): Exchange {
  return async (request) => {
    const start = now().getTime();
    let status = 0;
    try {
      const response = await exchange(request);
      status = response.status;
      return response;
    } finally {
      const { host, pathname } = request.url;
      const path = isRegistry(host) ? pathname : "";
      tell({ method: request.method, host, path, status, milliseconds: now().getTime() - start });
    }
  };
}
