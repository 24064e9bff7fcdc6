import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { memo } from "./memo.ts";
import { lookupOutside } from "./outside.ts";
import { proxyFor } from "./proxies.ts";
import { secureContext, type TlsMaterial } from "./tls.ts";

/** How to reach an origin: Node's client of that scheme, and the options that lead there. */
export interface Route {
  readonly request: (options: RequestOptions, answered: (message: IncomingMessage) => void) => ClientRequest;
  readonly options: (url: URL) => RequestOptions;
}

export interface Routes {
  to(url: URL): Promise<Route>;
  close(): void;
}

/** Agents by scheme and proxy, each made, and its modules loaded, at its first use. */
export function createRoutes(tls: TlsMaterial, outsideOnly = false): Routes {
  const agents = new Map<string, Promise<Agent>>();
  const agent = (key: string, make: () => Promise<Agent>) => memo(agents, key, make);
  const resolving = outsideOnly ? { lookup: lookupOutside } : {};
  const pool = { keepAlive: true, maxFreeSockets: 64, noDelay: true };
  let context: ReturnType<typeof secureContext> | undefined;

  const secured = async () => {
    context ??= secureContext(tls);
    const made = await context;
    return {
      ...(made ? { secureContext: made } : { minVersion: "TLSv1.2" as const }),
      rejectUnauthorized: tls.insecureSkipVerify !== true,
    };
  };

  return {
    async to(url: URL): Promise<Route> {
      const proxy = await proxyFor(url);
      if (url.protocol === "https:") {
        const [{ Agent, request }, security] = await Promise.all([import("node:https"), secured()]);
        const carrier = proxy
          ? await agent(proxy.href, async () => {
              const { HttpsProxyAgent } = await import("https-proxy-agent");
              return new HttpsProxyAgent(proxy, pool);
            })
          : await agent("https:", async () => new Agent({ ...pool, ...security }));
        return { request, options: (target) => ({ ...direct(target), ...resolving, ...security, agent: carrier }) };
      }
      const { Agent, request } = await (proxy?.protocol === "https:" ? import("node:https") : import("node:http"));
      const carrier = await agent(`plain ${proxy?.protocol}`, async () => new Agent(pool));
      return {
        request,
        options: (target) => ({
          ...(proxy ? viaProxy(target, proxy) : { ...direct(target), ...resolving }),
          agent: carrier,
        }),
      };
    },
    close() {
      for (const made of agents.values()) made.then((agent) => agent.destroy()).catch(() => {});
    },
  };
}

function direct(url: URL): RequestOptions {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return { protocol: url.protocol, host, port: url.port, path: url.pathname + url.search, headers: { host: url.host } };
}

/** Plain HTTP through a proxy: the absolute form of the request target (RFC 9112 3.2.2). */
function viaProxy(url: URL, proxy: URL): RequestOptions {
  const headers: Record<string, string> = { host: url.host };
  if (proxy.username !== "") {
    const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    headers["proxy-authorization"] = `Basic ${Buffer.from(user).toString("base64")}`;
  }
  return { ...direct(proxy), path: url.href, headers };
}
