import { createHash } from "node:crypto";
import { ALGORITHMS, type Algorithm } from "../model/algorithm.ts";
import { CountersignError } from "../model/errors.ts";
import type { PublicMaterial } from "../model/signature.ts";
import { readSignature } from "../trust/signature-encoding.ts";
import { matchAlgorithm } from "../trust/verify-signature.ts";

/**
 * A signature that was made elsewhere over `payload`, in the encoding that formats store, and the algorithm by which it verifies:
 * found by trying what the key permits, never told by the caller.
 * @param written octets or base64, wrapped or not; ECDSA as DER or r‖s
 * @throws E_SIGNATURE_MALFORMED when it can be no signature by such a key; E_SIGNATURE_INVALID when it does not verify, the hint
 * being the mistake where it is one of the usual.
 */
export async function recogniseSignature(
  payload: Uint8Array,
  written: Uint8Array,
  { publicKey, chain }: PublicMaterial,
): Promise<{ readonly algorithm: Algorithm; readonly signature: Uint8Array }> {
  const readings = readSignature(written, publicKey);
  const over = async (bytes: Uint8Array) => {
    for (const signature of readings) {
      const algorithm = await matchAlgorithm(publicKey, ALGORITHMS, bytes, signature);
      if (algorithm !== undefined) return { algorithm, signature };
    }
    return undefined;
  };
  const accepted = await over(payload);
  if (accepted !== undefined) return accepted;
  const whose = chain[0]?.subject.text || publicKey.fingerprint;
  if (readings.length === 0) {
    const message = `the signature, ${written.length} bytes, cannot be one by the key of ${whose}`;
    throw new CountersignError("E_SIGNATURE_MALFORMED", message, {
      hint: "hand over the signature alone, as octets or in base64: DER or r‖s for ECDSA, else as many octets as the key has",
    });
  }
  let hint = "hand over the very bytes that were signed, and the certificate or public key of the key that signed them";
  for (const mistake of usualMistakes(payload)) {
    if ((await over(mistake.signed)) === undefined) continue;
    hint = mistake.mend;
    break;
  }
  const message = `the signature does not verify over the payload with the key of ${whose}`;
  throw new CountersignError("E_SIGNATURE_INVALID", message, { hint });
}

/** What is signed in place of the payload when something on the way meant well. */
function usualMistakes(payload: Uint8Array): readonly { readonly signed: Uint8Array; readonly mend: string }[] {
  const lineEnd = Buffer.from("\n");
  const hashed = (["sha256", "sha384", "sha512"] as const).map((hash) => ({
    hash,
    digest: createHash(hash).update(payload).digest(),
  }));
  return [
    {
      signed: Buffer.concat([payload, lineEnd]),
      mend: "a line end was added before it was signed: sign the bytes exactly as they were written",
    },
    ...(payload.at(-1) === lineEnd[0]
      ? [
          {
            signed: payload.subarray(0, -1),
            mend: "a line end was added after it was signed: hand over the bytes exactly as they were written",
          },
        ]
      : []),
    ...hashed.map(({ hash, digest }) => ({
      signed: digest,
      mend: `its ${hash} hash was hashed again: sign the bytes themselves, or tell the signer that it is given a hash`,
    })),
    ...hashed.map(({ hash, digest }) => ({
      signed: Buffer.from(digest.toString("hex")),
      mend: `its ${hash} hash was signed as hex text: sign the bytes themselves, or tell the signer that it is given a hash`,
    })),
  ];
}
