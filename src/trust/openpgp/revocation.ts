import type { OpenPgpCertificate, OpenPgpMaterial } from "../../model/openpgp.ts";

/**
 * Whether a key, or the primary one of its certificate, has been revoked in any copy at hand: gpg merges the copies of a certificate,
 * so an old one beside the one that was revoked since vouches for nothing.
 */
export function isRevoked({ certificate, key }: OpenPgpMaterial, copies: readonly OpenPgpCertificate[]): boolean {
  const fingerprints = [key.fingerprint, certificate.fingerprint];
  return copies.some(({ keys }) => keys.some((each) => each.revoked && fingerprints.includes(each.fingerprint)));
}
