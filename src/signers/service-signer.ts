import { createHash } from "node:crypto";
import type { Certificate } from "../model/certificate.ts";
import { asCountersignError, CountersignError } from "../model/errors.ts";
import type { Prepared, PublicKey, PublicMaterial, Signer } from "../model/signature.ts";
import type { DescribeAnswer, SignAnswer } from "../services/signing-protocol.ts";
import { idempotencyKeyOf, type SigningService } from "../services/signing-service.ts";
import { hashOf, parsePublicKey, publicKeyFrom } from "../trust/public-keys.ts";
import { acceptSignature, answeredCertificates, refuseAnotherKey } from "./external-signature.ts";
import { checkSigningChain } from "./preflight.ts";

export interface ServiceSignerOptions {
  readonly service: SigningService;
  /** For reports and messages: `signing service sign.example.com`. Holds no secret. */
  readonly label: string;
  readonly keyId?: string | undefined;
  /** What is sent: the bytes to sign, or their digest. */
  readonly input: "message" | "digest";
  readonly material: PublicMaterial;
}

/**
 * A signer whose key a signing service holds. Every signature is verified before it is handed on, and the service must keep to the key
 * of `material`.
 *
 * `sign` throws what the service ends in; E_ALGORITHM_UNSUPPORTED for a digest of an algorithm that hashes by itself; E_SIGNER_ANSWER,
 * E_SIGNATURE_INVALID and E_CERTIFICATE_KEY_MISMATCH for what it answers.
 */
export function createServiceSigner({ service, label, keyId, input, material }: ServiceSignerOptions): Signer {
  const { publicKey } = material;
  return {
    label,
    describe: async () => material,
    async sign(prepared) {
      const request = {
        schemaVersion: 1,
        operation: "sign",
        ...(keyId === undefined ? {} : { keyId }),
        format: prepared.format,
        subject: { digest: prepared.subject, repository: prepared.repository },
        algorithm: prepared.algorithm,
        hash: hashOf(prepared.algorithm) ?? null,
        // Whatever the format stores: one encoding for each kind of key is enough for services to know.
        encoding: prepared.encoding === "p1363" ? "der" : prepared.encoding,
        ...whatToSign(prepared, input),
      } as const;
      const key = idempotencyKeyOf(prepared.bytes, publicKey.fingerprint, prepared.algorithm);
      const answer = await service.sign(request, key);
      refuseOther(label, publicKey, answer);
      return acceptSignature({
        by: label,
        written: new Uint8Array(Buffer.from(answer.signature, "base64")),
        // Octets, whatever they look like as text: the JSON has unwrapped them.
        output: answer.encoding ?? "raw",
        publicKey,
        prepared,
      });
    },
  };
}

function whatToSign({ bytes, algorithm }: Prepared, input: "message" | "digest") {
  if (input === "message") return { mode: "message", message: base64(bytes) } as const;
  const hash = hashOf(algorithm);
  if (hash === undefined) {
    throw new CountersignError("E_ALGORITHM_UNSUPPORTED", `${algorithm} signs no digest: it hashes by itself`, {
      hint: "send the bytes: --signer-input message",
    });
  }
  return { mode: "digest", digest: base64(createHash(hash).update(bytes).digest()) } as const;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** A signature by the right key with another's certificate is the mark of a service in the middle of changing keys. */
function refuseOther(label: string, publicKey: PublicKey, answer: SignAnswer | DescribeAnswer): void {
  refuseAnotherKey(label, publicKey, answeredCertificates(label, answer.certificates ?? []));
  const other = answer.publicKey === undefined ? undefined : readPublicKey(label, answer.publicKey);
  if (other === undefined || other.fingerprint === publicKey.fingerprint) return;
  throw new CountersignError(
    "E_CERTIFICATE_KEY_MISMATCH",
    `${label} answers with the key ${other.fingerprint}, where ${publicKey.fingerprint} is expected`,
    { hint: "name the certificate or public key of the key that signs; a service must keep to one key during a run" },
  );
}

function readPublicKey(label: string, pem: string): PublicKey {
  try {
    return parsePublicKey(Buffer.from(pem, "utf8"));
  } catch (cause) {
    const why = asCountersignError(cause).message;
    throw new CountersignError("E_SIGNER_ANSWER", `${label} answers a public key that cannot be used: ${why}`, {
      cause,
      hint: "it must answer PEM of the SubjectPublicKeyInfo",
    });
  }
}

/**
 * Public material as a service describes it: its certificates put in order and held to what verifiers will ask, or its bare key.
 * @throws E_SIGNER_ANSWER; E_CERTIFICATE_KEY_MISMATCH when key and certificates are not each other's; the codes of checkSigningChain.
 */
export function describedMaterial(
  label: string,
  answer: DescribeAnswer,
  at: Date,
  purpose?: string | null,
): { readonly material: PublicMaterial; readonly warnings: readonly string[] } {
  const certificates = answeredCertificates(label, answer.certificates ?? []);
  const own = answer.publicKey === undefined ? undefined : readPublicKey(label, answer.publicKey);
  const publicKey = own ?? keyOfLeaf(certificates);
  if (publicKey === undefined) {
    throw new CountersignError("E_SIGNER_ANSWER", `${label} describes neither a key nor a certificate`, {
      hint: "name its certificate with --certificate, or its key with --public-key",
    });
  }
  if (certificates.length === 0) return { material: { publicKey, chain: [] }, warnings: [] };
  refuseOther(label, publicKey, answer);
  const { chain, warnings } = checkSigningChain({ publicKey, certificates, at, purpose });
  return { material: { publicKey, chain }, warnings: warnings.map(({ message }) => message) };
}

/** The only one that is no authority, else the first. */
function keyOfLeaf(certificates: readonly Certificate[]): PublicKey | undefined {
  const leaf = certificates.find(({ basicConstraints }) => basicConstraints?.ca !== true) ?? certificates[0];
  return leaf === undefined ? undefined : publicKeyFrom(leaf.publicKey);
}
