import { describe, expect, it } from "vitest";
import { describeWithPeer } from "../interop/support/peers.ts";
import { createProject, programsFolder } from "./support/project.ts";

/** What a shell would make more of than text, each leaving a file called broken. */
const hostile = [
  "app; touch broken",
  "app && touch broken",
  "app | touch broken",
  "$(touch broken)",
  "`touch broken`",
  "app' ; touch broken ; '",
  'app" ; touch broken ; "',
  "app > broken",
  "app\ntouch broken",
  "app\n\ttouch broken\n",
  "\\$(touch broken)",
  "$IFS;touch$IFS broken",
  "*",
  "~",
  "--report=broken",
  "-",
  "%s%n",
  "#",
  "$(shell touch broken)",
  "$(error broken)",
  "$(eval all:;touch broken)",
];

/** A node that tells the words it was given, each on a line. */
const tellingNode = `#!/bin/sh
if [ "$1" = --version ]; then echo v22.1.0; exit; fi
shift
for word in "$@"; do printf '<%s>\\n' "$word"; done
`;

const single = {
  sign: [
    "OCI_SIGN_KEY",
    "OCI_SIGN_SIGNER",
    "OCI_SIGN_PUBLIC_KEY",
    "OCI_SIGN_CERTIFICATE",
    "OCI_SIGN_CERTIFICATE_CHAIN",
    "OCI_SIGN_FORMAT",
  ],
  verify: ["OCI_VERIFY_KEY", "OCI_VERIFY_CA_ROOTS", "OCI_VERIFY_IDENTITY"],
  payload: ["OCI_PAYLOAD_FILE", "OCI_SIGN_CERTIFICATE"],
  attach: ["OCI_PAYLOAD_FILE", "OCI_ATTACH_SIGNATURE"],
} as const;

describeWithPeer("make", "values of variables", () => {
  const project = createProject({
    Makefile: "include .countersign/make/countersign.mk\n",
    node: tellingNode,
  });
  const env = { COUNTERSIGN_NODE: "./node" };
  const unharmed = () => expect(project.has("broken")).toBe(false);

  describe.each(Object.entries(single))("of oci-%s, from the environment", (verb, names) => {
    it.each(hostile)("reach the program as one word each: %j", async (value) => {
      const given = Object.fromEntries([...names, "OCI_IMAGE_REF"].map((name) => [name, value]));
      const { exitCode, stdout, stderr } = await project.make([`oci-${verb}`], { env: { ...env, ...given } });
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      expect(stdout.endsWith(`<-->\n<${value}>\n`), stdout).toBe(true);
      const flags = stdout.split(`=${value}>\n`).length - 1;
      expect(flags, stdout).toBe(names.length);
      unharmed();
    });
  });

  it.each(hostile)("in a list or in flags are divided at white space and no more: %j", async (value) => {
    const given = { OCI_IMAGE_REFS: value, OCI_SIGN_FLAGS: value, OCI_REGISTRY_FLAGS: value };
    const { stdout } = await project.make(["oci-sign-all"], { env: { ...env, ...given } });
    const words = value.split(/\s+/).filter((word) => word !== "");
    expect(stdout).toBe(["sign", ...words, ...words, "--", ...words].map((word) => `<${word}>\n`).join(""));
    unharmed();
  });

  it.each(hostile.filter((value) => !value.includes("$")))(
    "on make's command line are no shell text: %j",
    async (value) => {
      const given = [`OCI_IMAGE_REF=${value}`, `OCI_VERIFY_KEY=${value}`, "COUNTERSIGN_NODE=./node"];
      const { stdout } = await project.make(["oci-verify", ...given]);
      expect(stdout).toBe(`<verify>\n<--key=${value}>\n<-->\n<${value}>\n`);
      unharmed();
    },
  );

  it("of the pairs to promote become lines of standard input", async () => {
    project.write("node", `${tellingNode}echo "$(cat)"\n`);
    const given = {
      OCI_PROMOTE_IMAGES: "a:1 $(touch broken) b:2",
      OCI_PROMOTE_SOURCE_REPO: "staging.example.com/`id>broken`/",
      OCI_PROMOTE_DESTINATION_REPO: "prod.example.com;touch",
      OCI_PROMOTE_FLAGS: "--dry-run",
      OCI_VERIFY_KEY: "a b",
    };
    const { stdout } = await project.make(["oci-promote-all"], { env: { ...env, ...given } });
    const [from, to] = ["staging.example.com/`id>broken`", "prod.example.com;touch"];
    expect(stdout).toBe(
      [
        "<promote>\n<--key=a b>\n<--dry-run>\n<--images=->",
        ...["a:1", "$(touch", "broken)", "b:2"].map((name) => `${from}/${name} ${to}/${name}`),
        "",
      ].join("\n"),
    );
    unharmed();
  });
});

describeWithPeer("make", "paths to promote between", () => {
  it("are one each: a line end in them makes no pair of its own", async () => {
    const project = createProject({ Makefile: "include .countersign/make/countersign.mk\n", node: tellingNode });
    const given = { OCI_PROMOTE_IMAGES: "a:1", OCI_PROMOTE_SOURCE_REPO: "a\nevil/b:1 evil/c:1\n" };
    const run = await project.make(["oci-promote-all", "OCI_PROMOTE_DESTINATION_REPO=b", "COUNTERSIGN_NODE=./node"], {
      env: given,
    });
    expect([run.exitCode, run.stdout]).toEqual([2, ""]);
    expect(run.stderr).toContain("OCI_PROMOTE_DESTINATION_REPO name one path each");
  });
});

describeWithPeer("make", "the Node.js that runs the program", () => {
  const project = createProject({ Makefile: "include .countersign/make/countersign.mk\n" });
  const sign = (path: string, env: Readonly<Record<string, string>> = {}) =>
    project.make(["oci-sign"], { path, env: { OCI_IMAGE_REF: "app:1", ...env } });

  it("is asked for when there is none", async () => {
    const run = await sign(programsFolder());
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain(
      "countersign: there is no program node: install Node.js 20.11 or newer, or name it with COUNTERSIGN_NODE\n",
    );
    expect((await sign(programsFolder(), { COUNTERSIGN_NODE: "/opt/my node" })).stderr).toContain(
      "no program /opt/my node:",
    );
  });

  it.each(["v18.20.4", "v20.10.0", "v20.9.0", "v20.1.0", "v16.20.2", "v9.0.0", "node?"])(
    "is refused when it is %s",
    async (version) => {
      const run = await sign(programsFolder({ node: `echo ${version}` }));
      expect(run.exitCode).toBe(2);
      expect(run.stderr).toContain(`countersign: node is ${version}: install Node.js 20.11 or newer`);
    },
  );

  it.each(["v20.11.0", "v20.11.1", "v20.20.2", "v22.0.0", "v24.11.1", "v100.0.0"])(
    "runs it when it is %s",
    async (version) => {
      const run = await sign(programsFolder({ node: `[ "$1" = --version ] && echo ${version} || echo "$2 ran"` }));
      expect({ exitCode: run.exitCode, stdout: run.stdout }).toEqual({ exitCode: 0, stdout: "sign ran\n" });
    },
  );
});
