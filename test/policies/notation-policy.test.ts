import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERROR_CODES, type ErrorCode } from "../../src/model/error-codes.ts";
import { isCountersignError } from "../../src/model/errors.ts";
import { VALIDATIONS, type ValidationName } from "../../src/model/policy.ts";
import { weigh } from "../../src/policies/enforcement.ts";
import { isNotationPolicy, parseNotationPolicy, statementFor } from "../../src/policies/notation/document.ts";
import { enforcementOf, validationOf } from "../../src/policies/notation/levels.ts";
import { requirementOf } from "../../src/policies/notation/requirement.ts";
import { parseSubject } from "../../src/policies/notation/subject.ts";
import { matchIdentity } from "../../src/trust/identities.ts";
import { createPki } from "../trust/support/pki.ts";

const subject = "x509.subject: C=US, ST=WA, O=Example";
const statement = (more: object = {}) => ({
  name: "all",
  registryScopes: ["*"],
  signatureVerification: { level: "strict" },
  trustStores: ["ca:company"],
  trustedIdentities: ["*"],
  ...more,
});
const read = (...statements: readonly object[]) =>
  parseNotationPolicy(Buffer.from(JSON.stringify({ version: "1.0", trustPolicies: statements })));

describe("a trust policy document", () => {
  it("is read with its statements, levels, overrides, stores and identities", () => {
    const signatureVerification = {
      level: "audit",
      override: { expiry: "enforce" },
      verifyTimestamp: "afterCertExpiry",
    };
    const [only] = read(
      statement({ signatureVerification, trustStores: ["ca:a", "tsa:b"], trustedIdentities: [subject] }),
    ).statements;
    expect(only).toMatchObject({
      level: "audit",
      override: { expiry: "enforce" },
      verifyTimestamp: "afterCertExpiry",
      stores: [
        { type: "ca", name: "a" },
        { type: "tsa", name: "b" },
      ],
    });
    expect(only?.identities).toEqual([
      new Map([
        ["C", "US"],
        ["ST", "WA"],
        ["O", "Example"],
      ]),
    ]);
  });

  it("may hold members that are not known, at any place but among the overrides", () => {
    expect(
      read(statement({ comment: "x", signatureVerification: { level: "strict", later: 1 } })).statements,
    ).toHaveLength(1);
    expect(() =>
      read(statement({ signatureVerification: { level: "strict", override: { signedBy: "log" } } })),
    ).toThrow();
  });

  it.each<[string, readonly object[]]>([
    ["no statements", []],
    ["two statements of one name", [statement(), statement({ registryScopes: ["a.test/b"] })]],
    ["one scope in two statements", [statement(), statement({ name: "b" })]],
    ["a scope with a wildcard", [statement({ registryScopes: ["a.test/*"] })]],
    ["a scope without a repository", [statement({ registryScopes: ["a.test"] })]],
    ["a scope with a tag", [statement({ registryScopes: ["a.test/b:1"] })]],
    ["* beside another scope", [statement({ registryScopes: ["*", "a.test/b"] })]],
    ["a store of another type", [statement({ trustStores: ["keys:a"] })]],
    ["a store that leads out of its folder", [statement({ trustStores: ["ca:.."] })]],
    ["a store with a slash", [statement({ trustStores: ["ca:a/b"] })]],
    ["no store", [statement({ trustStores: [] })]],
    ["no identity", [statement({ trustedIdentities: [] })]],
    ["* beside another identity", [statement({ trustedIdentities: ["*", subject] })]],
    ["an identity without ST", [statement({ trustedIdentities: ["x509.subject: C=US, O=Example"] })]],
    ["an identity for a plugin", [statement({ trustedIdentities: ["arn:aws:signer"] })]],
    ["identities of which one holds the other", [statement({ trustedIdentities: [subject, `${subject}, CN=a`] })]],
    ["an unknown level", [statement({ signatureVerification: { level: "none" } })]],
    [
      "an override of integrity",
      [statement({ signatureVerification: { level: "strict", override: { integrity: "log" } } })],
    ],
    [
      "authenticity skipped",
      [statement({ signatureVerification: { level: "strict", override: { authenticity: "skip" } } })],
    ],
    ["stores under skip", [statement({ signatureVerification: { level: "skip" } })]],
  ])("is refused with %s", (_, statements) => {
    expect(() => read(...statements)).toThrow(expect.objectContaining({ code: "E_POLICY_INVALID", exit: 2 }));
  });

  it("of another version, or with a member twice, is refused", () => {
    for (const text of [
      '{"version":"2.0","trustPolicies":[]}',
      '{"version":"1.0","version":"1.0","trustPolicies":[]}',
      "[]",
      "",
    ]) {
      expect(() => parseNotationPolicy(Buffer.from(text))).toThrow(
        expect.objectContaining({ code: "E_POLICY_INVALID" }),
      );
    }
    expect(isNotationPolicy({ trustPolicies: 1 })).toBe(true);
    expect(isNotationPolicy({ default: [] })).toBe(false);
  });

  it("of any JSON is read or refused in its own code", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (value, other) => {
        for (const document of [
          value,
          { version: "1.0", trustPolicies: value },
          { version: "1.0", trustPolicies: [statement({ trustStores: value, trustedIdentities: other })] },
        ]) {
          try {
            parseNotationPolicy(Buffer.from(JSON.stringify(document)));
          } catch (error) {
            expect(isCountersignError(error) && error.code).toBe("E_POLICY_INVALID");
          }
        }
      }),
    );
  });
});

describe("the statement for a repository", () => {
  const policy = read(statement(), statement({ name: "own", registryScopes: ["registry.test/app"] }));
  it("is the one that names it to the letter, else the one for all, else none", () => {
    expect(statementFor(policy, "registry.test/app")?.name).toBe("own");
    expect(statementFor(policy, "registry.test/app/sub")?.name).toBe("all");
    expect(
      statementFor(read(statement({ registryScopes: ["registry.test/app"] })), "registry.test/other"),
    ).toBeUndefined();
  });
});

describe("an x509.subject identity", () => {
  it.each([
    ["C=US,ST=WA,O=Example", { C: "US", ST: "WA", O: "Example" }],
    ["C=US, S=WA, O=Example", { C: "US", ST: "WA", O: "Example" }],
    ["O=A\\, B\\+C,C=US,ST=WA", { O: "A, B+C", C: "US", ST: "WA" }],
    ["O=\\C3\\A9,C=US,ST=WA", { O: "é", C: "US", ST: "WA" }],
  ])("%s is read", (text, expected) => {
    expect(Object.fromEntries(parseSubject(text) as Map<string, string>)).toEqual(expected);
  });

  it.each([
    "",
    "C=US",
    "C=US+ST=WA,O=a",
    "C=US,C=DE,ST=WA,O=a",
    "C=US,ST=WA,O=#0c0161",
    "C=US,ST=WA,O=a\\",
    "C=US,ST=WA,O=\\zz",
    "x",
  ])("%j is refused with a sentence", (text) => {
    expect(parseSubject(text)).toEqual(expect.any(String));
  });

  it("of any text is read or refused, and what is read has its three attributes", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `C=US,ST=WA,O=${text}`),
        ),
        (text) => {
          const found = parseSubject(text);
          if (typeof found !== "string") expect(["C", "ST", "O"].every((type) => found.get(type))).toBe(true);
        },
      ),
    );
  });

  const leafOf = (attributes: readonly (readonly [string, string])[]) =>
    createPki({ leaf: { subject: attributes } }).leaf.certificate;
  const named = [
    ["C", "US"],
    ["ST", "WA"],
    ["O", "Example"],
    ["CN", "release"],
  ] as const;
  const matches = (attributes: readonly (readonly [string, string])[], text: string) =>
    matchIdentity(leafOf(attributes), { subjectAttributes: parseSubject(text) as Map<string, string> }).length === 0;

  it("matches a subject that has each of its attributes to the letter, in any order", () => {
    expect(matches(named, "O=Example,ST=WA,C=US")).toBe(true);
    expect(matches(named, "CN=release,O=Example,ST=WA,C=US")).toBe(true);
    expect(matches(named, "O=example,ST=WA,C=US")).toBe(false);
    expect(matches(named, "CN=other,O=Example,ST=WA,C=US")).toBe(false);
    expect(matches(named, "OU=x,O=Example,ST=WA,C=US")).toBe(false);
  });

  it("matches no subject that Notary's identities cannot describe", () => {
    const text = "O=Example,ST=WA,C=US";
    expect(matches([...named, ["OU", "a"], ["OU", "b"]], text)).toBe(false);
    expect(matches([...named, ["emailAddress", "a@b.test"]], text)).toBe(false);
    expect(
      matches(
        [
          ["C", "US"],
          ["O", "Example"],
        ],
        text,
      ),
    ).toBe(false);
  });
});

describe("enforcement", () => {
  const codes = Object.keys(ERROR_CODES) as ErrorCode[];
  const named = new Set<ErrorCode>(codes.filter((code) => validationOf({ code, message: "" }) !== "integrity"));

  it("holds whatever no validation but integrity names, at every level", () => {
    for (const level of ["strict", "permissive", "audit"] as const) {
      const enforcement = { actions: enforcementOf(level, {}), validationOf };
      for (const code of codes) {
        const { objections } = weigh({ enforcement } as never, [{ code, message: "" }]);
        if (!named.has(code)) expect(objections, `${level} ${code}`).toHaveLength(1);
      }
    }
  });

  it("lets pass under strict nothing at all, and by an override what it names alone", () => {
    // Of a format that the policy does not speak of nothing is looked at: judge.test.ts.
    const all = codes.filter((code) => code !== "E_FORMAT_UNSUPPORTED").map((code) => ({ code, message: "" }));
    const strict = { actions: enforcementOf("strict", {}), validationOf };
    expect(weigh({ enforcement: strict } as never, all).objections).toHaveLength(all.length);
    for (const name of VALIDATIONS.filter(
      (each): each is Exclude<ValidationName, "integrity"> => each !== "integrity",
    )) {
      const actions = enforcementOf("strict", { [name]: "log" });
      const { objections, validations } = weigh({ enforcement: { actions, validationOf } } as never, all);
      expect(objections.map((reason) => validationOf(reason))).not.toContain(name);
      expect(objections.length).toBe(all.filter((reason) => validationOf(reason) !== name).length);
      expect(validations?.find((row) => row.name === name)).toMatchObject({ action: "log", result: "failed" });
    }
  });

  it("asks for nothing under skip, and for a store of each type that is named", () => {
    const certificate = createPki().root.certificate;
    const trust = { contents: () => [certificate], annotations: {} };
    const skip = read({ name: "a", registryScopes: ["*"], signatureVerification: { level: "skip" } }).statements[0];
    expect(skip && requirementOf(skip, trust)).toBeUndefined();
    const both = read(statement({ trustStores: ["ca:a", "signingAuthority:b"] })).statements[0];
    expect(both && requirementOf(both, trust)).toMatchObject({
      any: [
        { authority: { trust: { signingAuthorities: false } } },
        { authority: { trust: { signingAuthorities: true } } },
      ],
    });
    const stampers = read(statement({ trustStores: ["tsa:a"] })).statements[0];
    expect(stampers && requirementOf(stampers, trust)).toEqual({ any: [] });
  });
});
