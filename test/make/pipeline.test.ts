import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWithPeer } from "../interop/support/peers.ts";
import { runCountersign } from "../support/countersign.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { createProject, type Project } from "./support/project.ts";

// The pipeline of docs/make.md as it stands there, but for the name of the registry.

const page = readFileSync(new URL("../../docs/make.md", import.meta.url), "utf8");

/** The block of code in this language behind a heading. */
function block(heading: string, language: string): string {
  const section = page.slice(page.indexOf(`\n## ${heading}\n`));
  const code = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(section)?.[1];
  if (code === undefined) throw new Error(`docs/make.md: no ${language} below ${heading}`);
  return code;
}

/** The files that `countersign pki` made for a release, under the names of the page. */
async function pkiFiles(): Promise<Readonly<Record<string, string>> & { readonly key: string }> {
  const folder = join(temporaryFolder(), "pki");
  const env = { PASSPHRASE: "of the root" };
  const pki = async (...args: string[]) => {
    const run = await runCountersign(["pki", ...args, "--passphrase", "env://PASSPHRASE"], { env });
    if (run.exitCode !== 0) throw new Error(run.stderr);
  };
  await pki("init", folder);
  await pki("issue", folder, "release", "--san", "uri:https://ci.example.com/release", "--plain-leaf-key");
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  return {
    key: read("issued/release/leaf.key"),
    "pki/root.pem": read("root.pem"),
    "pki/release.pem": read("issued/release/leaf.pem"),
    "pki/chain.pem": read("issued/release/cosign-chain.pem"),
  };
}

describeWithPeer("make", "the pipeline of docs/make.md", () => {
  let registry: StartedRegistry;
  let project: Project;
  let env: Readonly<Record<string, string>>;

  beforeAll(async () => {
    registry = await startRegistry();
    await pushImage(storageSink(registry.storage, "staging/app"), { tag: "1.0.0" });
    await pushImage(storageSink(registry.storage, "staging/app"), { tag: "2.0.0" });
    const { key, ...files } = await pkiFiles();
    project = createProject({
      ...files,
      Makefile: block("A whole pipeline", "make").replaceAll("registry.example.com", registry.host),
      // What is built has been pushed already; what it was asked to build is noted.
      "bin/docker": `#!/bin/sh\necho "docker $*" >>built\n`,
    });
    env = { SIGNING_KEY: key, PATH: `${join(project.folder, "bin")}:${process.env["PATH"] ?? ""}` };
  });
  afterAll(() => registry.close());

  it("builds, signs and verifies", async () => {
    const run = await project.make(["oci-sign"], { env: { ...env, VERSION: "1.0.0" } });
    expect([run.exitCode, run.stderr]).toEqual([0, ""]);
    expect(project.read("built")).toContain(`--tag ${registry.host}/staging/app:1.0.0 .\n`);
    expect(run.stdout).toMatch(/\/staging\/app:1\.0\.0: signed\n[\s\S]*\/staging\/app:1\.0\.0: trusted\n/);
    expect(project.read("reports/sign.xml")).toContain('tests="1" failures="0" errors="0"');
    expect(project.read("reports/verify.xml.status")).toBe("0\n");
  });

  it("promotes what was signed, and tells the next job its reference", async () => {
    const run = await project.make(["oci-promote"], { env: { ...env, VERSION: "1.0.0" } });
    expect([run.exitCode, run.stderr]).toEqual([0, ""]);
    expect(project.read("reports/promote.xml")).toContain('tests="1" failures="0" errors="0"');
    const dotenv = project.read("reports/promote.env");
    const [, reference = ""] = /^COUNTERSIGN_REFERENCE=(.*)$/m.exec(dotenv) ?? [];
    expect(reference).toMatch(new RegExp(`^${registry.host}/production/app@sha256:[0-9a-f]{64}$`));
    expect(await project.make(["oci-verify", `OCI_IMAGE_REF=${reference}`])).toMatchObject({ exitCode: 0 });
    expect(await project.make(["oci-verify", `OCI_IMAGE_REF=${registry.host}/production/app:1.0.0`])).toMatchObject({
      exitCode: 0,
    });
  });

  it("promotes nothing that is not signed, and says so where test results are shown", async () => {
    const run = await project.make(["oci-promote"], { env: { ...env, VERSION: "2.0.0" } });
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain("countersign ended with status 1\n");
    expect(project.read("reports/promote.env")).toContain("COUNTERSIGN_EXIT=1\nCOUNTERSIGN_VERDICT=refused\n");
    expect(project.read("reports/promote.xml")).toMatch(/<failure message="refused, tag kept: [^"]+" type="E_/);
    const there = await project.make(["oci-verify", `OCI_IMAGE_REF=${registry.host}/production/app:2.0.0`]);
    expect(there.stdout).toContain("E_SUBJECT_NOT_FOUND");
  });
});
