import fc from "fast-check";
import type { Report, SignReport, VerifyReport } from "../../../src/reports/report.ts";

export const digest = `sha256:${"ab".repeat(32)}`;

/** What somebody else may have written into a certificate, an annotation or an answer, to be more than text somewhere. */
const fragments = [
  ..."|`<>&\"'*_~[](){}!#:@$%^\\/\n\r\t -+=;.",
  "\r\n",
  "\n\n",
  "@user",
  "@org/team",
  "a@b.co",
  "#1",
  "GH-12",
  ":tada:",
  "$x$",
  "https://evil.example/x",
  "www.evil.example",
  "](https://evil.example)",
  "![x](https://evil.example/x.png)",
  "<https://evil.example>",
  "<script>alert(1)</script>",
  "<img src=x onerror=y>",
  "</summary></details>",
  "<!--",
  "-->",
  "]]>",
  "&#64;",
  "&amp;",
  "&lt;b&gt;",
  "| a | b |\n|---|---|\n",
  "```\n",
  "::error::x",
  "::add-mask::x",
  "%0A::set-output name=a::b",
  "##[add-mask]x",
  "##vso[task.setvariable variable=a]b",
  "$(touch broken)",
  "`touch broken`",
  "\nPATH=/tmp",
  "\u001b[2J",
  "\u009b31m",
  "\u0000",
  "\u202e",
  "\u2028",
  "\u0085",
  "\ufeff",
  "\ufffe",
  "\uffff",
  "\ud800",
  "\udc00",
  "😀",
  "é",
  "CN=release",
] as const;

/** Texts made of such fragments, and any text at all. */
export const hostileText = fc.oneof(
  fc.array(fc.constantFrom(...fragments), { maxLength: 12 }).map((parts) => parts.join("")),
  fc.string({ unit: "binary" }),
);

/** One report of each operation with `text` wherever others can put text, and how it ended in every way there is. */
export function reportsWith(text: string): readonly Report[] {
  const warnings = [text];
  const place = { kind: "tag", name: text, digest: null } as const;
  const signer = { subject: text, sans: [text], issuer: text, fingerprint: text };
  const refused = { code: "E_SUBJECT_NOT_FOUND", message: text, hint: text, retry: false, place: text };
  const unseen = { code: "E_NETWORK", message: text, hint: text, retry: true, place: text };
  const signature = {
    format: "cosign",
    place,
    algorithm: "ecdsa-p256-sha256",
    signer,
    time: { source: "none", at: null },
  } as const;
  const reasons = [{ code: "E_IDENTITY_MISMATCH", message: text }];
  const image = { reference: text, digest };
  const verified: VerifyReport["images"] = [
    {
      ...image,
      verdict: "trusted",
      status: "verified",
      signatures: [
        { ...signature, trusted: true, reasons: [] },
        { ...signature, trusted: false, reasons },
      ],
      errors: [unseen],
    },
    {
      ...image,
      verdict: "untrusted",
      status: "refused",
      signatures: [{ ...signature, trusted: false, reasons }],
      errors: [],
    },
    { ...image, verdict: "unsigned", status: "unsigned", signatures: [], errors: [] },
    { ...image, digest: null, verdict: "undetermined", status: "unreachable", signatures: [], errors: [unseen] },
  ];
  const stored = { format: "bundle", place, added: true, algorithm: "ed25519", signer } as const;
  const signed: SignReport["images"] = [
    { ...image, status: "signed", signatures: [stored], errors: [] },
    { ...image, status: "unchanged", signatures: [{ ...stored, added: false }], errors: [] },
    { ...image, status: "skipped", skippedAs: "unsigned", signatures: [], errors: [] },
    { ...image, digest: null, status: "failed", signatures: [], errors: [refused, unseen] },
    { ...image, digest: null, status: "failed", signatures: [], errors: [unseen] },
  ];
  const verification = { verdict: "untrusted" as const, images: verified };
  const copied = { manifests: 1, blobs: 1, mounted: 0, present: 0, foreign: 0, bytes: 7 };
  const ends = { source: text, destination: text, digest, copied } as const;
  const at = "2026-01-01T00:00:00Z";
  const certificate = { serial: "01", subject: text, sans: [text], notBefore: at, notAfter: at, fingerprint: digest };
  return [
    { schemaVersion: 1, operation: "verify", verdict: "untrusted", images: verified, warnings },
    { schemaVersion: 1, operation: "sign", images: signed, warnings },
    { schemaVersion: 1, operation: "attach", images: signed, warnings },
    {
      schemaVersion: 1,
      operation: "list",
      verified: false,
      images: [
        {
          ...image,
          attachments: [
            {
              kind: "referrer",
              format: null,
              place,
              mediaType: text,
              artifactType: text,
              size: 7,
              signer,
              annotations: { [text]: text },
            },
          ],
          errors: [unseen],
        },
      ],
      warnings,
    },
    {
      schemaVersion: 1,
      operation: "promote",
      dryRun: false,
      images: [
        {
          ...ends,
          status: "promoted",
          verification: { source: null, destination: null },
          attachments: [{ kind: "sbom", format: null, subject: digest, place, artifactType: text, status: "copied" }],
          resigned: [{ format: "cosign", subject: digest, place: null, status: "added", algorithm: "ed25519", signer }],
          tag: { name: text, previous: null, status: "moved" },
          errors: [],
        },
        {
          ...ends,
          status: "refused",
          verification: { source: verification, destination: null },
          attachments: [],
          resigned: [],
          tag: { name: text, previous: digest, status: "kept" },
          errors: [],
        },
        {
          ...ends,
          digest: null,
          status: "failed",
          verification: { source: null, destination: null },
          attachments: [],
          resigned: [],
          tag: null,
          errors: [unseen],
        },
      ],
      warnings,
    },
    {
      schemaVersion: 1,
      operation: "load",
      verified: false,
      directory: text,
      images: [
        {
          reference: text,
          status: "loaded",
          digest,
          copied: ends.copied,
          attachments: [{ kind: "sbom", format: null, subject: digest, place, artifactType: text, status: "copied" }],
          errors: [unseen],
          tag: { name: text, previous: null, status: "moved" },
        },
      ],
      warnings,
    },
    {
      schemaVersion: 1,
      operation: "payload",
      reference: text,
      subject: text,
      digest,
      format: "cosign",
      size: 7,
      signing: null,
      hashed: null,
      warnings,
    },
    {
      schemaVersion: 1,
      operation: "pki issue",
      folder: text,
      certificates: [{ name: text, ...certificate, revoked: { at, reason: "superseded" } }],
      files: [{ path: text, holds: "a key" }],
      warnings,
    },
    {
      schemaVersion: 1,
      operation: "pki check",
      at,
      accepted: false,
      chain: [certificate],
      verifiers: [
        { name: "cosign", accepted: true, findings: [] },
        {
          name: "notation",
          accepted: false,
          findings: [
            {
              severity: "error",
              code: "E_CERTIFICATE_USAGE",
              rule: "usage",
              certificate: text,
              message: text,
              mend: text,
            },
          ],
        },
      ],
      warnings,
    },
  ];
}
