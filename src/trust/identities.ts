import type { Certificate } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import type { IdentityRule, TextRule } from "../model/policy.ts";
import type { Reason } from "../model/signature.ts";
import { isForHost } from "./host-names.ts";
import { notarySubject } from "./names.ts";
import { describeRule, matchesText } from "./text-rules.ts";

/**
 * What of a rule does not hold for a certificate; empty when all of it does. A rule about alternative names holds when
 * one of them, of any kind, matches.
 * @throws E_USAGE for a fingerprint that is none (normalizeFingerprint).
 */
export function matchIdentity(certificate: Certificate, rule: IdentityRule): Reason[] {
  const reasons: Reason[] = [];
  const names = certificate.alternativeNames.map(({ value }) => value);
  if (rule.name !== undefined && !names.some(matching(rule.name))) {
    reasons.push(mismatch("alternative name", names, rule.name));
  }
  if (rule.subject !== undefined && !matchesText(rule.subject, certificate.subject.text)) {
    reasons.push(mismatch("subject", [certificate.subject.text], rule.subject));
  }
  if (rule.fingerprint !== undefined && normalizeFingerprint(rule.fingerprint) !== certificate.fingerprint) {
    reasons.push(mismatch("fingerprint", [certificate.fingerprint], { kind: "exact", text: rule.fingerprint }));
  }
  if (rule.subjectAttributes !== undefined) reasons.push(...subjectReasons(certificate, rule.subjectAttributes));
  if (rule.email !== undefined) {
    const emails = certificate.alternativeNames.flatMap(({ type, value }) => (type === "email" ? [value] : []));
    if (!emails.includes(rule.email))
      reasons.push(mismatch("email address", emails, { kind: "exact", text: rule.email }));
  }
  if (rule.hostname !== undefined && !isForHost(certificate, rule.hostname)) {
    reasons.push(mismatch("host name", names, { kind: "exact", text: rule.hostname }));
  }
  const issuers = certificate.oidcIssuer === undefined ? [] : [certificate.oidcIssuer];
  // As cosign has it, no extension is the empty text: a private authority's certificates pass the pattern `.*`.
  if (rule.issuer !== undefined && !matchesText(rule.issuer, certificate.oidcIssuer ?? "")) {
    reasons.push(mismatch("OIDC issuer", issuers, rule.issuer));
  }
  return reasons;
}

/**
 * A SHA-256 fingerprint as certificates carry it, `sha256:` and lower-case hex, from how people and programs write it:
 * with or without the prefix, colons or spaces between octets, in any case.
 * @throws E_USAGE
 */
export function normalizeFingerprint(text: string): string {
  const hex = text
    .trim()
    .replace(/^sha-?256(?::| fingerprint=)/i, "")
    .replace(/[: ]/g, "")
    .toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hex)) return `sha256:${hex}`;
  throw new CountersignError("E_USAGE", `${JSON.stringify(text.slice(0, 160))} is not a SHA-256 fingerprint`, {
    hint: "take it from: openssl x509 -in certificate.pem -noout -fingerprint -sha256",
  });
}

function subjectReasons({ subject }: Certificate, wanted: ReadonlyMap<string, string>): Reason[] {
  const found = notarySubject(subject);
  const text = [...wanted].map(([type, value]) => `${type}=${value}`).join(",");
  if (typeof found === "string") {
    const message = `the subject ${JSON.stringify(subject.text.slice(0, 200))} can match no x509.subject identity: ${found}`;
    return [{ code: "E_IDENTITY_MISMATCH", message }];
  }
  if ([...wanted].every(([type, value]) => found.get(type) === value)) return [];
  return [mismatch("subject", [subject.text], { kind: "exact", text })];
}

function matching(rule: TextRule): (text: string) => boolean {
  return (text) => matchesText(rule, text);
}

function mismatch(what: string, found: readonly string[], rule: TextRule): Reason {
  const shown = found.slice(0, 5).map((text) => JSON.stringify(text.slice(0, 200)));
  const has = shown.length === 0 ? `the certificate has no ${what}` : `the ${what} is ${shown.join(" or ")}`;
  return { code: "E_IDENTITY_MISMATCH", message: `${has}, not ${describeRule(rule)}` };
}
