import type { Certificate } from "../model/certificate.ts";
import { parseCertificates } from "../trust/certificate.ts";
import { encodePem } from "../trust/pem.ts";

/** Certificates as PEM, one after the other; empty for none. */
export function encodeCertificates(certificates: readonly Certificate[]): string {
  return certificates.map(({ der }) => encodePem("CERTIFICATE", der)).join("");
}

/**
 * Certificates of a PEM text, each once.
 * @throws E_CERTIFICATE_INVALID, also for more than LIMITS.certificates.
 */
export function decodeCertificates(pem: string): readonly Certificate[] {
  const found = parseCertificates(new TextEncoder().encode(pem));
  return [...new Map(found.map((certificate) => [certificate.fingerprint, certificate])).values()];
}
