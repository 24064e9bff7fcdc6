import { describe, expect, it } from "vitest";
import { consumerNamed } from "../../../src/policies/containers/lint/consumers.ts";
import { lintDocument } from "../../../src/policies/containers/lint/lint.ts";
import { documents } from "./support/documents.ts";

const lint = (document: unknown, ...consumers: readonly string[]) => {
  const text = typeof document === "string" ? document : JSON.stringify(document);
  return lintDocument(new TextEncoder().encode(text), consumers.map(consumerNamed)).findings;
};
const reject = [{ type: "reject" }];
const rules = (document: unknown, ...consumers: readonly string[]) =>
  lint(document, ...consumers).map(({ rule }) => rule);
const scoped = (scope: string, transport = "docker") => ({
  default: reject,
  transports: { [transport]: { [scope]: reject } },
});

describe("lint for Debian 12 says what its skopeo does", () => {
  for (const { title, text, debian12 } of documents) {
    it(`${debian12 ? "takes" : "refuses"} ${title}`, () => {
      expect(lint(text, "debian12").every(({ severity }) => severity !== "error")).toBe(debian12);
    });
  }
});

describe("a scope that no image can be under", () => {
  it.each([
    ["registry.example.com/ns/", "write registry.example.com/ns"],
    ["https://registry.example.com", "leave the protocol out"],
    ["registry.example.com/App", "write registry.example.com/app"],
    ["index.docker.io/library", "write docker.io/library"],
    ["alpine", "write docker.io/library/alpine"],
    ["ns/app", "write docker.io/ns/app"],
    ["Registry/app", "put the registry in front"],
    ["*.example.com:5000", "write *.example.com"],
    ["*.example.com/ns", "write *. and a domain, nothing behind it"],
    ["*", "write *.example.com"],
    [`a.example/b:1@sha256:${"0".repeat(64)}`, "leave one of the two out"],
  ])("%s is told, with its mend", (scope, mend) => {
    expect(lint(scoped(scope))).toEqual([
      expect.objectContaining({ rule: "scope-never-matches", severity: "warning", mend }),
    ]);
  });

  it.each([
    "registry.example.com",
    "registry.example.com:5000/ns",
    "registry.example.com/ns/app:1",
    "docker.io/library",
    "docker.io/library/alpine",
    `a.example/b@sha256:${"0".repeat(64)}`,
    "*.example.com",
    "",
  ])("%s is none", (scope) => expect(rules(scoped(scope))).toEqual([]));

  it("tells that localhost is not localhost:5000, and of transports that nobody has", () => {
    expect(rules(scoped("localhost"))).toEqual(["scope-narrower"]);
    expect(rules(scoped("a.example", "dockr"))).toEqual(["transport-unknown"]);
  });
});

describe("requirements that have no effect, or always the same", () => {
  const signedBy = { type: "signedBy", keyType: "GPGKeys", keyPath: "/a.gpg" };
  it.each([
    ["accepting beside a signature", [{ type: "insecureAcceptAnything" }, signedBy], ["requirement-idle"]],
    ["what stands behind reject", [{ type: "reject" }, signedBy], ["requirement-idle"]],
    ["accepting anything", [{ type: "insecureAcceptAnything" }], ["accepts-anything"]],
    ["a type of key that nobody verifies", [{ ...signedBy, keyType: "X509Certificates" }], ["always-refuses"]],
    ["no key", [{ type: "signedBy", keyType: "GPGKeys", keyPaths: [] }], ["always-refuses"]],
  ])("tells of %s", (_, list, expected) => expect(rules({ default: list })).toEqual(expected));

  it("tells that Debian verifies no sigstore signature, and from which version on others do", () => {
    const pki = { default: [{ type: "sigstoreSigned", pki: { caRootsPath: "/ca.pem", subjectEmail: "a@b.example" } }] };
    expect(
      lint(pki, "debian12", "podman-5", "skopeo-1.19", "containers-image-5.34.0").map(({ rule, consumer }) => [
        rule,
        consumer,
      ]),
    ).toEqual([
      ["unknown-member", "debian12"],
      ["unknown-member", "podman-5"],
      ["unknown-member", "containers-image-5.34.0"],
      ["always-refuses", "debian12"],
    ]);
  });
});
