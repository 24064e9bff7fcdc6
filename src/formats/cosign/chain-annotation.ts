import type { Certificate } from "../../model/certificate.ts";
import { isSelfIssued } from "../../trust/path-building.ts";
import { encodeCertificates } from "../certificates.ts";

/**
 * The chain annotation for issuers in order, the leaf's own first. cosign 3.1 drops the last certificate, taking it for the
 * root, and passes over an annotation that holds only one: where the root is not among them, the last issuer is
 * repeated in its place, so that nothing that a path needs is dropped.
 */
export function chainAnnotation(issuers: readonly Certificate[]): string {
  const last = issuers.at(-1);
  if (last === undefined) return "";
  return encodeCertificates(isSelfIssued(last) ? issuers : [...issuers, last]);
}
