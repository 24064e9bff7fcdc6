import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDockerReference } from "../../../src/oci/docker-reference.ts";
import { parseContainersPolicy } from "../../../src/policies/containers/document.ts";
import { combineEntries, identityFor, mergePolicy, type PolicyEntry } from "../../../src/policies/containers/entry.ts";
import { matchesSignedIdentity } from "../../../src/policies/containers/signed-identity.ts";

const block = Buffer.from("a public key block");
const entry: PolicyEntry = { repository: "r.example/prod/app", blocks: [block], identity: undefined };
const bytesOf = (document: unknown) => Buffer.from(JSON.stringify(document));
const reference = (text: string) => {
  const read = parseDockerReference(text);
  if (read === undefined) throw new Error(text);
  return read;
};

describe("the rule for the reference inside a signature", () => {
  const names = fc.constantFrom("r.example/prod/app", "r.example/staging/app", "docker.io/library/app");
  const tags = fc.constantFrom(":1", ":2", `@sha256:${"0".repeat(64)}`);

  it("always takes that reference, whatever it is and whatever is pulled", () => {
    fc.assert(
      fc.property(names, tags, names, tags, (name, tag, other, otherTag) => {
        const [pulled, claimed] = [reference(name + tag), `${other}${otherTag}`];
        const rule = identityFor(pulled, reference(claimed)) ?? { type: "matchRepoDigestOrExact" as const };
        expect(matchesSignedIdentity(rule, claimed, pulled)).toBe(true);
      }),
    );
  });

  it.each([
    ["r.example/prod/app:1", "r.example/prod/app:1", undefined],
    ["r.example/prod/app:1", "r.example/staging/app:1", "remapIdentity"],
    ["r.example/prod/app:2", "r.example/staging/app:1", "exactRepository"],
    ["r.example/prod/app:2", "r.example/prod/app:1", "exactRepository"],
  ])("is the narrowest that takes it: %s, signed as %s", (pulled, claimed, type) => {
    expect(identityFor(reference(pulled), reference(claimed))?.type).toBe(type);
  });
});

describe("adding an entry to a policy.json", () => {
  it("begins one that rejects everything else", () => {
    const { bytes, left } = mergePolicy(undefined, [entry]);
    const policy = parseContainersPolicy(bytes ?? new Uint8Array());
    expect(policy.default).toEqual([{ type: "reject" }]);
    expect(policy.transports.get("docker")?.get(entry.repository)).toMatchObject([
      { type: "signedBy", keys: [{ data: new Uint8Array(block) }], signedIdentity: { type: "matchRepoDigestOrExact" } },
    ]);
    expect(left).toEqual([]);
  });

  it("adds nothing twice", () => {
    const { bytes } = mergePolicy(undefined, [entry]);
    expect(mergePolicy(bytes, [entry])).toEqual({ bytes: undefined, left: [] });
  });

  const signedBy = [{ type: "signedBy", keyType: "GPGKeys", keyPath: "/other.asc" }];
  const reject = [{ type: "reject" }];
  it.each([
    ["its own entry", { default: reject, transports: { docker: { "r.example/prod/app": signedBy } } }],
    ["its own entry that rejects", { default: reject, transports: { docker: { "r.example/prod/app": reject } } }],
    ["a namespace's", { default: reject, transports: { docker: { "r.example/prod": signedBy } } }],
    ["a namespace's that rejects", { default: reject, transports: { docker: { "r.example/prod": reject } } }],
    ["a wildcard's", { default: reject, transports: { docker: { "*.example": signedBy } } }],
    ["that of all registries", { default: reject, transports: { docker: { "": signedBy } } }],
    ["a default that asks for a signature", { default: signedBy }],
  ])("takes the place of nothing that holds for the repository now: %s", (_, document) => {
    const { bytes, left } = mergePolicy(bytesOf(document), [entry]);
    expect(bytes).toBeUndefined();
    expect(left).toEqual([expect.stringContaining("left as it is")]);
  });

  it.each([
    ["rejects", reject],
    ["accepts anything", [{ type: "insecureAcceptAnything" }]],
  ])("adds to a document whose default %s, and keeps all that it says", (_, otherwise) => {
    const before = {
      default: otherwise,
      transports: { oci: { "": reject }, docker: { "r.example/other": signedBy } },
    };
    const { bytes } = mergePolicy(bytesOf(before), [entry]);
    const after = JSON.parse(Buffer.from(bytes ?? []).toString("utf8"));
    expect(after.default).toEqual(otherwise);
    expect(after.transports.oci).toEqual({ "": reject });
    expect(Object.keys(after.transports.docker)).toEqual(["r.example/other", "r.example/prod/app"]);
  });

  it("adds to no document that containers/image would refuse", () => {
    expect(() => mergePolicy(bytesOf({ default: [] }), [entry])).toThrow(/the policy cannot be used/);
  });
});

describe("several entries for one repository", () => {
  const widest = { type: "exactRepository", repository: "r.example/staging/app" } as const;
  const narrow = {
    type: "remapIdentity",
    prefix: "r.example/prod/app",
    signedPrefix: "r.example/staging/app",
  } as const;

  it("become one by any of their keys, where they claim the same repository", () => {
    const other = Buffer.from("another");
    const some: PolicyEntry[] = [
      { ...entry, identity: narrow },
      { ...entry, identity: widest, blocks: [other, block] },
    ];
    expect(combineEntries(some)).toEqual([{ ...entry, identity: widest, blocks: [block, other] }]);
  });

  it("stay apart otherwise, and the second is left out with a sentence", () => {
    const apart = combineEntries([entry, { ...entry, identity: widest }]);
    expect(apart).toHaveLength(2);
    expect(mergePolicy(undefined, apart).left).toHaveLength(1);
  });
});
