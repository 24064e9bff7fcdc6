import { beforeAll, describe, expect, it } from "vitest";
import { policyLintReport } from "../../src/reports/policy-report.ts";
import { createMachine, type Machine } from "./support/machine.ts";

let machine: Machine;
let block: string;
beforeAll(async () => {
  machine = createMachine();
  const { generateKey } = await import("openpgp");
  const { publicKey } = await generateKey({
    type: "rsa",
    rsaBits: 2048,
    userIDs: [{ name: "Release" }],
    subkeys: [{ sign: true }],
    date: new Date("2030-01-01"),
    keyExpirationTime: 0,
  });
  block = publicKey;
});

async function lint(policy: unknown, ...flags: readonly string[]) {
  const file = machine.file("policy.json", typeof policy === "string" ? policy : JSON.stringify(policy));
  const { exit, stdout } = await machine.run(["policy", "lint", "--output", "json", ...flags, file]);
  return { exit, report: policyLintReport.parse(JSON.parse(stdout)) };
}
const signedBy = (more: object) => ({ default: [{ type: "signedBy", keyType: "GPGKeys", ...more }] });

describe("policy lint", () => {
  it("ends with 1 when a consumer refuses the document, and says which member it does not know", async () => {
    const policy = { default: [{ type: "sigstoreSigned", keyData: "AAAA", rekorPublicKeyData: "AAAA" }] };
    const { exit, report } = await lint(policy, "--consumer", "debian12", "--consumer", "podman-5");
    expect([exit, report.accepted]).toEqual([1, false]);
    expect(report.consumers.map(({ name, accepted }) => [name, accepted])).toEqual([
      ["debian12", false],
      ["podman-5", true],
    ]);
    const errors = report.findings.filter(({ severity }) => severity === "error");
    expect(errors).toEqual([expect.objectContaining({ consumer: "debian12", place: "default[0].rekorPublicKeyData" })]);
  });

  it("ends with 1 when nobody takes the document", async () => {
    const { exit, report } = await lint("{}");
    expect([exit, report.consumers.map(({ accepted }) => accepted)]).toEqual([1, [false, false, false]]);
    expect(report.findings).toEqual([expect.objectContaining({ rule: "document", severity: "error" })]);
  });

  it("ends with 0 for what everybody takes, with warnings about keys", async () => {
    const { exit, report } = await lint(
      signedBy({ keyPaths: ["keys/absent.gpg", machine.file("broken.gpg", "no key")] }),
    );
    expect(exit).toBe(0);
    const rules = report.findings.map(({ rule }) => rule).sort();
    expect(rules).toEqual(["key-relative", "key-unreadable", "key-unusable"]);
  });

  it("tells which consumers refuse what a signing subkey signs", async () => {
    const flags = ["--consumer", "debian12", "--consumer", "skopeo-1.22"];
    const { report } = await lint(signedBy({ keyPath: machine.file("release.asc", block) }), ...flags);
    expect(report.findings.map(({ rule, consumer }) => [rule, consumer])).toEqual([["key-subkey", "debian12"]]);
  });

  it("prints for people who takes it and what to mend", async () => {
    const file = machine.file("wide.json", '{"default":[{"type":"insecureAcceptAnything"}]}');
    const { exit, stdout } = await machine.run(["policy", "lint", "--consumer", "debian12", file]);
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^debian12 \(containers\/image 5\.23\.1\): takes it$/m);
    expect(stdout).toMatch(
      /^warning accepts-anything: default: images here are accepted unsigned\n {2}mend: write reject/m,
    );
  });

  it("refuses consumers that nobody knows, and files that are not there, as wrong use", async () => {
    const file = machine.file("policy.json", '{"default":[{"type":"reject"}]}');
    const runs = await Promise.all([
      machine.run(["policy", "lint", "--consumer", "podman-99", file]),
      machine.run(["policy", "lint", machine.absent("none.json")]),
    ]);
    expect(runs.map(({ exit }) => exit)).toEqual([2, 2]);
  });
});
