import { z } from "zod";
import { ALGORITHMS } from "../model/algorithm.ts";
import { VALIDATIONS, VERDICTS } from "../model/policy.ts";
import { FORMATS } from "../model/signature.ts";
import { type PkiCheckReport, type PkiReport, pkiCheckReport, pkiReport } from "./pki-report.ts";

/**
 * The documents that `--output json` and `--report` write, version 1. Members are only ever added; `docs/schemas/` holds
 * the JSON Schema of each, made from here and compared by a test.
 */

const digest = z.string().describe("sha256:… or sha512:…");

const problem = z.strictObject({
  code: z.string().describe("a stable code; docs/troubleshooting.md has a section for each"),
  message: z.string(),
  hint: z.string().nullable().describe("what mends it"),
  retry: z.boolean().describe("whether trying again, unchanged, can help"),
  place: z.string().nullable().describe("what could not be looked at or read"),
});

const place = z.strictObject({
  kind: z.enum(["tag", "referrer", "fallback-tag"]),
  name: z.string(),
  digest: digest.nullable(),
});

const signer = z
  .strictObject({
    subject: z.string().nullable().describe("RFC 4514 name of the certificate; null for a bare key"),
    sans: z.array(z.string()),
    issuer: z.string().nullable().describe("Fulcio's issuer extension"),
    fingerprint: z.string().describe("of the certificate, or of the bare key's SubjectPublicKeyInfo"),
  })
  .describe("who signed; of a signature that did not count, who it says signed");

const reason = z.strictObject({ code: z.string(), message: z.string() });

const signature = z.strictObject({
  format: z.enum(FORMATS),
  place,
  trusted: z.boolean(),
  reasons: z.array(reason).describe("why it did not count; empty when it did"),
  algorithm: z.enum(ALGORITHMS).nullable(),
  signer: signer.nullable(),
  time: z
    .discriminatedUnion("source", [
      z.strictObject({ source: z.literal("none"), at: z.null() }),
      z.strictObject({ source: z.literal("rfc3161"), at: z.iso.datetime({ precision: 3 }) }),
    ])
    .describe("when the signature was there at the latest, by a trusted time stamp"),
  revocation: z
    .array(
      z.strictObject({
        fingerprint: z.string().describe("of the certificate"),
        status: z
          .enum(["good", "revoked", "unknown", "unchecked", "exempt"])
          .describe(
            "unknown: who answers does not know it; unchecked: nobody could be asked; exempt: it names nobody to ask",
          ),
        source: z.string().describe("where the answer came from, or why there is none"),
      }),
    )
    .optional()
    .describe("of each certificate below the anchor; absent where revocation was not looked at"),
  validations: z
    .array(
      z.strictObject({
        name: z.enum(VALIDATIONS),
        action: z.enum(["enforce", "log", "skip"]),
        result: z.enum(["passed", "failed", "skipped"]),
        reasons: z.array(reason),
      }),
    )
    .optional()
    .describe(
      "under a Notary trust policy, what became of each validation: what failed and is only logged stands here",
    ),
});

const verdict = z.enum(VERDICTS);

export const verifyReport = z.strictObject({
  schemaVersion: z.literal(1),
  operation: z.literal("verify"),
  verdict: verdict.describe(
    "of the whole run: the worst of all images, an untrusted or unsigned one before an undetermined one",
  ),
  images: z.array(
    z.strictObject({
      reference: z.string().describe("as the caller named it"),
      digest: digest.nullable(),
      verdict,
      status: z
        .enum(["verified", "refused", "unsigned", "missing", "unreachable", "skipped"])
        .describe("skipped: the policy asks for no verification; nothing was looked at"),
      signatures: z.array(signature),
      errors: z.array(problem),
    }),
  ),
  policies: z
    .array(z.strictObject({ kind: z.literal("notation"), path: z.string(), digest }))
    .optional()
    .describe("the policy documents that decided, with the hash of their bytes"),
  warnings: z.array(z.string()),
});

export const signReport = z.strictObject({
  schemaVersion: z.literal(1),
  operation: z.literal("sign"),
  images: z.array(
    z.strictObject({
      reference: z.string(),
      digest: digest.nullable(),
      status: z
        .enum(["signed", "unchanged", "skipped", "failed"])
        .describe(
          "unchanged: this key's signature was there already; skipped: no signature asked for with --signed-by was",
        ),
      skippedAs: z.enum(["unsigned", "untrusted"]).optional().describe("what a skipped image is instead"),
      signatures: z.array(
        z.strictObject({
          format: z.enum(FORMATS),
          place,
          added: z.boolean(),
          algorithm: z.enum(ALGORITHMS),
          signer,
        }),
      ),
      errors: z.array(problem),
    }),
  ),
  warnings: z.array(z.string()),
});

/** What `sign` writes, of the one image that was signed elsewhere. */
export const attachReport = signReport.extend({ operation: z.literal("attach") });

export const payloadReport = z.strictObject({
  schemaVersion: z.literal(1),
  operation: z.literal("payload"),
  reference: z.string().describe("as the caller named it"),
  subject: z.string().describe("the image by its digest, which the bytes name"),
  digest,
  format: z.enum(FORMATS),
  size: z.int().describe("bytes to be signed"),
  signing: z
    .strictObject({
      algorithm: z.enum(ALGORITHMS),
      hash: z.enum(["sha256", "sha384", "sha512"]).nullable().describe("null: the scheme hashes by itself"),
      encoding: z.enum(["der", "p1363", "raw"]).describe("that is stored; attach takes others too"),
    })
    .nullable()
    .describe("how the key named is to sign; null when none is named"),
  hashed: z
    .strictObject({ hash: z.enum(["sha256", "sha384", "sha512"]), hex: z.string(), base64: z.string() })
    .nullable()
    .describe("the hash of the bytes, for signers that take a digest"),
  warnings: z.array(z.string()),
});

export const listReport = z.strictObject({
  schemaVersion: z.literal(1),
  operation: z.literal("list"),
  verified: z.literal(false).describe("nothing here has been verified"),
  images: z.array(
    z.strictObject({
      reference: z.string(),
      digest: digest.nullable(),
      attachments: z.array(
        z.strictObject({
          kind: z.enum(["signature", "attestation", "sbom", "referrer"]),
          format: z.string().nullable().describe("null: not known to this program"),
          place,
          mediaType: z.string(),
          artifactType: z.string().nullable(),
          size: z.int(),
          signer: signer.partial().nullable().describe("as the attachment claims it"),
          annotations: z.record(z.string(), z.string()),
        }),
      ),
      errors: z.array(problem),
    }),
  ),
  warnings: z.array(z.string()),
});

export const errorReport = z.strictObject({
  schemaVersion: z.literal(1),
  operation: z.string(),
  error: problem,
});

export type Problem = z.infer<typeof problem>;
export type VerifyReport = z.infer<typeof verifyReport>;
export type SignReport = z.infer<typeof signReport>;
export type ListReport = z.infer<typeof listReport>;
export type ErrorReport = z.infer<typeof errorReport>;
export type AttachReport = z.infer<typeof attachReport>;
export type PayloadReport = z.infer<typeof payloadReport>;
export type Report = VerifyReport | SignReport | ListReport | AttachReport | PayloadReport | PkiReport | PkiCheckReport;

/** The JSON Schemas to publish, by file name without its ending. */
export function jsonSchemas(): Readonly<Record<string, unknown>> {
  const schemas = {
    verify: verifyReport,
    sign: signReport,
    attach: attachReport,
    payload: payloadReport,
    list: listReport,
    pki: pkiReport,
    "pki-check": pkiCheckReport,
    error: errorReport,
  };
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, z.toJSONSchema(schema)]));
}
