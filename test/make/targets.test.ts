import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeWithPeer } from "../interop/support/peers.ts";
import type { StartedRegistry } from "../support/start-registry.ts";
import { createProject, type MakeRun, type Project } from "./support/project.ts";
import { keyFiles, registryWith, signElsewhere } from "./support/signing.ts";

// Targets of make/countersign.mk, from a submodule as users have it.

const { key, files } = keyFiles();
const makefile = `
include .countersign/make/countersign.mk
OCI_SIGN_KEY = cosign.key
OCI_VERIFY_KEY = cosign.pub
`;

describeWithPeer("make", "a makefile that includes countersign.mk", () => {
  let registry: StartedRegistry;
  let project: Project;
  let image: (tag: string) => string;
  const make = (...args: string[]) => project.make(args);

  beforeAll(async () => {
    registry = await registryWith("1", "2", "3", "4", "5", "6", "7", "8", "9");
    image = (tag) => `${registry.host}/app:${tag}`;
    project = createProject({ ...files, Makefile: makefile });
  });
  afterAll(() => registry.close());

  const ended = (run: MakeRun) => ({ exitCode: run.exitCode, stderr: run.stderr });
  const well = { exitCode: 0, stderr: "" };

  it("signs and verifies an image", async () => {
    const signed = await make("oci-sign", `OCI_IMAGE_REF=${image("1")}`);
    expect(ended(signed)).toEqual(well);
    expect(signed.stdout).toContain(`${image("1")}: signed\n`);
    const verified = await make("oci-verify", `OCI_IMAGE_REF=${image("1")}`);
    expect(ended(verified)).toEqual(well);
    expect(verified.stdout).toContain(`${image("1")}: trusted\n`);
  });

  it("signs and verifies a list in one run each", async () => {
    const list = `OCI_IMAGE_REFS=${image("2")} ${image("3")}`;
    const signed = await make("oci-sign-all", list, "OCI_SIGN_FORMAT=cosign,bundle");
    expect(ended(signed)).toEqual(well);
    expect(signed.stdout).toContain("2 images: 2 signed\n");
    expect((await make("oci-verify-all", list)).stdout).toContain("2 images: 2 trusted\n");
  });

  it("writes payloads and attaches what was signed elsewhere, one or a list", async () => {
    const one = [`OCI_IMAGE_REF=${image("4")}`, "OCI_PAYLOAD_FILE=one.payload", "OCI_ATTACH_SIGNATURE=one.sig"];
    expect(ended(await make("oci-payload", ...one))).toEqual(well);
    project.write("one.sig", signElsewhere(key, project.read("one.payload")));
    expect(ended(await make("oci-attach", ...one, "OCI_SIGN_PUBLIC_KEY=cosign.pub"))).toEqual(well);

    const list = `OCI_IMAGE_REFS=${image("5")} ${image("6")}`;
    expect(ended(await make("oci-payload-all", list, "OCI_PAYLOAD_REPORT=out/p.json"))).toEqual(well);
    for (const tag of ["5", "6"]) {
      const stem = `build/countersign/${image(tag).replaceAll(/[:/]/g, "_")}`;
      project.write(`${stem}.sig`, signElsewhere(key, project.read(`${stem}.payload`)));
      expect(project.has(`out/p.${image(tag).replaceAll(/[:/]/g, "_")}.json`)).toBe(true);
    }
    const attached = await make("oci-attach-all", list, "OCI_SIGN_PUBLIC_KEY=cosign.pub");
    expect(ended(attached)).toEqual(well);
    const all = `OCI_IMAGE_REFS=${image("4")} ${image("5")} ${image("6")}`;
    expect((await make("oci-verify-all", all)).stdout).toContain("3 images: 3 trusted\n");
  });

  it("promotes an image, or a list from below one path to below another", async () => {
    const one = [
      "oci-promote",
      `OCI_PROMOTE_SOURCE=${image("1")}`,
      `OCI_PROMOTE_DESTINATION=${registry.host}/prod/one:1`,
    ];
    const promoted = await make(...one);
    expect(ended(promoted)).toEqual(well);
    expect(promoted.stdout).toContain("1 image: 1 promoted\n");
    const list = [
      "OCI_PROMOTE_IMAGES=app:2 app:3",
      `OCI_PROMOTE_SOURCE_REPO=${registry.host}`,
      `OCI_PROMOTE_DESTINATION_REPO=${registry.host}/prod`,
      "OCI_PROMOTE_REPORT=out/promoted.md",
    ];
    const planned = await make("oci-promote-all", ...list, "OCI_PROMOTE_FLAGS=--dry-run");
    expect(ended(planned)).toEqual(well);
    expect(project.read("out/promoted.md")).toContain("\nA plan: nothing was written.\n");
    const together = await make("oci-promote-all", ...list);
    expect(ended(together)).toEqual(well);
    expect(together.stdout).toContain("2 images: 2 promoted\n");
    const all = `OCI_IMAGE_REFS=${["one:1", "app:2", "app:3"].map((name) => `${registry.host}/prod/${name}`).join(" ")}`;
    expect((await make("oci-verify-all", all)).stdout).toContain("3 images: 3 trusted\n");
  });

  it("refuses a list of which two images would have one file", async () => {
    const run = await make("oci-payload-all", "OCI_IMAGE_REFS=a.example/x/y:1 a.example/x_y:1");
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain("several images of OCI_IMAGE_REFS would have the file a.example_x_y_1:");
  });

  it("passes more flags on, divided at spaces", async () => {
    const flags = ["OCI_SIGN_FLAGS=-a branch=main", "OCI_REGISTRY_FLAGS=--verbose --connections 1"];
    const signed = await make("oci-sign", `OCI_IMAGE_REF=${image("7")}`, ...flags);
    expect(signed.exitCode).toBe(0);
    expect(signed.stderr).toContain(`GET ${registry.host}/v2/app/manifests/7 200\n`);
    const verify = (branch: string) =>
      make("oci-verify", `OCI_IMAGE_REF=${image("7")}`, `OCI_VERIFY_FLAGS=-a branch=${branch}`);
    expect([(await verify("main")).exitCode, (await verify("dev")).exitCode]).toEqual([0, 2]);
  });

  describe("when the program does not end well", () => {
    it.each([
      ["refused", 1, "8", []],
      ["wrong use", 2, "8", ["OCI_VERIFY_KEY=absent.pub"]],
      ["could not tell", 3, "", ["OCI_IMAGE_REF=127.0.0.1:1/app:1", "OCI_REGISTRY_FLAGS=--request-timeout 1"]],
    ] as const)(
      "%s: make ends in 2, and the program's own status %i is printed and kept",
      async (_, status, tag, more) => {
        const reports = `OCI_VERIFY_REPORT=out/${status}.env out/${status}.xml`;
        const run = await make("oci-verify", reports, ...(tag === "" ? [] : [`OCI_IMAGE_REF=${image(tag)}`]), ...more);
        expect(run.exitCode).toBe(2);
        expect(run.stderr).toContain(
          `\ncountersign ended with status ${status}\n`.slice(run.stderr.startsWith("c") ? 1 : 0),
        );
        expect(project.read(`out/${status}.env.status`)).toBe(`${status}\n`);
        expect(project.has(`out/${status}.xml`)).toBe(status !== 2);
        if (status !== 2) expect(project.read(`out/${status}.env`)).toContain(`COUNTERSIGN_EXIT=${status}\n`);
      },
    );

    it("one of a list that is attached one by one does not stop the others, and a refusal decides", async () => {
      const list = `OCI_IMAGE_REFS=127.0.0.1:1/app:1 ${image("8")} ${image("9")}`;
      for (const tag of ["8", "9"]) {
        const stem = `build/countersign/${image(tag).replaceAll(/[:/]/g, "_")}`;
        await make("oci-payload", `OCI_IMAGE_REF=${image(tag)}`);
        project.write(`${stem}.sig`, signElsewhere(key, tag === "8" ? "other bytes" : project.read(`${stem}.payload`)));
      }
      const run = await make("oci-attach-all", list, "OCI_SIGN_PUBLIC_KEY=cosign.pub");
      expect(run.stderr.match(/countersign ended with status \d/g)).toEqual([
        "countersign ended with status 2",
        "countersign ended with status 1",
      ]);
      expect(run.stderr).toMatch(/oci-do-attach-all\] Error 1/);
      expect(run.stdout).toContain(`${image("9")}: signed`);
    });
  });

  it.each([
    ["oci-sign", "OCI_IMAGE_REF"],
    ["oci-verify-all", "OCI_IMAGE_REFS"],
    ["oci-payload", "OCI_IMAGE_REF"],
    ["oci-attach-all", "OCI_IMAGE_REFS"],
    ["oci-promote", "OCI_PROMOTE_SOURCE"],
    ["oci-promote-all", "OCI_PROMOTE_IMAGES"],
  ])("%s says that %s is empty", async (target, variable) => {
    const run = await make(target);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain(`countersign: ${variable} is empty: set it to `);
  });
});
