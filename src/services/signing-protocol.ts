import { z } from "zod";
import { ALGORITHMS } from "../model/algorithm.ts";

/**
 * What is said to a signing service and what it answers, version 1 (docs/signing-service.md). `docs/schemas/` holds the JSON
 * Schema of each, made from here and compared by a test. Services must pass over members that they do not know.
 */

/** A signing service sends certificates and a signature; nothing of the kind is longer. Bytes. */
export const ANSWER_LIMIT = 256 * 1024;
const CERTIFICATES = 16;

const keyId = z.string().optional().describe("which key, where the service holds several; as --signer-key-id names it");

const describeRequest = z.strictObject({
  schemaVersion: z.literal(1),
  operation: z.literal("describe").describe("asks for public material; nothing is signed"),
  keyId,
});

const sign = {
  schemaVersion: z.literal(1),
  operation: z.literal("sign"),
  keyId,
  format: z.string().describe("what the signature is for: cosign, bundle, …"),
  subject: z.strictObject({
    digest: z
      .string()
      .describe("of the image that is signed for, sha256:… or sha512:…; for the service's log and rules"),
    repository: z.string().optional().describe("where the image is, registry/path; as the caller says"),
  }),
  algorithm: z.enum(ALGORITHMS).describe("how to sign"),
  hash: z.enum(["sha256", "sha384", "sha512"]).nullable().describe("of the algorithm; null where it hashes by itself"),
  encoding: z.enum(["der", "raw"]).describe("wanted: der for ECDSA, the plain octets for RSA and Ed25519"),
};

const messageRequest = z.strictObject({
  ...sign,
  mode: z.literal("message"),
  message: z.base64().describe("the exact bytes to sign"),
});

const digestRequest = z.strictObject({
  ...sign,
  mode: z.literal("digest"),
  digest: z.base64().describe("the hash of the bytes to sign; it must not be hashed again"),
});

export const signingServiceRequest = z.union([describeRequest, messageRequest, digestRequest]);

const certificates = z
  .array(z.string())
  .max(CERTIFICATES)
  .optional()
  .describe("PEM of the key's certificate and its issuers, one or several to a text, in any order");

const publicKey = z.string().optional().describe("PEM of the public key, SubjectPublicKeyInfo");

const described = z
  .looseObject({ certificates, publicKey })
  .refine(
    (answer) => answer.certificates !== undefined || answer.publicKey !== undefined,
    "names neither key nor certificate",
  );

const signed = z.looseObject({
  signature: z.base64().min(1),
  encoding: z
    .enum(["der", "p1363", "raw"])
    .optional()
    .describe("of the signature: DER, or r and s in line (p1363), for ECDSA; raw for others. Absent: as asked for"),
  certificates,
  publicKey,
});

export const signingServiceResponse = z.union([signed, described]);

export const describeAnswer = described;
export const signAnswer = signed;

export type SigningServiceRequest = z.infer<typeof signingServiceRequest>;
export type DescribeAnswer = z.infer<typeof described>;
export type SignAnswer = z.infer<typeof signed>;

/** The JSON Schemas to publish, by file name without its ending. */
export function signingServiceSchemas(): Readonly<Record<string, unknown>> {
  return {
    "signing-service-request": z.toJSONSchema(signingServiceRequest),
    "signing-service-response": z.toJSONSchema(signingServiceResponse),
  };
}
