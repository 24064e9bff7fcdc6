/** The package carries no types of its own. */
declare module "proxy-from-env" {
  /** The proxy's address for a URL, by the environment; empty for none. */
  export function getProxyForUrl(url: string): string;
}
