import { z } from "zod";

/** The documents of `pki`, version 1. Members are only ever added. */

const instant = z.string().describe("RFC 3339, UTC");

const certificate = z.strictObject({
  name: z.string().describe("root, intermediate, or the name a leaf was issued under"),
  serial: z.string().describe("hex"),
  subject: z.string().describe("RFC 4514"),
  sans: z.array(z.string()).describe("kind and value: uri:https://…"),
  notBefore: instant,
  notAfter: instant,
  fingerprint: z.string().describe("sha256:… of the certificate"),
  revoked: z.strictObject({ at: instant, reason: z.string() }).nullable(),
});

export const pkiReport = z.strictObject({
  schemaVersion: z.literal(1),
  operation: z.enum(["pki init", "pki issue", "pki revoke", "pki crl"]),
  folder: z.string(),
  certificates: z.array(certificate).describe("those made, revoked, or listed as revoked"),
  files: z.array(z.strictObject({ path: z.string(), holds: z.string() })).describe("those written"),
  warnings: z.array(z.string()),
});

const finding = z.strictObject({
  severity: z.enum(["error", "warning"]).describe("error: this verifier refuses"),
  code: z.string(),
  rule: z.string().describe("short and stable"),
  certificate: z.string().describe("subject of the certificate that breaks it, or its fingerprint"),
  message: z.string(),
  mend: z.string().describe("the line that would mend it"),
});

export const pkiCheckReport = z.strictObject({
  schemaVersion: z.literal(1),
  operation: z.literal("pki check"),
  at: instant.describe("the time that validity was checked at"),
  accepted: z.boolean().describe("whether every verifier asked about would accept"),
  chain: z.array(certificate.omit({ name: true, revoked: true })).describe("leaf first, as verifiers will build it"),
  verifiers: z.array(z.strictObject({ name: z.string(), accepted: z.boolean(), findings: z.array(finding) })),
  warnings: z.array(z.string()),
});

export type PkiReport = z.infer<typeof pkiReport>;
export type PkiCertificate = z.infer<typeof certificate>;
export type PkiCheckReport = z.infer<typeof pkiCheckReport>;
