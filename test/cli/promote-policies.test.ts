import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { createPki, signer } from "../trust/support/pki.ts";
import { keyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { expectClean } from "./support/refusals.ts";
import { onlyImage, promoteReportOf, verifyReportOf } from "./support/reports.ts";

vi.setConfig({ testTimeout: 30_000 });

const machine = createMachine();

function material(name: string) {
  const pki = createPki({ leaf: signer(name) });
  const issuers = [...pki.intermediates, pki.root].map(({ pem }) => pem).join("");
  const flags = (prefix: string) => [
    ...[`--${prefix}key`, machine.file(`${name}.key`, keyPem(pki.key))],
    ...[`--${prefix}certificate`, machine.file(`${name}.leaf.pem`, pki.leaf.pem)],
    ...[`--${prefix}certificate-chain`, machine.file(`${name}.issuers.pem`, issuers)],
  ];
  return { flags, root: pki.root.pem, rootFile: machine.file(`${name}.root.pem`, pki.root.pem) };
}
const own = material("release");
const other = material("other");

/** A folder as notation keeps its configuration. */
function configuration(name: string, roots: string, statement: object): string {
  const folder = machine.absent(name);
  const store = join(folder, "truststore", "x509", "ca", "company");
  mkdirSync(store, { recursive: true });
  writeFileSync(join(store, "root.pem"), roots);
  const document = { version: "1.0", trustPolicies: [{ name, registryScopes: ["*"], ...statement }] };
  writeFileSync(join(folder, "trustpolicy.json"), JSON.stringify(document));
  return folder;
}
const strict = {
  // The certificates of these tests name no address to ask about revocation.
  signatureVerification: { level: "strict" },
  trustStores: ["ca:company"],
  trustedIdentities: ["*"],
};
const trusting = configuration("trusting", own.root, strict);
const strange = configuration("strange", other.root, strict);
const skipping = configuration("skipping", own.root, { signatureVerification: { level: "skip" } });

let registry: StartedRegistry;
let source: string;
let destination: string;
let images = 0;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());
beforeEach(async () => {
  images += 1;
  await pushImage(storageSink(registry.storage, `staging${images}`), { tag: "1", seed: `${images}` });
  source = `${registry.host}/staging${images}:1`;
  destination = `${registry.host}/prod${images}:1`;
  const run = await machine.run(["sign", "--format", "notation", ...own.flags(""), source]);
  expect(run.exit, run.stdout + run.stderr).toBe(0);
});

async function promote(...args: readonly string[]) {
  const run = await machine.run(["promote", "--output", "json", ...args, source, destination]);
  expectClean(run);
  const report = promoteReportOf(run);
  return { exit: run.exit, report, image: onlyImage(report) };
}

const isThere = () => registry.storage.get(`prod${images}`)?.tags.has("1") ?? false;

describe("promotion by a trust policy of notation's", () => {
  it.each([
    [
      "--trust-policy",
      ["--trust-policy", join(trusting, "trustpolicy.json"), "--trust-store", join(trusting, "truststore")],
    ],
    ["--policy", ["--policy", join(trusting, "trustpolicy.json"), "--trust-store", join(trusting, "truststore")]],
    ["--notation-config", ["--notation-config", trusting]],
  ])("verifies at both ends by it, and names it with its hash: %s", async (_, flags) => {
    const { exit, report, image } = await promote(...flags);
    expect([exit, image.status], JSON.stringify(image.errors)).toEqual([0, "promoted"]);
    const file = {
      kind: "notation",
      path: join(trusting, "trustpolicy.json"),
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    };
    expect(report.policies).toEqual({ source: [file], destination: [file] });
    expect(image.verification.destination?.images[0]?.signatures[0]?.validations).toHaveLength(5);
    expect(isThere()).toBe(true);
  });

  it("refuses what it does not trust, at the source and at the destination", async () => {
    const before = await promote("--notation-config", strange);
    expect([before.exit, before.image.errors[0]?.code]).toEqual([1, "E_NOT_VERIFIED"]);
    const behind = await promote("--notation-config", trusting, "--destination-notation-config", strange);
    expect([behind.exit, behind.image.errors[0]?.code]).toEqual([1, "E_NOT_VERIFIED"]);
    expect(behind.report.policies?.destination[0]?.path).toBe(join(strange, "trustpolicy.json"));
    expect(isThere()).toBe(false);
  });

  it("holds the destination's statement against the destination's name", async () => {
    const scoped = configuration(`scoped${images}`, own.root, {
      ...strict,
      registryScopes: [`${registry.host}/prod${images}`],
    });
    const here = await promote("--notation-config", scoped);
    expect([here.exit, here.image.verification.source?.images[0]?.errors[0]?.code]).toEqual([1, "E_POLICY_SCOPE"]);
    const there = await promote("--notation-config", trusting, "--destination-notation-config", scoped);
    expect(there.exit).toBe(0);
  });

  it.each(["source", "destination"])("promotes nothing that it skips at the %s: nothing was verified", async (end) => {
    const flags =
      end === "source"
        ? ["--notation-config", skipping]
        : ["--notation-config", trusting, "--destination-notation-config", skipping];
    const { exit, image } = await promote(...flags);
    expect([exit, image.status, image.errors[0]?.code]).toEqual([1, "refused", "E_NOT_VERIFIED"]);
    expect(image.errors[0]?.message).toContain("the policy skips it");
    expect(isThere()).toBe(false);
  });

  it("demands the new signature beside what the policy asks for", async () => {
    const resign = ["--resign", "--resign-format", "notation-cose", ...other.flags("resign-")];
    const more = ["--resign-expiry", "30d", "--resign-user-metadata", "stage=prod"];
    const { exit, image } = await promote("--notation-config", trusting, ...resign, ...more);
    expect([exit, image.resigned.map(({ format }) => format)], JSON.stringify(image.errors)).toEqual([
      0,
      ["notation-cose"],
    ]);
    const verify = ["verify", "--output", "json", "--ca-roots", other.rootFile, "-a", "stage=prod", destination];
    expect(verifyReportOf(await machine.run(verify)).verdict).toBe("trusted");
    const again = await promote("--notation-config", trusting, ...resign, ...more);
    expect(again.image.status).toBe("unchanged");
  });
});

describe("promotion by a policy.json", () => {
  it("that accepts anything promotes nothing: nothing was verified", async () => {
    const file = machine.file("policy.json", JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }));
    const { exit, image } = await promote("--policy", file);
    expect([exit, image.errors[0]?.code]).toEqual([1, "E_NOT_VERIFIED"]);
    expect(isThere()).toBe(false);
  });
});

describe("promotion by signatures of one format", () => {
  it("passes over those of others", async () => {
    const flags = ["--ca-roots", own.rootFile];
    const { exit, image } = await promote(...flags, "--format", "cosign");
    expect([exit, image.verification.source?.verdict]).toEqual([1, "unsigned"]);
    expect((await promote(...flags, "--format", "notation")).exit).toBe(0);
  });
});

describe("flags of a policy", () => {
  it.each([
    ["beside trust flags", ["--notation-config", trusting, "--ca-roots", own.rootFile]],
    ["for a trust store without a policy", ["--trust-store", join(trusting, "truststore")]],
    [
      "for an expiry of a format that has none",
      ["--ca-roots", own.rootFile, "--resign", ...other.flags("resign-"), "--resign-expiry", "1d"],
    ],
    ["for signing without --resign", ["--ca-roots", own.rootFile, "--resign-timestamp-url", "http://127.0.0.1:9"]],
  ])("%s are wrong use, before the first request", async (_, flags) => {
    registry.clear();
    const run = await machine.run(["promote", "--output", "json", ...flags, source, destination]);
    expect([run.exit, JSON.parse(run.stdout)]).toMatchObject([2, { error: { code: "E_USAGE" } }]);
    expect(registry.requests).toEqual([]);
  });
});
