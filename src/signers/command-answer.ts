import { z } from "zod";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";

/** What an `exec:` signer may print in place of a bare signature, to hand over its certificates too. */
export const commandAnswer = z.looseObject({
  signature: z.string().min(1).describe("base64: DER or r‖s for ECDSA, the plain octets for RSA and Ed25519"),
  certificates: z
    .array(z.string().min(1))
    .max(LIMITS.certificates)
    .optional()
    .describe("the key's certificate and its issuers, in any order: each PEM, or base64 of DER"),
});

/** @throws E_SIGNER_ANSWER for JSON of another shape. */
export function readCommandAnswer(by: string, json: unknown): z.infer<typeof commandAnswer> {
  const parsed = commandAnswer.safeParse(json);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues.map(({ path }) => path.join(".") || "the whole").join(", ");
  throw new CountersignError("E_SIGNER_ANSWER", `${by} answered JSON of another shape: ${where}`, {
    hint: 'print {"signature": "base64", "certificates": ["PEM", …]}, or the signature alone',
  });
}
