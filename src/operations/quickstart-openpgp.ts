import { ALGORITHMS } from "../model/algorithm.ts";
import type { Authority } from "../model/policy.ts";
import type { Signer } from "../model/signature.ts";
import { createLocalSigner } from "../signers/local-signer.ts";
import { withCertificate } from "../signers/openpgp-certificate.ts";
import { parseOpenPgpSecretKey } from "../signers/openpgp-key.ts";

/** An OpenPGP key that is forgotten with the process, and who trusts it alone. */
export interface ThrowAwayOpenPgp {
  readonly signer: Signer;
  readonly authority: Authority;
}

/** Makes a key of the kind that gpg 2.2 makes, good for an hour. */
export async function throwAwayOpenPgp(now: Date, name: string): Promise<ThrowAwayOpenPgp> {
  const { generateKey } = await import("openpgp");
  const { privateKey } = await generateKey({
    type: "ecc",
    curve: "ed25519Legacy",
    userIDs: { name },
    subkeys: [],
    date: new Date(now.getTime() - 60_000),
    keyExpirationTime: 3600,
    format: "binary",
  });
  const { key, material } = await parseOpenPgpSecretKey(privateKey, async () => undefined, now);
  return {
    signer: withCertificate(createLocalSigner({ key, chain: [], label: "throw-away OpenPGP key" }), material),
    authority: {
      name: "quickstart OpenPGP",
      trust: {
        keys: [],
        anchors: [],
        intermediates: [],
        openpgp: [material.certificate],
        allowedAlgorithms: ALGORITHMS,
      },
      identities: [],
      annotations: {},
      reference: "none",
      formats: ["openpgp"],
    },
  };
}
