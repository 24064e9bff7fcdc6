import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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

describe("policy lint --registries-d", () => {
  let folders = 0;
  const taken = { default: [{ type: "reject" }] };
  async function lintBeside(...texts: readonly string[]) {
    const folder = machine.absent(`registries-${++folders}.d`);
    mkdirSync(folder);
    for (const [at, text] of texts.entries()) writeFileSync(join(folder, `${at}.yaml`), text);
    const { exit, report } = await lint(taken, "--registries-d", folder);
    const findings = report.findings.filter(({ rule }) => rule === "registries-d");
    return { exit, folder, findings };
  }

  it("finds nothing in files that are read as they are meant", async () => {
    const { exit, findings } = await lintBeside(
      'docker:\n  r.test/ns: { lookaside: "https://r.test/sigs" }\n  "*.r.test": { use-sigstore-attachments: true }\n',
      "default-docker:\n  lookaside: file:///srv/sigs\n",
    );
    expect([exit, findings]).toEqual([0, []]);
  });

  it.each([
    ["a key in a section", "docker:\n  r.test: { lookasid: file:///a }\n", 'docker "r.test"', "write lookaside"],
    ["a key at the top", "dokcer: {}\n", "", "write docker"],
    ["a key of nothing known", "docker:\n  r.test: { colour: red }\n", 'docker "r.test"', "remove it"],
    ["a scope with a slash", "docker:\n  r.test/ns/: {}\n", 'docker "r.test/ns/"', "write r.test/ns"],
    ["a scope with a protocol", "docker:\n  'https://r.test': {}\n", "docker", "leave the protocol out"],
    ["Docker Hub's other name", "docker:\n  index.docker.io: {}\n", "docker", "write docker.io"],
  ])("warns of %s that nobody reads", async (_, text, section, mend) => {
    const { exit, folder, findings } = await lintBeside(text);
    expect(exit).toBe(0);
    expect(findings).toEqual([expect.objectContaining({ severity: "warning", consumer: null, mend })]);
    expect(findings[0]?.place.startsWith(`${folder}/0.yaml${section && `: ${section}`}`), findings[0]?.place).toBe(
      true,
    );
  });

  it("warns of an address that cannot be used, and goes on", async () => {
    const { exit, findings } = await lintBeside("docker:\n  r.test: { lookaside: 's3://b', colour: red }\n");
    expect([exit, findings.map(({ severity }) => severity)]).toEqual([0, ["warning", "warning"]]);
    expect(findings.map(({ message }) => message).join()).toContain('lookaside is "s3://b"');
  });

  it.each([
    ["the same scope twice in one file", ["docker:\n  r.test: {}\n  r.test: {}\n"]],
    ["the same key twice in one section", ["docker:\n  r.test:\n    lookaside: file:///a\n    lookaside: file:///b\n"]],
    ["the same scope in two files", ["docker:\n  r.test: {}\n", "docker:\n  r.test: {}\n"]],
    ["what is no YAML", ["docker: [\n"]],
    ["a switch that is a text", ["docker:\n  r.test: { use-sigstore-attachments: 'maybe' }\n"]],
  ])("ends with 1 for %s, which consumers refuse whole", async (_, texts) => {
    const { exit, findings } = await lintBeside(...texts);
    expect([exit, findings.map(({ severity }) => severity)]).toEqual([1, ["error"]]);
  });

  it("is wrong use where there is no such folder", async () => {
    const file = machine.file("policy.json", JSON.stringify(taken));
    const { exit, stderr } = await machine.run(["policy", "lint", "--registries-d", machine.absent("none.d"), file]);
    expect([exit, stderr]).toEqual([2, expect.stringContaining("E_FILE_UNREADABLE")]);
  });
});
