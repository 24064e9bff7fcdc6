import { CountersignError } from "../model/errors.ts";
import type { OpenPgpCertificate, OpenPgpMaterial } from "../model/openpgp.ts";
import type { PublicKey } from "../model/public-key.ts";
import type { Signer } from "../model/signature.ts";
import { isRevoked } from "../trust/openpgp/revocation.ts";

/**
 * The certificate that a key belongs to, and the key as it stands in there: what an OpenPGP signature says of who made it.
 * @param at the time at which it is to sign
 * @throws with exit status 2: E_KEY_MISMATCH when none of the certificates has the key; E_CERTIFICATE_REVOKED, E_CERTIFICATE_EXPIRED.
 */
export function certificateOf(
  publicKey: PublicKey,
  certificates: readonly OpenPgpCertificate[],
  at: Date,
): OpenPgpMaterial {
  const found = certificates.flatMap((certificate) =>
    certificate.keys.filter((key) => key.publicKey.key.equals(publicKey.key)).map((key) => ({ certificate, key })),
  );
  const [first] = found;
  if (first === undefined) {
    const named = certificates.map(({ fingerprint }) => fingerprint).join(", ");
    throw new CountersignError("E_KEY_MISMATCH", `the key that signs is none of the OpenPGP certificate ${named}`, {
      hint: "name the public key block of the key that signs with --gpg-key",
      exit: 2,
    });
  }
  const standing = found.filter((each) => !isRevoked(each, certificates));
  const usable = standing.find(({ key: { expiresAt } }) => expiresAt === undefined || expiresAt > at);
  if (usable !== undefined) return usable;
  const { fingerprint, expiresAt } = first.key;
  throw standing.length === 0
    ? new CountersignError("E_CERTIFICATE_REVOKED", `the OpenPGP key ${fingerprint} has been revoked`, {
        hint: "sign with another key",
        exit: 2,
      })
    : new CountersignError(
        "E_CERTIFICATE_EXPIRED",
        `the OpenPGP key ${fingerprint} expired at ${expiresAt?.toISOString()}`,
        {
          hint: "prolong it, and hand over the new public key block with --gpg-key",
          exit: 2,
        },
      );
}

/** The same signer, which says too which certificate it signs in the name of. */
export function withCertificate(signer: Signer, openpgp: OpenPgpMaterial): Signer {
  return {
    label: signer.label,
    describe: async () => ({ ...(await signer.describe()), openpgp }),
    sign: (prepared) => signer.sign(prepared),
  };
}
