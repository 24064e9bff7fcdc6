import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWithPeer } from "../interop/support/peers.ts";
import type { StartedRegistry } from "../support/start-registry.ts";
import { createProject } from "./support/project.ts";
import { keyFiles, registryWith } from "./support/signing.ts";

const { files } = keyFiles();
const verbs = ["sign", "verify", "promote", "payload", "attach"].flatMap((verb) => [verb, `${verb}-all`]);

/** Hooks of every verb that note when they ran; those before take their time. */
const noting = verbs
  .map(
    (verb) =>
      `oci-pre-${verb}:\n\tsleep 0.1; echo pre-${verb} >>order\noci-post-${verb}:\n\techo post-${verb} >>order\n`,
  )
  .join("");
/** A node that notes what it was asked to run, and does nothing. */
const fakeNode = `#!/bin/sh
if [ "$1" = --version ]; then echo v24.0.0; exit; fi
[ "$FAIL" = "$2" ] && exit 3
sleep 0.05
echo "$2" >>order
`;

describeWithPeer("make", "the hooks of a verb", () => {
  const project = () => {
    const made = createProject({
      Makefile: `OCI_IMAGE_REF = app:1\nOCI_IMAGE_REFS = app:1\nOCI_PROMOTE_SOURCE = app:1\nOCI_PROMOTE_DESTINATION = b:1\nOCI_PROMOTE_IMAGES = app:1\nOCI_PROMOTE_SOURCE_REPO = a\nOCI_PROMOTE_DESTINATION_REPO = b\nCOUNTERSIGN_NODE = ./fake-node\ninclude .countersign/make/countersign.mk\n${noting}other:\n\tsleep 0.1\n`,
      "fake-node": fakeNode,
    });
    return made;
  };
  const inOrder = (verb: string) => [`pre-${verb}`, verb.replace(/-all$/, ""), `post-${verb}`];

  it.each([
    ["one job", []],
    ["eight jobs", ["-j8"]],
  ])("run before and after it, with %s", async (_, jobs) => {
    const { make, read, folder } = project();
    for (const verb of verbs) {
      const run = await make([...jobs, `oci-${verb}`], { env: { SHELL: "sh" } });
      expect([run.exitCode, run.stderr], folder).toEqual([0, ""]);
    }
    expect(read("order").trim().split("\n")).toEqual(verbs.flatMap(inOrder));
  });

  it.each([
    ["alone", []],
    ["beside another goal", ["other"]],
  ])("of verbs named one after the other, %s, follow one another with eight jobs, too", async (_, more) => {
    const { make, read } = project();
    const run = await make(["-j8", "oci-sign", "oci-verify", "oci-promote", ...more]);
    expect([run.exitCode, run.stderr]).toEqual([0, ""]);
    const order = read("order").trim().split("\n");
    const only = (...names: string[]) => order.filter((name) => names.includes(name));
    expect(only("sign", "verify", "promote")).toEqual(["sign", "verify", "promote"]);
    for (const verb of ["sign", "verify", "promote"]) expect(only(...inOrder(verb))).toEqual(inOrder(verb));
    expect(order.indexOf("pre-verify")).toBeGreaterThan(order.indexOf("sign"));
  });

  it("after it do not run when it fails, nor does the next verb", async () => {
    const { make, read } = project();
    const run = await make(["-j8", "oci-sign", "oci-verify"], { env: { FAIL: "sign" } });
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain("countersign ended with status 3\n");
    expect(read("order")).toBe("pre-sign\n");
  });

  it("may be another verb: what is signed is verified", async () => {
    const { make, read, write } = project();
    write("Makefile", `${read("Makefile").replaceAll(/oci-post-sign:\n\t.*\n/g, "")}oci-post-sign: oci-verify\n`);
    write("Makefile", `${read("Makefile")}release: oci-sign\noci-pre-verify: | oci-do-sign\n`);
    for (const goal of ["oci-sign", "release"]) {
      expect(await make(["-j8", goal])).toMatchObject({ exitCode: 0, stderr: "" });
    }
    expect(
      read("order")
        .trim()
        .split("\n")
        .filter((name) => name === "sign" || name === "verify"),
    ).toEqual(["sign", "verify", "sign", "verify"]);
  });
});

describeWithPeer("make", "many goals of a real registry at once", () => {
  let registry: StartedRegistry;
  beforeAll(async () => {
    registry = await registryWith("1", "2", "3", "4");
  });
  afterAll(() => registry.close());

  it("sign and verify with eight jobs", async () => {
    const project = createProject({
      ...files,
      Makefile: `OCI_SIGN_KEY = cosign.key\nOCI_VERIFY_KEY = cosign.pub\ninclude .countersign/make/countersign.mk\nall: oci-sign-all oci-sign\n`,
    });
    const image = (tag: string) => `${registry.host}/app:${tag}`;
    const images = [`OCI_IMAGE_REF=${image("1")}`, `OCI_IMAGE_REFS=${["2", "3", "4"].map(image).join(" ")}`];
    expect(await project.make(["-j8", "all", ...images])).toMatchObject({ exitCode: 0, stderr: "" });
    const verified = await project.make(["-j8", "oci-verify", "oci-verify-all", ...images]);
    expect(verified).toMatchObject({ exitCode: 0, stderr: "" });
    expect(verified.stdout.match(/: trusted$/gm)).toHaveLength(4);
  });
});
