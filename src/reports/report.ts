import { z } from "zod";
import { ALGORITHMS } from "../model/algorithm.ts";
import { FORMATS } from "../model/signature.ts";
import { type PkiCheckReport, type PkiReport, pkiCheckReport, pkiReport } from "./pki-report.ts";
import { type PolicyLintReport, policyLintReport } from "./policy-report.ts";
import { loadReport, promoteReport, saveReport } from "./promote-report.ts";
import { digest, place, problem, signer, verifyReport } from "./report-parts.ts";

export { loadReport, promoteReport, saveReport, verifyReport };

/**
 * The documents that `--output json` and `--report` write, version 1. Members are only ever added; `docs/schemas/` holds
 * the JSON Schema of each, made from here and compared by a test.
 */

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
export type PromoteReport = z.infer<typeof promoteReport>;
export type SaveReport = z.infer<typeof saveReport>;
export type LoadReport = z.infer<typeof loadReport>;
export type Report =
  | VerifyReport
  | SignReport
  | ListReport
  | AttachReport
  | PayloadReport
  | PromoteReport
  | SaveReport
  | LoadReport
  | PkiReport
  | PkiCheckReport
  | PolicyLintReport;

/** The JSON Schemas to publish, by file name without its ending. */
export function jsonSchemas(): Readonly<Record<string, unknown>> {
  const schemas = {
    verify: verifyReport,
    sign: signReport,
    attach: attachReport,
    payload: payloadReport,
    list: listReport,
    promote: promoteReport,
    save: saveReport,
    load: loadReport,
    pki: pkiReport,
    "pki-check": pkiCheckReport,
    "policy-lint": policyLintReport,
    error: errorReport,
  };
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, z.toJSONSchema(schema)]));
}
