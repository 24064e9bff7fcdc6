import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLayout } from "../../src/oci/layout.ts";
import { createNodeHost } from "../../src/platform/node-host.ts";
import { pushImage } from "../support/images.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { makeKey } from "../trust/support/pki.ts";
import { keyPem, publicKeyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { errorCodes, listReportOf, onlyImage, signReportOf, verifyReportOf } from "./support/reports.ts";

const machine = createMachine();
const key = makeKey("p256");
const privateKey = machine.file("signing.key", keyPem(key));
const publicKey = machine.file("cosign.pub", publicKeyPem(key));

async function layout(): Promise<string> {
  const path = join(temporaryFolder(), "layout");
  await pushImage(openLayout(createNodeHost(), path), { tag: "1" });
  return `oci:${path}`;
}

describe("a layout folder in place of a registry", () => {
  it("is signed, verified and listed, as a registry is", async () => {
    const folder = await layout();
    const image = `${folder}:1`;
    const unsigned = await machine.run(["verify", "--key", publicKey, "--output", "json", image]);
    expect([unsigned.exit, verifyReportOf(unsigned).verdict]).toEqual([1, "unsigned"]);

    const signed = await machine.run([
      "sign",
      "--key",
      privateKey,
      "--format",
      "cosign,bundle",
      "--output",
      "json",
      image,
    ]);
    expect(onlyImage(signReportOf(signed)), signed.stdout).toMatchObject({ status: "signed", errors: [] });
    const again = await machine.run([
      "sign",
      "--key",
      privateKey,
      "--format",
      "cosign,bundle",
      "--output",
      "json",
      image,
    ]);
    expect(onlyImage(signReportOf(again)).status).toBe("unchanged");

    const verified = await machine.run(["verify", "--key", publicKey, "--output", "json", image]);
    expect(onlyImage(verifyReportOf(verified)).signatures.map(({ trusted }) => trusted)).toEqual([true, true]);
    expect(verified.exit).toBe(0);

    const listed = await machine.run(["list", "--output", "json", image]);
    expect(
      onlyImage(listReportOf(listed))
        .attachments.map(({ format }) => format)
        .sort(),
    ).toEqual(["bundle", "cosign"]);
  });

  it("that is not there is told of, and is no verdict of trust", async () => {
    const run = await machine.run([
      "verify",
      "--key",
      publicKey,
      "--output",
      "json",
      `oci:${machine.absent("lost")}:1`,
    ]);
    expect(run.exit).not.toBe(0);
    expect(verifyReportOf(run).verdict).not.toBe("trusted");
    expect(errorCodes(verifyReportOf(run))).toHaveLength(1);
  });

  it("without the tag that is named ends in 1", async () => {
    const run = await machine.run(["verify", "--key", publicKey, "--output", "json", `${await layout()}:2`]);
    expect([run.exit, errorCodes(verifyReportOf(run))]).toEqual([1, ["E_SUBJECT_NOT_FOUND"]]);
  });
});
