import { createHash } from "node:crypto";
import { ALGORITHMS, type Algorithm } from "../model/algorithm.ts";
import type { Certificate } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import type { Prepared, PublicKey } from "../model/signature.ts";
import { parseCertificate, parseCertificates } from "../trust/certificate.ts";
import { hashOf, publicKeyFrom } from "../trust/public-keys.ts";
import { encodeSignature, readSignature, type SignatureOutput } from "../trust/signature-encoding.ts";
import { matchAlgorithm, verifySignature } from "../trust/verify-signature.ts";

/** What to ask of bytes that somebody else handed back as a signature. */
export interface ExternalSignature {
  /** Who handed it back, for messages: `exec:sign.sh`. */
  readonly by: string;
  readonly written: Uint8Array;
  readonly output?: SignatureOutput | undefined;
  readonly publicKey: PublicKey;
  readonly prepared: Pick<Prepared, "bytes" | "algorithm" | "encoding">;
}

/**
 * The signature that an external signer handed back, in the encoding of `prepared`, verified over the prepared bytes by
 * exactly the algorithm that was asked for.
 * @throws E_SIGNER_ANSWER when it is no signature of such a key at all; E_SIGNATURE_INVALID when it does not verify, with the
 * mistake in the hint where it is a known one: another algorithm, or a digest that was hashed again.
 */
export async function acceptSignature({
  by,
  written,
  output,
  publicKey,
  prepared,
}: ExternalSignature): Promise<Uint8Array> {
  const readings = readSignature(written, publicKey, output);
  for (const reading of readings) {
    if (await verifySignature(publicKey, prepared.algorithm, prepared.bytes, reading)) {
      return encodeSignature(reading, prepared.encoding, publicKey);
    }
  }
  const [reading] = readings;
  if (reading === undefined) throw noSignature(by, written, prepared.algorithm);
  throw new CountersignError("E_SIGNATURE_INVALID", `${by} handed back a signature that does not verify`, {
    hint: (await likelyMistake(publicKey, prepared, reading)) ?? "it signed other bytes, or with another key",
  });
}

async function likelyMistake(
  publicKey: PublicKey,
  { bytes, algorithm }: ExternalSignature["prepared"],
  signature: Uint8Array,
): Promise<string | undefined> {
  const whole: PublicKey = { ...publicKey, algorithms: publicKeyFrom(publicKey.key).algorithms };
  const other = await matchAlgorithm(whole, ALGORITHMS, bytes, signature);
  if (other !== undefined) {
    return `it signs with ${other}, not ${algorithm}: set the signer right, or add --signing-algorithm ${other}`;
  }
  const hash = hashOf(algorithm);
  if (hash === undefined) return undefined;
  const digest = createHash(hash).update(bytes).digest();
  const again = await matchAlgorithm(whole, ALGORITHMS, digest, signature);
  return again && "it hashes what it is given once more: give it the bytes, not their digest (--signer-input message)";
}

/**
 * The key that made a signature, found among the certificates that came with it.
 * @throws E_SIGNER_ANSWER when it is no signature of any of their keys; E_CERTIFICATE_KEY_MISMATCH when none of them made it over `bytes`
 * by an allowed algorithm.
 */
export async function signingKeyOf({
  by,
  written,
  output,
  certificates,
  bytes,
  allowed,
}: {
  readonly by: string;
  readonly written: Uint8Array;
  readonly output: SignatureOutput;
  readonly certificates: readonly Certificate[];
  readonly bytes: Uint8Array;
  readonly allowed: readonly Algorithm[];
}): Promise<PublicKey> {
  let readable = false;
  for (const certificate of certificates) {
    const publicKey = publicKeyFrom(certificate.publicKey);
    for (const reading of readSignature(written, publicKey, output)) {
      readable = true;
      if ((await matchAlgorithm(publicKey, allowed, bytes, reading)) !== undefined) return publicKey;
    }
  }
  if (!readable) throw noSignature(by, written, "the certificates that came with it");
  throw new CountersignError(
    "E_CERTIFICATE_KEY_MISMATCH",
    `no certificate that ${by} answers has the key that signed`,
    {
      hint: "it must answer the certificate of the key that signs, and sign the very bytes that it is given",
    },
  );
}

function noSignature(by: string, written: Uint8Array, whose: string): CountersignError {
  const what = written.length === 0 ? "nothing" : `${written.length} bytes that are no signature`;
  return new CountersignError("E_SIGNER_ANSWER", `${by} answered ${what} for ${whose}`, {
    hint: "it must hand back the signature alone: DER or r‖s for ECDSA, else the plain octets; as they are, or in base64",
  });
}

/**
 * Certificates as an external signer answers them: each text PEM, of one or several, or base64 of DER.
 * @throws E_SIGNER_ANSWER
 */
export function answeredCertificates(by: string, texts: readonly string[]): readonly Certificate[] {
  try {
    return texts.flatMap((text) =>
      text.includes("-----BEGIN ")
        ? parseCertificates(Buffer.from(text, "utf8"))
        : [parseCertificate(new Uint8Array(Buffer.from(text, "base64")))],
    );
  } catch (cause) {
    const why = cause instanceof CountersignError ? `: ${cause.message}` : "";
    throw new CountersignError("E_SIGNER_ANSWER", `${by} answered certificates that cannot be read${why}`, {
      cause,
      hint: "each must be PEM, or base64 of DER",
    });
  }
}

/** @throws E_CERTIFICATE_KEY_MISMATCH when certificates came along and none is the key's. */
export function refuseAnotherKey(by: string, publicKey: PublicKey, certificates: readonly Certificate[]): void {
  if (certificates.length === 0) return;
  if (certificates.some(({ spki }) => Buffer.compare(spki, publicKey.spki) === 0)) return;
  throw new CountersignError(
    "E_CERTIFICATE_KEY_MISMATCH",
    `${by} handed back certificates of which none is that of the key ${publicKey.fingerprint}`,
    { hint: "name the certificate of the key that signs; a signer must keep to one key during a run" },
  );
}
