import { z } from "zod";
import { ALGORITHMS } from "../model/algorithm.ts";
import { VALIDATIONS, VERDICTS } from "../model/policy.ts";
import { FORMATS, PLACES } from "../model/signature.ts";

/** What the documents of several operations have in common. */

export const digest = z.string().describe("sha256:… or sha512:…");

export const problem = z.strictObject({
  code: z.string().describe("a stable code; docs/troubleshooting.md has a section for each"),
  message: z.string(),
  hint: z.string().nullable().describe("what mends it"),
  retry: z.boolean().describe("whether trying again, unchanged, can help"),
  place: z.string().nullable().describe("what could not be looked at or read"),
});

export const place = z.strictObject({
  kind: z.enum(PLACES),
  name: z.string(),
  digest: digest.nullable(),
});

export const signer = z
  .strictObject({
    subject: z.string().nullable().describe("RFC 4514 name of the certificate; null for a bare key"),
    sans: z.array(z.string()),
    issuer: z.string().nullable().describe("Fulcio's issuer extension"),
    fingerprint: z.string().describe("of the certificate, or of the bare key's SubjectPublicKeyInfo"),
  })
  .describe("who signed; of a signature that did not count, who it says signed");

export const reason = z.strictObject({ code: z.string(), message: z.string() });

export const signature = z.strictObject({
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

export const verdict = z.enum(VERDICTS);

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
    .array(z.strictObject({ kind: z.enum(["notation", "containers"]), path: z.string(), digest }))
    .optional()
    .describe("the policy documents that decided, with the hash of their bytes"),
  warnings: z.array(z.string()),
});
