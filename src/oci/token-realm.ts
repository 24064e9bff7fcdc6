import { CountersignError } from "../model/errors.ts";
import { isAddress, isInsideHost, isLoopbackHost } from "../platform/addresses.ts";

/** Domains under which strangers own names that the public suffix list does not have; names below them count too. */
const SHARED_SUFFIXES = [
  "amazonaws.com",
  "azure.com",
  "azurecontainerapps.io",
  "azurecr.io",
  "jfrog.io",
  "nip.io",
  "railway.app",
  "scw.cloud",
  "sslip.io",
  "windows.net",
];

/** Realms that registries are known to send to, beyond what the rule of the shared parent covers. */
const KNOWN_REALMS: ReadonlyMap<string, string> = new Map([["registry.connect.redhat.com", "sso.redhat.com"]]);

/**
 * The token server that a registry's challenge names, if it may be asked at all.
 *
 * It must be https when the registry is, without user or password, and not this machine or a link-local or metadata address
 * unless the registry is on this machine itself.
 *
 * @throws E_TOKEN_REALM.
 */
export function parseRealm(realm: string, registry: URL): URL {
  if (!URL.canParse(realm)) throw refused(registry, "names a token server by something that is no address");
  const url = new URL(realm);
  const plain = url.protocol === "http:" && registry.protocol === "http:";
  if (url.protocol !== "https:" && !plain)
    throw refused(registry, `names a token server that is not https: ${url.host}`);
  if (url.username !== "" || url.password !== "")
    throw refused(registry, "names a token server with a user in its address");
  if (isInsideHost(url.hostname) && !isLoopbackHost(registry.hostname)) {
    throw refused(registry, `names a token server that is not reachable from outside: ${url.host}`);
  }
  return url;
}

/**
 * Whether credentials for a registry may be sent to a token server. They may when the realm
 *
 * - is on the registry's own host, on any port (`gitlab.example.com:5050` and `gitlab.example.com`);
 * - was pinned by the caller, as `HOST` or `HOST:PORT`, or came with the credentials (GitLab CI names its server);
 * - is the known token server of that registry;
 * - is the registry's parent domain (`registry.example.com` and `example.com`), or shares the parent with it
 *   (`registry.example.com` and `gitlab.example.com`), the parent having two labels or more and not being a public suffix,
 *   under which strangers own names: neither a country's (`co.uk`) nor a hosting one (`github.io`). Addresses have no parent.
 */
export async function mayReceiveCredentials(realm: URL, registry: URL, pins: readonly string[]): Promise<boolean> {
  const [to, from] = [realm.hostname, registry.hostname];
  if (to === from) return true;
  if (pins.some((pin) => pin.toLowerCase() === realm.host || pin.toLowerCase() === to)) return true;
  if (KNOWN_REALMS.get(from) === to) return true;
  if (isAddress(to) || isAddress(from)) return false;
  const parent = parentOf(from);
  if (parent === undefined || (to !== parent && parentOf(to) !== parent)) return false;
  return !(await isShared(parent));
}

/** @throws E_TOKEN_REALM, naming the flag that would allow it. */
export function refuseRealm(realm: URL, registry: URL): never {
  throw new CountersignError(
    "E_TOKEN_REALM",
    `${registry.host} asks to send its credentials to another host, ${realm.host}`,
    { hint: `add --token-realm ${realm.host} if that host issues tokens for ${registry.host}` },
  );
}

function parentOf(host: string): string | undefined {
  const parent = host.slice(host.indexOf(".") + 1);
  return host.includes(".") && parent.includes(".") ? parent : undefined;
}

/** The public suffix list is large: it is loaded when a registry with credentials names a relative as its token server. */
async function isShared(domain: string): Promise<boolean> {
  if (SHARED_SUFFIXES.some((suffix) => domain === suffix || domain.endsWith(`.${suffix}`))) return true;
  const { getDomain } = await import("tldts");
  return getDomain(domain, { allowPrivateDomains: true }) === null;
}

function refused(registry: URL, what: string): CountersignError {
  return new CountersignError("E_TOKEN_REALM", `${registry.host} ${what}`, {
    hint: "check the registry's address, and its configuration (auth.token.realm)",
  });
}
