import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeWithPeer } from "../interop/support/peers.ts";
import type { StartedRegistry } from "../support/start-registry.ts";
import { createProject } from "./support/project.ts";
import { keyFiles, registryWith } from "./support/signing.ts";
import { skaFiles } from "./support/ska.ts";

const { files } = keyFiles();
const ours = "include .countersign/make/countersign.mk\n";
const theirs = "include .make/oci.mk\n";
const base = "include .make/base.mk\n";
const settings = `
OCI_IMAGE_REF = $(CAR_OCI_REGISTRY_HOST)/$(OCI_IMAGE):$(VERSION)
OCI_SIGN_KEY = cosign.key
OCI_VERIFY_KEY = cosign.pub
oci-post-publish: oci-sign
oci-post-sign: oci-verify
-include PrivateRules.mak
`;

describe.each([
  ["between theirs", theirs + ours + base],
  ["before theirs", ours + theirs + base],
  ["after theirs", theirs + base + ours],
])("countersign.mk included %s", (_, includes) => {
  describeWithPeer("make", "beside a .make of SKA's layout", () => {
    let registry: StartedRegistry;
    beforeAll(async () => {
      registry = await registryWith("1.2.3");
    });
    afterAll(() => registry.close());
    const project = createProject({ ...skaFiles, ...files, Makefile: `${includes}${settings}` });

    it.each(["-j1", "-j8"])("publishes, signs, verifies, in that order, with %s", async (jobs) => {
      const run = await project.make([jobs, "oci-publish", `CAR_OCI_REGISTRY_HOST=${registry.host}`]);
      expect([run.exitCode, run.stderr]).toEqual([0, ""]);
      expect(run.stdout).toMatch(
        /published\n[\s\S]*\/app:1\.2\.3: (?:signed|unchanged)\n[\s\S]*\/app:1\.2\.3: trusted\n/,
      );
    });

    it("leaves help and the default goal theirs, with ours in it", async () => {
      const help = await project.make(["help"]);
      expect([help.exitCode, help.stderr]).toEqual([0, ""]);
      expect(help.stdout).toContain("oci-publish: oci-pre-publish oci-do-publish oci-post-publish  ## publish");
      expect(help.stdout).toContain("oci-sign: oci-pre-sign oci-do-sign oci-post-sign  ## sign OCI_IMAGE_REF\n");
      expect(help.stdout).toContain("OCI_SIGN_KEY ?=## private key: ");
      expect(await project.make([])).toEqual(help);
    });

    it("is a section of their help, and runs nothing when a target is named as one", async () => {
      const section = await project.make(["help", "countersign"]);
      expect(section.stdout).toMatch(/^== .*countersign\.mk\n/);
      expect(section.stdout).not.toContain("oci-publish");
      const named = await project.make(["help", "oci-sign"]);
      expect([named.exitCode, named.stdout]).toEqual([0, ""]);
    });

    it("has its blocks in their long help", async () => {
      const { stdout, stderr } = await project.make(["long-help"]);
      expect(stderr).toBe("");
      expect(stdout).toContain("## TARGET: oci-publish\n");
      expect(stdout).toContain("## TARGET: oci-promote-all\n## SYNOPSIS: make oci-promote-all\n## HOOKS: ");
    });
  });
});

describeWithPeer("make", "countersign.mk by itself", () => {
  it("explains itself when nothing is asked for", async () => {
    const project = createProject({});
    const file = ["-f", ".countersign/make/countersign.mk"];
    const run = await project.make(file);
    expect([run.exitCode, run.stderr]).toEqual([0, ""]);
    expect(run.stdout).toContain("  oci-sign               sign OCI_IMAGE_REF\n");
    expect(run.stdout).toMatch(/^ {2}COUNTERSIGN_NODE +Node\.js 20\.11 or newer that runs the program \[node\]$/m);
    expect(await project.make([...file, "help"])).toEqual(run);
  });

  it("tells every target it has, with its hooks, at length", async () => {
    const project = createProject({ Makefile: ours });
    const { stdout } = await project.make(["long-help"]);
    const short = (await project.make(["help"])).stdout;
    const targets = [...short.matchAll(/^ {2}(oci-\S+)/gm)].map(([, name]) => name);
    expect(targets).toHaveLength(10);
    for (const target of targets) {
      const hooks = ["pre", "post"].map((step) => target?.replace("oci-", `oci-${step}-`)).join(", ");
      expect(stdout).toContain(`TARGET: ${target}\nSYNOPSIS: make ${target}\nHOOKS: ${hooks}\nVARS:\n`);
    }
    const variables = [...short.matchAll(/^ {2}((?:OCI|COUNTERSIGN)_\S+)/gm)].map(([, name]) => name ?? "");
    for (const name of variables)
      expect(stdout + name, name).toContain(name === "COUNTERSIGN_NODE" ? name : `${name}=`);
  });

  it.each([
    ["first", `${ours}all:\n\t@echo mine\n`],
    ["last", `all:\n\t@echo mine\n${ours}`],
  ])("included %s, leaves the default goal to the makefile", async (_, makefile) => {
    const run = await createProject({ Makefile: makefile }).make([]);
    expect([run.exitCode, run.stdout, run.stderr]).toEqual([0, "mine\n", ""]);
  });

  it.each([
    ["first", `${ours}help:\n\t@echo mine\n`],
    ["last", `help:\n\t@echo mine\n${ours}`],
  ])("included %s, leaves a help of the makefile's own", async (_, makefile) => {
    const run = await createProject({ Makefile: makefile }).make(["help"]);
    expect([run.exitCode, run.stdout, run.stderr]).toEqual([0, "mine\n", ""]);
  });

  it("makes nothing else out of what is spelled like help", async () => {
    const run = await createProject({ Makefile: ours }).make(["hallp"]);
    expect([run.exitCode, run.stdout]).toEqual([2, ""]);
    expect(run.stderr).toContain("No rule to make target 'hallp'");
  });

  it("runs no program while it is read", async () => {
    const project = createProject({ Makefile: `${ours}all: ;\n` });
    const run = await project.make(["-s", "all"], { path: "/nowhere" });
    expect([run.exitCode, run.stdout, run.stderr]).toEqual([0, "", ""]);
  });
});
