import { CountersignError } from "../model/errors.ts";
import { isLoopbackHost } from "./addresses.ts";

const NAMES = ["http_proxy", "https_proxy", "all_proxy"];

/**
 * The proxy that the environment names for `url` (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, in either case), or undefined
 * for a direct connection. This machine is never reached through one. Nothing is loaded while no variable is set.
 *
 * @throws E_CONFIG_INVALID when the variable holds no http or https address.
 */
export async function proxyFor(url: URL): Promise<URL | undefined> {
  const { env } = process;
  if (!NAMES.some((name) => env[name] || env[name.toUpperCase()]) || isLoopbackHost(url.hostname)) return undefined;
  const { getProxyForUrl } = await import("proxy-from-env");
  const text = getProxyForUrl(url.href);
  if (text === "") return undefined;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy && (proxy.protocol === "http:" || proxy.protocol === "https:")) return proxy;
  throw new CountersignError(
    "E_CONFIG_INVALID",
    `the proxy variable for ${url.protocol}// holds no http or https address`,
    {
      hint: "write HTTPS_PROXY=http://HOST:PORT",
    },
  );
}
