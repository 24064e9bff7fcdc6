import { z } from "zod";
import { ALGORITHMS } from "../model/algorithm.ts";
import { FORMATS } from "../model/signature.ts";
import { digest, place, problem, signer, verdict, verifyReport } from "./report-parts.ts";

/** The documents of what moves images with all that hangs on them: `promote`, `save`, `load`. */

const verification = z.strictObject({
  verdict,
  images: z
    .array(verifyReport.shape.images.element)
    .describe("as in the report of verify: the image itself, and with --recursive every image of its index"),
});

const policyFiles = verifyReport.shape.policies.unwrap();

export const promoteReport = z.strictObject({
  schemaVersion: z.literal(1),
  operation: z.literal("promote"),
  dryRun: z.boolean().describe("true: nothing was written"),
  images: z.array(
    z.strictObject({
      source: z.string().describe("as the caller named it"),
      destination: z.string().describe("as the caller named it"),
      digest: digest.nullable().describe("of the image, the same at both ends; null: it could not be resolved"),
      status: z
        .enum(["promoted", "unchanged", "planned", "refused", "failed"])
        .describe(
          "unchanged: all was there already; planned: what a run without --dry-run does; refused: it does not verify, or its tag was moved; failed: could not tell, or could not be done",
        ),
      verification: z.strictObject({
        source: verification.nullable().describe("null: not come to"),
        destination: verification.nullable().describe("by the destination's own trust; null: not come to"),
      }),
      copied: z
        .strictObject({
          manifests: z.int().describe("written at the destination"),
          blobs: z.int().describe("whose bytes moved"),
          mounted: z.int().describe("blobs that the registry took from another repository of its own"),
          present: z.int().describe("manifests and blobs that were there already"),
          foreign: z.int().describe("layers that are fetched from elsewhere and are not in the source"),
          bytes: z.int().describe("of blobs that moved"),
        })
        .describe("attachments included; of a planned image, what would be"),
      attachments: z.array(
        z.strictObject({
          kind: z.enum(["signature", "attestation", "sbom", "referrer"]),
          format: z.string().nullable().describe("null: not known to this program"),
          subject: digest.describe("what it hangs on: the image, one of its index, or another attachment"),
          place: place.describe("at the destination; of a planned one, at the source"),
          artifactType: z.string().nullable(),
          status: z.enum(["copied", "present", "planned"]),
        }),
      ),
      resigned: z.array(
        z.strictObject({
          format: z.enum(FORMATS),
          subject: digest,
          place: place.nullable().describe("null: planned"),
          status: z.enum(["added", "unchanged", "planned"]),
          algorithm: z.enum(ALGORITHMS),
          signer,
        }),
      ),
      tag: z
        .strictObject({
          name: z.string(),
          previous: digest.nullable().describe("what it named at the start; null: it was not there"),
          status: z
            .enum(["moved", "unchanged", "planned", "kept", "unknown"])
            .describe(
              "moved: it names the image now; unchanged: it did before; kept: it does not name it; unknown: it was being written when the registry failed",
            ),
        })
        .nullable()
        .describe("null: by digest only"),
      errors: z.array(problem),
    }),
  ),
  policies: z
    .strictObject({ source: policyFiles, destination: policyFiles })
    .optional()
    .describe("the policy documents that decided at each end, with the hash of their bytes; absent: flags alone did"),
  warnings: z.array(z.string()),
});

const promoted = promoteReport.shape.images.element.shape;

/** What `save` and `load` say of an image: what `promote` says, but for verdicts. */
const carried = {
  digest: promoted.digest,
  copied: promoted.copied,
  attachments: promoted.attachments,
  errors: promoted.errors,
};

export const saveReport = z.strictObject({
  schemaVersion: z.literal(1),
  operation: z.literal("save"),
  verified: z.literal(false).describe("nothing here has been verified"),
  directory: z.string(),
  images: z.array(
    z.strictObject({
      reference: z.string().describe("as the caller named it"),
      status: z.enum(["saved", "unchanged", "failed"]).describe("unchanged: all was in the folder already"),
      ...carried,
    }),
  ),
  warnings: z.array(z.string()),
});

export const loadReport = z.strictObject({
  schemaVersion: z.literal(1),
  operation: z.literal("load"),
  verified: z.literal(false).describe("nothing here has been verified"),
  directory: z.string(),
  images: z.array(
    z.strictObject({
      reference: z.string().describe("where it was loaded to, as the caller named it"),
      status: z.enum(["loaded", "unchanged", "failed"]).describe("unchanged: all was there already"),
      ...carried,
      tag: promoted.tag,
    }),
  ),
  warnings: z.array(z.string()),
});
