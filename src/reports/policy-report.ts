import { z } from "zod";
import { digest } from "./report-parts.ts";

/** The document of `policy lint`, version 1. Members are only ever added. */
export const policyLintReport = z.strictObject({
  schemaVersion: z.literal(1),
  operation: z.literal("policy lint"),
  policy: z.strictObject({ path: z.string(), digest }),
  accepted: z.boolean().describe("whether every consumer asked about takes the document"),
  consumers: z.array(
    z.strictObject({
      name: z.string(),
      library: z.string().describe("version of containers/image in it"),
      accepted: z.boolean().describe("false: it refuses the whole document, and so every image"),
    }),
  ),
  findings: z.array(
    z.strictObject({
      severity: z.enum(["error", "warning"]).describe("error: a consumer refuses the whole document"),
      rule: z.string().describe("short and stable"),
      consumer: z.string().nullable().describe("whom it is about; null: everybody"),
      place: z.string().describe("where in the document, or which file"),
      message: z.string(),
      mend: z.string(),
    }),
  ),
  warnings: z.array(z.string()),
});

export type PolicyLintReport = z.infer<typeof policyLintReport>;
