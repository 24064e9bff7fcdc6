import type { Certificate } from "../model/certificate.ts";

/**
 * Whether a certificate is for a host name or address (RFC 6125 6.4, as Go's x509.VerifyHostname has it): by its alternative names alone,
 * in any case; a wildcard stands for one whole label, the first. An address may stand in brackets, and is no name.
 */
export function isForHost({ alternativeNames }: Certificate, host: string): boolean {
  const address = canonicalAddress(/^\[(.*)\]$/.exec(host)?.[1] ?? host);
  if (address !== undefined) {
    return alternativeNames.some(({ type, value }) => type === "ip" && canonicalAddress(value) === address);
  }
  if (!isHostName(host, false)) return false;
  const wanted = host.toLowerCase().replace(/\.$/, "");
  return alternativeNames.some(({ type, value }) => type === "dns" && matches(value, wanted));
}

function matches(pattern: string, host: string): boolean {
  if (!isHostName(pattern, true)) return false;
  const labels = pattern.toLowerCase().split(".");
  const wanted = host.split(".");
  return (
    labels.length === wanted.length && labels.every((label, at) => (at === 0 && label === "*") || label === wanted[at])
  );
}

function isHostName(text: string, isPattern: boolean): boolean {
  const labels = (isPattern ? text : text.replace(/\.$/, "")).split(".");
  if (isPattern && labels[0] === "*") {
    // A wildcard alone is for nobody.
    if (labels.length < 2) return false;
    labels.shift();
  }
  return labels.every((label) => /^[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?$/.test(label));
}

/** Undefined for what is no address: of version 4 as four decimals, without zeros in front; of version 6 in any spelling. */
function canonicalAddress(text: string): string | undefined {
  const octets = text.split(".");
  if (octets.length === 4 && octets.every((octet) => /^(?:0|[1-9]\d{0,2})$/.test(octet) && Number(octet) <= 255)) {
    return text;
  }
  // URL passes over line ends, and ends a host where a path begins: neither is part of an address.
  if (!text.includes(":") || !/^[0-9A-Fa-f:.]+$/.test(text)) return undefined;
  const url = `http://[${text}]/`;
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}
