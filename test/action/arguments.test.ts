import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commandLineOf } from "../../src/action/arguments.ts";
import type { CommandName, InputName } from "../../src/action/input-table.ts";
import { isMaterialText, secretsOf } from "../../src/action/secrets.ts";
import { CountersignError } from "../../src/model/errors.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const publicPem = publicKey.export({ type: "spki", format: "pem" }).toString();
const base64 = Buffer.from(pem).toString("base64");
const der = generateKeyPairSync("rsa", { modulusLength: 2048 })
  .privateKey.export({ type: "pkcs8", format: "der" })
  .toString("base64");

type Given = Partial<Record<InputName, string>>;

const mapOf = (given: Given) => new Map(Object.entries(given) as [InputName, string][]);
const lineOf = (command: CommandName, given: Given, images: readonly string[] = ["r.test/app:1"]) =>
  commandLineOf({ command, given: mapOf(given), extraArguments: [] }, images);
const secrets = (command: CommandName, given: Given, env: Record<string, string> = {}) =>
  secretsOf({ command, given: mapOf(given) }, env);

describe("the command line that inputs make", () => {
  it("has a flag for each input, and the images behind what ends the flags", () => {
    const given = {
      key: "signing.key",
      format: "cosign,bundle",
      recursive: "true",
      annotations: "branch=main\nbuild=1 2\n",
      summary: "true",
    };
    expect(lineOf("sign", given)).toEqual({
      args: [
        "sign",
        "--key=signing.key",
        "--format=cosign,bundle",
        "--recursive",
        "--annotation=branch=main",
        "--annotation=build=1 2",
        "--",
        "r.test/app:1",
      ],
      env: {},
    });
  });

  it.each([
    ["PEM", pem],
    ["PEM with its line breaks lost", pem.replaceAll("\n", " ")],
    ["base64 of PEM", base64],
    ["base64 of DER", der],
  ])("hands a key over that is %s by a variable of its own process", (_, key) => {
    expect(lineOf("sign", { key })).toEqual({
      args: ["sign", "--key=env://INPUT_KEY", "--", "r.test/app:1"],
      env: { INPUT_KEY: key },
    });
  });

  it.each(["env://SIGNING_KEY", "signing.key", "/run/secrets/a/b/c", "keys/MINE"])(
    "takes %s for where it is",
    (key) => {
      expect(lineOf("sign", { key }).args).toContain(`--key=${key}`);
    },
  );

  it("never holds a secret in an argument", () => {
    const given = { passphrase: "s3cret", "registry-password": "p4ss", "signer-token": "t0ken", key: pem };
    const { args, env } = lineOf("sign", given);
    expect(args.join(" ")).not.toMatch(/s3cret|p4ss|t0ken|BEGIN/);
    expect(env).toEqual({
      INPUT_PASSPHRASE: "s3cret",
      INPUT_REGISTRY_PASSWORD: "p4ss",
      INPUT_SIGNER_TOKEN: "t0ken",
      INPUT_KEY: pem,
    });
  });

  it("leaves the word for the job's own token as it is", () => {
    expect(lineOf("sign", { "signer-token": "github-actions" }).args).toContain("--signer-token=github-actions");
  });

  it("takes several public keys and roots to verify by, and one private key to sign with", () => {
    const { args } = lineOf("verify", { key: "old.pub\nnew.pub", "ca-roots": publicPem });
    expect(args).toEqual([
      "verify",
      "--key=old.pub",
      "--key=new.pub",
      "--ca-roots=env://INPUT_CA_ROOTS",
      "--",
      "r.test/app:1",
    ]);
    expect(() => lineOf("sign", { key: "old.key\nnew.key" })).toThrow("key takes one line");
  });

  it.each(["verify", "promote"] as const)("names a policy and its trust stores by their paths: %s", (command) => {
    const given = { policy: "policy.json", "trust-policy": "trustpolicy.json", "trust-store": "truststore" };
    expect(lineOf(command, given).args.slice(1, 4)).toEqual([
      "--policy=policy.json",
      "--trust-policy=trustpolicy.json",
      "--trust-store=truststore",
    ]);
  });

  it("has no flag but those of its inputs, whatever they hold", () => {
    const value = fc.string({ unit: "grapheme" }).filter((text) => !/[\r\n]/.test(text));
    fc.assert(
      fc.property(value, value, (format, password) => {
        const { args, env } = lineOf("sign", { format, "registry-password": `${password}x` });
        expect(args[1]).toBe(`--format=${format}`);
        expect(args.slice(3)).toEqual(["--", "r.test/app:1"]);
        if (!password.startsWith("env://")) expect(Object.values(env)).toEqual([`${password}x`]);
      }),
    );
  });

  it.each([
    ["a second line", { format: "cosign\n--key=x" }, "format takes one line"],
    ["standard input, which a step has not", { key: "-" }, "key: - would read standard input"],
    ["no boolean", { recursive: "maybe" }, "neither true nor false"],
  ])("refuses %s", (_, given, message) => {
    expect(() => lineOf("sign", given)).toThrow(CountersignError);
    expect(() => lineOf("sign", given)).toThrow(message);
  });
});

describe("what is hidden from the log", () => {
  it("is each secret, and every line of a key", () => {
    const hidden = secrets("sign", {
      key: pem,
      passphrase: "s3cret",
      "registry-password": "p4ss",
      image: "r.test/app",
    });
    const lines = pem.split("\n").filter((line) => line !== "" && !line.startsWith("-----"));
    expect(lines.length).toBeGreaterThan(1);
    expect(hidden).toEqual([pem, ...lines, "s3cret", "p4ss"]);
  });

  it("is what stands behind env://, before anything reads it", () => {
    const env = { SIGNING_KEY: pem, PASSWORD: "p4ss" };
    const hidden = secrets("sign", { key: "env://SIGNING_KEY", "registry-password": "env://PASSWORD" }, env);
    expect(hidden).toEqual(expect.arrayContaining([pem, "p4ss", pem.split("\n")[1]]));
  });

  it.each([base64, der])("is a key in base64, case %#", (key) => {
    expect(secrets("sign", { key })).toEqual([key]);
  });

  it("is the key of a client certificate, and the job's token", () => {
    expect(secrets("sign", { "signer-client-key": pem, "github-token": "ghs_x" })).toEqual(
      expect.arrayContaining([pem, "ghs_x"]),
    );
  });

  it("is a private key that stands where a public one belongs", () => {
    expect(secrets("verify", { key: pem })).toContain(pem);
  });

  it("is no public key, path or word: a reader must see what was trusted", () => {
    expect(secrets("verify", { key: publicPem, "ca-roots": publicPem })).toEqual([]);
    expect(secrets("sign", { key: "signing.key", "signer-token": "github-actions" })).toEqual([]);
  });

  it("is of any secret the whole and each line, whatever is in it", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", minLength: 1 }),
        fc.array(fc.stringMatching(/^[A-Za-z0-9+/]{4,64}$/)),
        (word, lines) => {
          const passphrase = [word, ...lines].join("\n");
          const hidden = secrets("sign", { passphrase: `x${passphrase}` });
          expect(hidden).toContain(`x${passphrase}`);
          for (const line of lines) expect(hidden).toContain(line);
        },
      ),
    );
  });

  it("does not take a long path for a key", () => {
    expect(isMaterialText(`/home/runner/${"work/".repeat(40)}key.pem`)).toBe(false);
    expect(isMaterialText("MINE/key")).toBe(false);
  });
});
