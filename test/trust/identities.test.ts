import { describe, expect, it } from "vitest";
import type { IdentityRule } from "../../src/model/policy.ts";
import { matchIdentity, normalizeFingerprint } from "../../src/trust/identities.ts";
import { exactRule, matchesText, patternRule } from "../../src/trust/text-rules.ts";
import { contextPrimitive } from "./support/der-writer.ts";
import { directoryNameOf, issue } from "./support/pki.ts";

const certificate = issue({
  subject: [
    ["C", "DE"],
    ["O", "Example"],
    ["CN", "release"],
  ],
  alternativeNames: [
    ["email", "release@example.com"],
    ["dns", "ci.example.com"],
    ["uri", "https://gitlab.example.com/group/app//.gitlab-ci.yml@refs/heads/main"],
    ["ip", "0a000001"],
    directoryNameOf([
      ["O", "Example"],
      ["CN", "other"],
    ]),
    contextPrimitive(8, Uint8Array.of(0x2a, 3, 4)),
  ],
  extensions: [{ oid: "1.3.6.1.4.1.57264.1.1", value: Buffer.from("https://gitlab.example.com") }],
}).certificate;

const failures = (rule: IdentityRule) =>
  matchIdentity(certificate, rule).map(({ code, message }) => `${code} ${message}`);

describe("identity rules", () => {
  it("hold when nothing is asked", () => {
    expect(failures({})).toEqual([]);
  });

  it.each(["release@example.com", "ci.example.com", "10.0.0.1", "CN=other,O=Example", "1.2.3.4"])(
    "find the alternative name %s",
    (name) => {
      expect(failures({ name: exactRule(name) })).toEqual([]);
    },
  );

  it.each([
    ["a part of a name", { name: exactRule("example.com") }],
    ["another case", { name: exactRule("Release@example.com") }],
    ["the subject as a name", { name: exactRule("release") }],
    ["a part of the subject", { subject: exactRule("CN=release") }],
    ["another issuer", { issuer: exactRule("https://gitlab.com") }],
    ["another fingerprint", { fingerprint: `sha256:${"0".repeat(64)}` }],
  ])("refuse %s", (_, rule) => {
    expect(failures(rule)).toEqual([expect.stringContaining("E_IDENTITY_MISMATCH")]);
  });

  it("take a certificate without OIDC issuer for one whose issuer is the empty text", async () => {
    const bare = { ...certificate, oidcIssuer: undefined };
    expect(matchIdentity(bare, { issuer: await patternRule(".*") })).toEqual([]);
    expect(matchIdentity(bare, { issuer: await patternRule(".+") })).toHaveLength(1);
  });

  it("compare subject, issuer and fingerprint", () => {
    const hex = certificate.fingerprint.slice(7);
    const colons = (hex.match(/../g) ?? []).join(":").toUpperCase();
    expect(
      failures({ subject: exactRule("CN=release,O=Example,C=DE"), issuer: exactRule("https://gitlab.example.com") }),
    ).toEqual([]);
    for (const fingerprint of [
      hex,
      `sha256:${hex}`,
      `SHA256:${colons}`,
      colons,
      `SHA256 Fingerprint=${colons}`,
      `sha256 Fingerprint=${colons}`,
    ]) {
      expect(failures({ fingerprint })).toEqual([]);
    }
  });

  it("must all hold, and say which did not", () => {
    const rule = { name: exactRule("nobody"), subject: exactRule("CN=release,O=Example,C=DE"), issuer: exactRule("x") };
    expect(failures(rule)).toEqual([expect.stringContaining('not "nobody"'), expect.stringContaining("OIDC issuer")]);
  });

  it("say that a certificate has none of what is asked for", () => {
    const bare = issue({ subject: "bare" }).certificate;
    expect(matchIdentity(bare, { name: exactRule("x"), issuer: exactRule("x") }).map(({ message }) => message)).toEqual(
      ['the certificate has no alternative name, not "x"', 'the certificate has no OIDC issuer, not "x"'],
    );
  });

  it.each(["", "sha256:", "abc", `sha1:${"0".repeat(40)}`, `${"0".repeat(63)}g`])(
    "refuse %j as a fingerprint",
    (text) => {
      expect(() => normalizeFingerprint(text)).toThrow(expect.objectContaining({ code: "E_USAGE", exit: 2 }));
    },
  );
});

describe("patterns", () => {
  const matches = async (source: string, text: string) => matchesText(await patternRule(source), text);

  it.each<[string, string, boolean]>([
    ["release@example\\.com", "release@example.com", true],
    ["example", "example.com", false],
    [".*@example\\.com", "a@example.com", true],
    [".*@example\\.com", "a@example.com.evil.test", false],
    [".*@example\\.com", "a@example.com\n", false],
    ["a|ab", "ab", true],
    ["a|b", "ab", false],
    ["^a$", "a", true],
    ["(?m)^a$", "a\nb", false],
    ["(?i)ABC", "abc", true],
    ["\\Qa.b", "a.b", true],
    ["[[:alpha:]]+", "abc", true],
    ["(?P<name>x)", "x", true],
    ["", "", true],
    ["", "x", false],
    [".*", "a\nb", false],
  ])("%j over the whole of %j: %s", async (source, text, outcome) => {
    expect(await matches(source, text)).toBe(outcome);
  });

  it.each(["(", "a)|(b", "*", "(?=x)", "(a)\\1", "[z-a]", "a{1001}", "x".repeat(5000)])(
    "refuse %j, which RE2 does not read",
    async (source) => {
      await expect(patternRule(source)).rejects.toMatchObject({ code: "E_PATTERN_INVALID", hint: expect.any(String) });
    },
  );

  it("answer in linear time", async () => {
    const rule = await patternRule("(a+)+b");
    const start = performance.now();
    expect(matchesText(rule, "a".repeat(50_000))).toBe(false);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it("hold through a rule about names", async () => {
    const rule = await patternRule("https://gitlab\\.example\\.com/group/.*@refs/heads/main");
    expect(matchIdentity(certificate, { name: rule })).toEqual([]);
    expect(matchIdentity(certificate, { subject: rule })[0]?.message).toContain("the pattern");
  });
});
