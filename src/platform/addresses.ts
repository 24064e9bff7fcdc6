/**
 * Hosts by what they are reached through, judged by name or literal address alone: no name is resolved here. Hosts are
 * written as `URL.hostname` writes them (lower case, IPv6 in brackets, IPv4 in dotted decimal).
 */

/** Whether a host is this machine: `localhost` and names under it (RFC 6761 6.3), 127.0.0.0/8, ::1. */
export function isLoopbackHost(hostname: string): boolean {
  const host = bare(hostname);
  return host === "localhost" || host.endsWith(".localhost") || /^127(?:\.\d{1,3}){3}$/.test(host) || host === "::1";
}

/**
 * Whether a host is one that nobody outside may send us to: this machine (also as 0.0.0.0 or ::), link-local addresses
 * (169.254.0.0/16 with the cloud metadata services, fe80::/10), and the metadata services that have other addresses or names.
 */
export function isInsideHost(hostname: string): boolean {
  const host = bare(hostname);
  return (
    isLoopbackHost(host) ||
    /^0(?:\.\d{1,3}){3}$/.test(host) ||
    host === "::" ||
    /^169\.254(?:\.\d{1,3}){2}$/.test(host) ||
    /^fe[89ab][0-9a-f]:/.test(host) ||
    METADATA.has(host)
  );
}

/** Amazon over IPv6, Alibaba, Oracle's and Google's names. */
const METADATA = new Set([
  "fd00:ec2::254",
  "100.100.100.200",
  "192.0.0.192",
  "metadata.google.internal",
  "metadata.goog",
  "instance-data",
]);

/** Whether a host is a literal IP address. */
export function isAddress(hostname: string): boolean {
  const host = bare(hostname);
  return host.includes(":") || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host);
}

/** No brackets, no root dot, lower case; an IPv4 address that is mapped into IPv6 (RFC 4291 2.5.5) as what it is. */
function bare(hostname: string): string {
  const host = hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
  const mapped = /^::(?:ffff:)?([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host);
  if (!mapped) return host;
  const high = Number.parseInt(mapped[1] ?? "", 16);
  const low = Number.parseInt(mapped[2] ?? "", 16);
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}
