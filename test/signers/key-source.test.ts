import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/model/limits.ts";
import { readKeyMaterial, readPassphrase } from "../../src/signers/key-source.ts";
import { parsePem } from "../../src/trust/pem.ts";
import { createPki } from "../trust/support/pki.ts";
import { hostWith } from "./support/host.ts";

const pki = createPki();
const pem = pki.root.pem;
const base64 = Buffer.from(pem).toString("base64");
const wrapped = base64.replace(/.{76}/g, "$&\n");
const chain = pem + pki.leaf.pem;

describe("where a key comes from", () => {
  it("reads a file and calls it by its path", async () => {
    const host = hostWith({ files: { "keys/a.pem": pem } });
    expect(await readKeyMaterial("keys/a.pem", host)).toEqual({ bytes: Buffer.from(pem), label: "keys/a.pem" });
  });

  it("reads standard input", async () => {
    expect(await readKeyMaterial("-", hostWith({ stdin: pem }))).toEqual({
      bytes: Buffer.from(pem),
      label: "standard input",
    });
  });

  const ders = [pki.root.der, pki.leaf.der];
  it.each([
    ["PEM", pem, 1],
    ["several blocks", chain, 2],
    ["base64 in one line", base64, 1],
    ["wrapped base64", wrapped, 1],
    ["wrapped base64 with blanks around", `\n  ${wrapped}\n`, 1],
    ["PEM with its line breaks turned into spaces", chain.replaceAll("\n", " "), 2],
    ["PEM with its line breaks written out", chain.replaceAll("\n", "\\n"), 2],
    ["PEM with Windows line breaks written out", chain.replaceAll("\n", "\\r\\n"), 2],
    ["PEM without its line breaks", chain.replaceAll("\n", ""), 2],
  ])("reads a variable that holds %s", async (_, value, count) => {
    const { bytes, label } = await readKeyMaterial("env://KEY", hostWith({ env: { KEY: value } }));
    expect(label).toBe("env://KEY");
    expect(parsePem(bytes).map(({ der }) => der)).toEqual(ders.slice(0, count));
  });

  it("reads a variable that holds base64 of DER", async () => {
    const env = { KEY: Buffer.from(pki.root.der).toString("base64") };
    expect((await readKeyMaterial("env://KEY", hostWith({ env }))).bytes).toEqual(Buffer.from(pki.root.der));
  });

  it("refuses an empty and an absent variable, and names GitLab's protection", async () => {
    const unset: Readonly<Record<string, string>> = {};
    for (const env of [unset, { KEY: "" }, { KEY: " \n" }]) {
      await expect(readKeyMaterial("env://KEY", hostWith({ env }))).rejects.toMatchObject({
        code: "E_ENVIRONMENT_EMPTY",
        exit: 2,
        message: expect.stringContaining("KEY"),
        hint: expect.stringContaining("protected"),
      });
    }
  });

  it("tells a path in a variable, as GitLab's file variables hold, from a key", async () => {
    await expect(readKeyMaterial("env://KEY", hostWith({ env: { KEY: "/builds/app.tmp/KEY" } }))).rejects.toMatchObject(
      {
        code: "E_KEY_INVALID",
        hint: expect.stringContaining('"$KEY"'),
      },
    );
  });

  it("shows nothing of a variable that is no key", async () => {
    for (const value of ["hunter2 hunter2", "aHVudGVyMg==", "./hunter2"]) {
      const error: Error & { hint?: string } = await readKeyMaterial(
        "env://KEY",
        hostWith({ env: { KEY: value } }),
      ).then(
        () => new Error("accepted"),
        (thrown) => thrown,
      );
      expect(error).toMatchObject({ code: "E_KEY_INVALID" });
      expect(`${error.message} ${error.hint}`).not.toMatch(/hunter2|aHVudGVy/);
    }
  });

  it("does not repeat what stands behind env:// when it is no name", async () => {
    for (const source of ["env://$KEY", "env://", "env://a b", "env://-----BEGIN PRIVATE KEY-----"]) {
      await expect(readKeyMaterial(source, hostWith({}))).rejects.toMatchObject({
        code: "E_USAGE",
        message: expect.not.stringMatching(/BEGIN|\$/),
      });
    }
  });

  it.each([
    ["awskms:///arn:aws:kms:eu-1:1:key/1", "awskms:"],
    ["gcpkms://projects/p", "gcpkms:"],
    ["pkcs11:token=t;pin-value=hunter2", "pkcs11:"],
    ["k8s://ns/secret", "k8s:"],
    ["https://user:hunter2@example.com/key", "https:"],
  ])("names the scheme of %s and no more", async (source, scheme) => {
    await expect(readKeyMaterial(source, hostWith({}))).rejects.toMatchObject({
      code: "E_KEY_UNSUPPORTED",
      message: expect.stringContaining(scheme),
    });
    await expect(readKeyMaterial(source, hostWith({}))).rejects.not.toMatchObject({
      message: expect.stringContaining("hunter2"),
    });
  });

  it("refuses an empty source and too much of anything", async () => {
    await expect(readKeyMaterial("", hostWith({}))).rejects.toMatchObject({ code: "E_USAGE" });
    const env = { KEY: "A".repeat(LIMITS.keyFile * 2 + 1) };
    await expect(readKeyMaterial("env://KEY", hostWith({ env }))).rejects.toMatchObject({ code: "E_FILE_TOO_LARGE" });
    const files = { big: "A".repeat(LIMITS.keyFile + 1) };
    await expect(readKeyMaterial("big", hostWith({ files }))).rejects.toMatchObject({ code: "E_FILE_TOO_LARGE" });
  });
});

describe("where a passphrase comes from", () => {
  const read = async (source: string | undefined, given: Parameters<typeof hostWith>[0]) => {
    const bytes = await readPassphrase(source, hostWith(given));
    return bytes && Buffer.from(bytes).toString("utf8");
  };

  it("reads a variable to the letter, empty too", async () => {
    expect(await read("env://P", { env: { P: " p \n" } })).toBe(" p \n");
    expect(await read("env://P", { env: { P: "" } })).toBe("");
  });

  it.each([
    ["secret\n", "secret"],
    ["secret\r\n", "secret"],
    ["secret\n\n", "secret\n"],
    ["secret ", "secret "],
    ["\n", ""],
    ["", ""],
    ["pä\n", "pä"],
  ])("reads %j from a file as %j", async (content, passphrase) => {
    expect(await read("p.txt", { files: { "p.txt": content } })).toBe(passphrase);
  });

  it("falls back on COSIGN_PASSWORD, and on nothing", async () => {
    expect(await read(undefined, { env: { COSIGN_PASSWORD: "pw" } })).toBe("pw");
    expect(await read(undefined, { env: { COSIGN_PASSWORD: "" } })).toBe("");
    expect(await read(undefined, {})).toBeUndefined();
    expect(await read("env://P", { env: { P: "own", COSIGN_PASSWORD: "pw" } })).toBe("own");
  });

  it("refuses a variable that is not set", async () => {
    await expect(read("env://P", { env: { COSIGN_PASSWORD: "pw" } })).rejects.toMatchObject({
      code: "E_ENVIRONMENT_EMPTY",
    });
  });

  it("refuses a file too long to be one", async () => {
    const files = { p: "x".repeat(LIMITS.passphrase + 1) };
    await expect(read("p", { files })).rejects.toMatchObject({ code: "E_FILE_TOO_LARGE" });
  });
});
