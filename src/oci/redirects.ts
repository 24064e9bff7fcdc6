import { CountersignError } from "../model/errors.ts";
import { isInsideHost, isLoopbackHost } from "../platform/addresses.ts";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export function isRedirect(status: number): boolean {
  return REDIRECTS.has(status);
}

/**
 * Where a registry sends us on, by `Location` of a redirect or of an upload. It may be another host (blobs live in object
 * stores), which then gets no credentials. It may not be plain HTTP when `from` is HTTPS, have a user in it, or be a literal
 * loopback, link-local or metadata address unless the registry is on this machine.
 *
 * @param from the address that answered; a relative `location` stands on it.
 * @throws E_REGISTRY_REDIRECT. Queries are not quoted: they hold signatures of object stores.
 */
export function resolveLocation(location: string | undefined, from: URL, registry: URL): URL {
  if (location === undefined || !URL.canParse(location, from.href)) {
    throw refused(from, "sends us on without a readable address");
  }
  const url = new URL(location, from);
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw refused(from, `sends us on to an address that is not http: ${url.protocol}`);
  }
  if (url.protocol === "http:" && from.protocol === "https:") {
    throw refused(
      from,
      `sends us on from https to plain http: ${url.host}`,
      "check X-Forwarded-Proto at the registry's proxy",
    );
  }
  if (url.username !== "" || url.password !== "")
    throw refused(from, `sends us on to an address with a user in it: ${url.host}`);
  if (isInsideHost(url.hostname) && !isLoopbackHost(registry.hostname)) {
    throw refused(from, `sends us on to an address that is not for those outside: ${url.host}`);
  }
  url.hash = "";
  return url;
}

/** @throws E_REGISTRY_REDIRECT: redirected though the request must not leave the registry. */
export function refuseRedirect(from: URL, location: string | undefined): never {
  const to = location !== undefined && URL.canParse(location, from.href) ? new URL(location, from).host : "nowhere";
  throw refused(
    from,
    `redirects a request that writes to ${to}`,
    "write the registry by the name that it redirects to",
  );
}

/** @throws E_REGISTRY_REDIRECT. */
export function tooManyRedirects(from: URL, limit: number): never {
  throw refused(from, `redirects more than ${limit} times`);
}

function refused(
  from: URL,
  what: string,
  hint = "check the registry's address and its configuration",
): CountersignError {
  return new CountersignError("E_REGISTRY_REDIRECT", `${from.host} ${what}`, { hint });
}

/**
 * The next page that a `Link` header names (RFC 8288, `rel=next`; distribution-spec, pagination), which must be of the same listing: same
 * origin, same path, another query.
 *
 * @throws E_REGISTRY_REDIRECT when it leads elsewhere, so that a page cannot send us and our credentials away.
 */
export function nextPage(link: string | undefined, page: URL): URL | undefined {
  for (const [, target = "", parameters = ""] of (link ?? "").matchAll(/<([^<>]*)>((?:[^,"]|"[^"]*")*)/g)) {
    if (!/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\s*(?:;|$))/i.test(parameters)) continue;
    const next = URL.canParse(target, page.href) ? new URL(target, page) : undefined;
    if (next === undefined || next.origin !== page.origin || next.pathname !== page.pathname) {
      throw refused(page, `names a next page that is not of the same listing: ${next?.host ?? "unreadable"}`);
    }
    return next;
  }
  return undefined;
}
