import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { createPki, signer } from "../trust/support/pki.ts";
import { keyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { expectClean } from "./support/refusals.ts";
import { onlyImage, verifyReportOf } from "./support/reports.ts";

vi.setConfig({ testTimeout: 30_000 });

const machine = createMachine();
const pki = createPki({ intermediates: [], leaf: signer() });
const stranger = createPki({ intermediates: [] });

/** Writes what notation keeps into a folder; `root` is what it trusts for `scope`. */
function configure(folder: string, root = pki.root.pem, scope = "*", document = "trustpolicy.json"): string {
  const store = join(folder, "truststore", "x509", "ca", "company");
  mkdirSync(store, { recursive: true });
  writeFileSync(join(store, "root.pem"), root);
  const statement = { name: "all", registryScopes: [scope], signatureVerification: { level: "strict" } };
  const trust = { trustStores: ["ca:company"], trustedIdentities: ["*"] };
  writeFileSync(
    join(folder, document),
    JSON.stringify({ version: "1.0", trustPolicies: [{ ...statement, ...trust }] }),
  );
  return folder;
}

let registry: StartedRegistry;
let image: string;
const layout = `oci:${machine.absent("layout")}:1`;
beforeAll(async () => {
  registry = await startRegistry();
  await pushImage(storageSink(registry.storage, "app"), { tag: "1", seed: "1" });
  image = `${registry.host}/app:1`;
  const key = [
    "--key",
    machine.file("leaf.key", keyPem(pki.key)),
    "--certificate",
    machine.file("leaf.pem", pki.leaf.pem),
  ];
  const chain = ["--certificate-chain", machine.file("root.pem", pki.root.pem)];
  for (const args of [
    ["sign", "--format", "notation", ...key, ...chain, image],
    ["promote", "--ca-roots", machine.file("root.pem", pki.root.pem), image, layout],
  ]) {
    const run = await machine.run(args);
    expect(run.exit, run.stdout + run.stderr).toBe(0);
  }
});
afterAll(() => registry.close());

async function verify(args: readonly string[], env?: Readonly<Record<string, string>>) {
  const run = await machine.run(["verify", "--output", "json", ...args], { env });
  expectClean(run);
  const report = verifyReportOf(run);
  const { verdict, errors } = onlyImage(report);
  return { verdict, codes: errors.map(({ code }) => code), policy: report.policies?.[0]?.path };
}

describe("--notation-config default", () => {
  const byDefault = ["--notation-config", "default"];
  const folders = process.platform === "darwin" ? ["Library", "Application Support"] : [".config"];
  const home = join(machine.home, ...folders, "notation");

  it("is wrong use where notation keeps nothing, and nothing else is looked for", async () => {
    const run = await machine.run(["verify", ...byDefault, image]);
    expect([run.exit, run.stderr]).toEqual([2, expect.stringContaining("E_FILE_UNREADABLE")]);
    expect(run.stderr).toContain(home);
  });

  it("is the folder in the user's home, that of XDG_CONFIG_HOME, or that of NOTATION_CONFIG, the last that is set", async () => {
    configure(home);
    expect(await verify([...byDefault, image])).toMatchObject({
      verdict: "trusted",
      policy: join(home, "trustpolicy.json"),
    });
    const xdg = machine.absent("xdg");
    configure(join(xdg, "notation"), stranger.root.pem);
    const byXdg = await verify([...byDefault, image], { XDG_CONFIG_HOME: xdg });
    expect(byXdg).toMatchObject({ verdict: "untrusted", policy: join(xdg, "notation", "trustpolicy.json") });
    const own = configure(machine.absent("own"), pki.root.pem, "*", "trustpolicy.oci.json");
    const env = { XDG_CONFIG_HOME: xdg, NOTATION_CONFIG: own };
    expect(await verify([...byDefault, image], env)).toMatchObject({
      verdict: "trusted",
      policy: join(own, "trustpolicy.oci.json"),
    });
  });

  it("is not asked by anything but the flag", async () => {
    const own = configure(machine.absent("unasked"));
    const run = await machine.run(["verify", image], { env: { NOTATION_CONFIG: own } });
    expect([run.exit, run.stderr]).toEqual([2, expect.stringContaining("E_USAGE")]);
  });
});

describe("--scope", () => {
  const repository = "registry.example.com/app";
  const folder = configure(machine.absent("scoped"), pki.root.pem, repository);
  const scoped = ["--notation-config", folder];

  it("stands for the repository of an image in a layout folder, which has none", async () => {
    expect(await verify([...scoped, "--scope", repository, layout])).toMatchObject({ verdict: "trusted" });
    for (const flags of [[], ["--scope", "registry.example.com/other"]]) {
      expect(await verify([...scoped, ...flags, layout])).toMatchObject({
        verdict: "untrusted",
        codes: ["E_POLICY_SCOPE"],
      });
    }
  });

  it("does not stand for the repository of an image in a registry: the name is the image's", async () => {
    expect(await verify([...scoped, "--scope", repository, image])).toMatchObject({
      verdict: "untrusted",
      codes: ["E_POLICY_SCOPE"],
    });
  });
});
