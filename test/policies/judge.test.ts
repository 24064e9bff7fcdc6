import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS } from "../../src/model/algorithm.ts";
import type { Authority, IdentityRule, Requirement } from "../../src/model/policy.ts";
import type { Finding, LookFailure, Malformed, Reason } from "../../src/model/signature.ts";
import { type Assessment, judge } from "../../src/policies/judge.ts";
import { authoritiesOf } from "../../src/policies/requirement.ts";
import { exactRule } from "../../src/trust/text-rules.ts";
import { createPki, type Pki, signer } from "../trust/support/pki.ts";

const pki = createPki();
const place = { kind: "tag", name: "sha256-x.sig" } as const;
const wanted = { repository: "registry.example.com/app", reference: "registry.example.com/app:1.2" };
const failure: LookFailure = { place: "referrers API", code: "E_REGISTRY_THROTTLED", message: "429", retry: true };
const malformed: Malformed = { format: "bundle", place, reason: { code: "E_SIGNATURE_MALFORMED", message: "junk" } };
const expired: Reason = { code: "E_CERTIFICATE_EXPIRED", message: "too late" };

function authority(name: string, rules: Partial<Authority> = {}): Authority {
  const trust = { keys: [], anchors: [], intermediates: [], allowedAlgorithms: ALGORITHMS };
  return { name, trust, identities: [], annotations: {}, reference: "none", ...rules };
}

function finding(change: Partial<Finding> = {}): Finding {
  const claims = { digests: [], reference: wanted.repository, annotations: { stage: "prod" }, type: "t" };
  const key = { subject: null, sans: [], issuer: null, fingerprint: "sha256:aa" };
  const time = { source: "none", at: null } as const;
  return { format: "cosign", place, reasons: [], algorithm: "ed25519", signer: key, claims, time, ...change };
}

function signedBy(fingerprint: string): Finding {
  return finding({ signer: { subject: null, sans: [], issuer: null, fingerprint } });
}

function certifiedBy({ leaf }: Pki): Finding {
  return finding({ certificate: leaf.certificate });
}

/** What each authority finds, by name; one that is not named finds that the path leads elsewhere. */
function assessment(requirement: Requirement, findings: Readonly<Record<string, Finding>>): Assessment {
  const elsewhere = finding({ reasons: [{ code: "E_CERTIFICATE_UNTRUSTED", message: "no path" }] });
  const authorities = authoritiesOf(requirement);
  const byAuthority = authorities.map((authority) => [authority, findings[authority.name] ?? elsewhere] as const);
  return { format: "cosign", place, findings: new Map(byAuthority) };
}

function judgeOne(rules: Partial<Authority>, found: Finding) {
  const requirement = { authority: authority("release", rules) };
  return judge({ requirement, assessments: [assessment(requirement, { release: found })], failures: [], wanted });
}

describe("the verdict", () => {
  const requirement = { authority: authority("release") };
  const good = assessment(requirement, { release: finding() });
  const bad = assessment(requirement, { release: finding({ reasons: [expired] }) });

  it.each([
    { name: "nothing found", assessments: [], failures: [], verdict: "unsigned" },
    { name: "nothing found, a place not seen", assessments: [], failures: [failure], verdict: "undetermined" },
    { name: "a signature that counts", assessments: [good], failures: [], verdict: "trusted" },
    { name: "one that counts, a place not seen", assessments: [good], failures: [failure], verdict: "trusted" },
    { name: "one that does not count", assessments: [bad], failures: [], verdict: "untrusted" },
    {
      name: "one that does not count, a place not seen",
      assessments: [bad],
      failures: [failure],
      verdict: "undetermined",
    },
    { name: "junk alone", assessments: [malformed], failures: [], verdict: "untrusted" },
    { name: "junk beside one that counts", assessments: [malformed, bad, good], failures: [], verdict: "trusted" },
  ])("of $name is $verdict", ({ assessments, failures, verdict }) => {
    const judgement = judge({ requirement, assessments, failures, wanted });
    expect(judgement.verdict).toBe(verdict);
    expect(judgement.failures).toEqual(failures);
    expect(judgement.signatures).toHaveLength(assessments.length);
  });

  it("tells each signature's reason", () => {
    const { signatures } = judge({ requirement, assessments: [malformed, bad, good], failures: [], wanted });
    expect(signatures.map(({ trusted, reasons }) => [trusted, reasons.map(({ code }) => code)])).toEqual([
      [false, ["E_SIGNATURE_MALFORMED"]],
      [false, ["E_CERTIFICATE_EXPIRED"]],
      [true, []],
    ]);
  });

  const outcomes = fc.constantFrom("good", "bad", "malformed");
  it("is never unsigned where a place could not be looked at, and never trusted without a signature that counts", () => {
    fc.assert(
      fc.property(fc.array(outcomes, { maxLength: 6 }), fc.nat(3), (found, missed) => {
        const all = { good, bad, malformed };
        const { verdict, failures } = judge({
          requirement,
          assessments: found.map((name) => all[name]),
          failures: Array.from({ length: missed }, () => failure),
          wanted,
        });
        expect(failures).toHaveLength(missed);
        expect(verdict === "trusted").toBe(found.includes("good"));
        expect(verdict === "unsigned").toBe(found.length === 0 && missed === 0);
        if (missed > 0) expect(["trusted", "undetermined"]).toContain(verdict);
      }),
    );
  });
});

describe("who may sign", () => {
  const name = (text: string): IdentityRule => ({ name: exactRule(text) });

  it("is anyone under the anchors when no identity is given", () => {
    expect(judgeOne({}, certifiedBy(pki)).verdict).toBe("trusted");
  });

  it("is any of the identities given", () => {
    const identities = [name("other@example.com"), name("release@example.com")];
    expect(judgeOne({ identities }, certifiedBy(pki)).verdict).toBe("trusted");
  });

  it("is nobody else", () => {
    const { verdict, signatures } = judgeOne({ identities: [name("other@example.com")] }, certifiedBy(pki));
    expect(verdict).toBe("untrusted");
    expect(signatures[0]?.reasons).toMatchObject([{ code: "E_IDENTITY_MISMATCH" }]);
  });

  it("is not a bare key, which has no identity", () => {
    const { signatures } = judgeOne({ identities: [name("release@example.com")] }, finding());
    expect(signatures[0]?.reasons).toMatchObject([{ code: "E_IDENTITY_MISMATCH" }]);
  });

  it("is not asked again where the path has failed already", () => {
    const { signatures } = judgeOne({ identities: [name("x")] }, finding({ reasons: [expired] }));
    expect(signatures[0]?.reasons).toEqual([expired]);
  });
});

describe("required annotations", () => {
  it.each<{ annotations: Record<string, string>; codes: string[] }>([
    { annotations: { stage: "prod" }, codes: [] },
    { annotations: { stage: "test" }, codes: ["E_ANNOTATION_MISMATCH"] },
    { annotations: { stage: "prod", missing: "x" }, codes: ["E_ANNOTATION_MISMATCH"] },
    { annotations: { toString: "x" }, codes: ["E_ANNOTATION_MISMATCH"] },
  ])("of $annotations give $codes", ({ annotations, codes }) => {
    const { signatures } = judgeOne({ annotations }, finding());
    expect(signatures[0]?.reasons.map(({ code }) => code)).toEqual(codes);
  });

  it("are named with what stands there and what should", () => {
    const { signatures } = judgeOne({ annotations: { stage: "test" } }, finding());
    expect(signatures[0]?.reasons[0]?.message).toMatch(/"stage".*"prod".*"test"/);
  });
});

describe("a required reference", () => {
  const claim = (reference: string | undefined) =>
    finding({ claims: { digests: [], reference, annotations: {}, type: "t" } });

  it.each([
    ["repository", "registry.example.com/app", true],
    ["repository", "registry.example.com/app:1.1", true],
    ["repository", "registry.example.com/other", false],
    ["repository", "registry.example.com/app/deeper", false],
    ["repository", "registry.example.com:443/app", false],
    ["repository", "", false],
    ["repository", "not a reference", false],
    ["exact", "registry.example.com/app:1.2", true],
    ["exact", "registry.example.com/app:1.1", false],
    ["exact", "registry.example.com/app", false],
  ] as const)("%s is met by %j: %s", (reference, claimed, met) => {
    const { signatures } = judgeOne({ reference }, claim(claimed));
    expect(signatures[0]?.reasons.map(({ code }) => code)).toEqual(met ? [] : ["E_REFERENCE_MISMATCH"]);
  });

  it("compares Docker Hub's spellings as one", () => {
    const hub = { repository: "index.docker.io/library/alpine", reference: "index.docker.io/library/alpine:3" };
    for (const [reference, claimed] of [
      ["repository", "docker.io/library/alpine"],
      ["repository", "index.docker.io/library/alpine"],
      ["exact", "docker.io/library/alpine:3"],
    ] as const) {
      const requirement = { authority: authority("release", { reference }) };
      const assessments = [assessment(requirement, { release: claim(claimed) })];
      expect(judge({ requirement, assessments, failures: [], wanted: hub }).verdict).toBe("trusted");
    }
  });

  it("is not met by a format that has none, and that is said", () => {
    const { signatures } = judgeOne({ reference: "repository" }, claim(undefined));
    expect(signatures[0]?.reasons).toMatchObject([
      { code: "E_REFERENCE_MISMATCH", message: expect.stringContaining("names no reference") },
    ]);
  });
});

describe("a requirement of several authorities", () => {
  const alice = authority("alice");
  const bob = authority("bob");
  const carol = authority("carol");
  const of = [{ authority: alice }, { authority: bob }, { authority: carol }];

  function verdictOf(requirement: Requirement, ...signatures: Readonly<Record<string, Finding>>[]) {
    const assessments = signatures.map((findings) => assessment(requirement, findings));
    return judge({ requirement, assessments, failures: [], wanted }).verdict;
  }
  const byAlice = { alice: signedBy("a") };
  const byBob = { bob: signedBy("b") };

  it.each<[string, Requirement, Readonly<Record<string, Finding>>[], string]>([
    ["all, by all", { all: of.slice(0, 2) }, [byAlice, byBob], "trusted"],
    ["all, by one", { all: of.slice(0, 2) }, [byAlice], "untrusted"],
    ["any, by one", { any: of }, [byBob], "trusted"],
    ["two of three, by two", { atLeast: 2, of }, [byAlice, byBob], "trusted"],
    ["two of three, by one twice", { atLeast: 2, of }, [byAlice, byAlice], "untrusted"],
    ["one of a nested two", { atLeast: 2, of: [{ any: of }, { authority: bob }] }, [byAlice, byBob], "trusted"],
    ["all of nothing", { all: [] }, [byAlice], "untrusted"],
    ["any of nothing", { any: [] }, [byAlice], "untrusted"],
    ["none of three", { atLeast: 0, of }, [byAlice], "untrusted"],
  ])("%s", (_, requirement, signatures, verdict) => {
    expect(verdictOf(requirement, ...signatures)).toBe(verdict);
  });

  it("does not let one signer stand for two where two are asked for", () => {
    const both = { alice: signedBy("a"), bob: signedBy("a") };
    expect(verdictOf({ atLeast: 2, of }, both)).toBe("untrusted");
    expect(verdictOf({ atLeast: 2, of }, both, byBob)).toBe("trusted");
  });

  it("takes two certificates of one name for one signer", () => {
    const again = createPki({ leaf: signer() });
    const requirement = { atLeast: 2, of };
    expect(verdictOf(requirement, { alice: certifiedBy(pki) }, { bob: certifiedBy(again) })).toBe("untrusted");
    const other = createPki({ leaf: { ...signer("another"), alternativeNames: [["email", "another@example.com"]] } });
    expect(verdictOf(requirement, { alice: certifiedBy(pki) }, { bob: certifiedBy(other) })).toBe("trusted");
  });

  it("names the authority with each reason", () => {
    const requirement = { any: of.slice(0, 2) };
    const { signatures } = judge({ requirement, assessments: [assessment(requirement, {})], failures: [], wanted });
    expect(signatures[0]?.reasons.map(({ message }) => message)).toEqual(["alice: no path", "bob: no path"]);
  });
});

describe("a signature of a format that a policy does not speak of", () => {
  it("is held against none of its validations: each is skipped, and says why", () => {
    const actions = {
      integrity: "enforce",
      authenticity: "log",
      authenticTimestamp: "log",
      expiry: "log",
      revocation: "log",
    } as const;
    const enforcement = { actions, validationOf: () => "integrity" as const };
    const { verdict, signatures } = judgeOne({ formats: ["notation", "notation-cose"], enforcement }, finding());
    expect(verdict).toBe("untrusted");
    expect(signatures[0]?.reasons.map(({ code }) => code)).toEqual(["E_FORMAT_UNSUPPORTED"]);
    expect(signatures[0]?.validations).toHaveLength(5);
    for (const { result, reasons } of signatures[0]?.validations ?? []) {
      expect([result, ...reasons.map(({ code }) => code)]).toEqual(["skipped", "E_FORMAT_UNSUPPORTED"]);
    }
  });
});
