import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withBasicAuth } from "../support/authentication.ts";
import { fileOf, runCountersign } from "../support/countersign.ts";
import { type PushedImage, pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { makeKey } from "../trust/support/pki.ts";
import { encryptedKeyPem, keyPem, publicKeyPem } from "./support/keys.ts";
import { expectClean, parseReport } from "./support/refusals.ts";
import { pemSecrets, SECRETS, USERNAME } from "./support/secrets.ts";

const key = makeKey("p256");
const locked = encryptedKeyPem(SECRETS.passphrase, key);
const files = { key: fileOf(locked), publicKey: fileOf(publicKeyPem(key)), plain: fileOf(keyPem(key)) };
const secrets = [...pemSecrets(locked), ...pemSecrets(keyPem(key))];

let registry: StartedRegistry;
let image: PushedImage;
const home = temporaryFolder();
beforeAll(async () => {
  registry = await startRegistry({ wrap: [withBasicAuth({ username: USERNAME, password: SECRETS.password })] });
  image = await pushImage(storageSink(registry.storage, "app"), { tag: "1" });
  mkdirSync(join(home, ".docker"));
  const auth = Buffer.from(`${USERNAME}:${SECRETS.password}`).toString("base64");
  writeFileSync(join(home, ".docker", "config.json"), JSON.stringify({ auths: { [registry.host]: { auth } } }));
});
afterAll(() => registry.close());

/** The built program in a folder of its own that must stay empty. */
async function run(args: readonly string[], env: Record<string, string> = {}, stdin?: string) {
  const cwd = temporaryFolder();
  const temporary = temporaryFolder();
  const all = { HOME: home, TMPDIR: temporary, COSIGN_PASSWORD: SECRETS.passphrase, NODE_OPTIONS: "", ...env };
  const { exitCode, stdout, stderr } = await runCountersign(args, { cwd, env: all, stdin });
  expectClean({ exit: 0, stdout, stderr, slept: 0 }, secrets);
  expect([...readdirSync(cwd), ...readdirSync(temporary)]).toEqual([]);
  expect(readdirSync(home, { recursive: true }).sort()).toEqual([".docker", ".docker/config.json"]);
  return { exitCode, stdout, stderr };
}

describe("the built program, in a process of its own", () => {
  it("signs with an encrypted key and verifies, credentials from docker's file", async () => {
    const reference = `${registry.host}/app:1`;
    const signed = await run(["sign", "--key", files.key, "--output", "json", reference]);
    expect(signed.exitCode, signed.stderr).toBe(0);
    expect(parseReport(signed.stdout)).toMatchObject({ images: [{ digest: image.digest, status: "signed" }] });
    const verified = await run(["verify", "--key", "-", "--output", "json", reference], {}, publicKeyPem(key));
    expect(verified.exitCode, verified.stderr).toBe(0);
    expect(parseReport(verified.stdout)).toMatchObject({ verdict: "trusted" });
  });

  it.each<[name: string, exit: number, code: string, args: (host: string) => string[], env?: Record<string, string>]>([
    ["nothing to trust", 2, "E_USAGE", (host) => ["verify", `${host}/app:1`]],
    [
      "a wrong passphrase",
      2,
      "E_PASSPHRASE_WRONG",
      (host) => ["sign", "--key", files.key, `${host}/app:1`],
      { COSIGN_PASSWORD: "x" },
    ],
    ["the key on the command line", 2, "E_USAGE", (host) => ["sign", "--key", locked, `${host}/app:1`]],
    ["a reference that is none", 2, "E_REFERENCE_INVALID", (host) => ["list", `${host}/../app`]],
    [
      "an image that is not there",
      1,
      "E_SUBJECT_NOT_FOUND",
      (host) => ["sign", "--key", files.plain, `${host}/app:lost`],
    ],
    [
      "no credentials",
      3,
      "E_REGISTRY_DENIED",
      (host) => ["verify", "--key", files.publicKey, `${host}/app:1`],
      { DOCKER_CONFIG: "/lost" },
    ],
    ["no registry", 3, "E_NETWORK", () => ["verify", "--key", files.publicKey, "127.0.0.1:1/app:1"]],
  ])("ends for %s in %i, %s", async (_name, exit, code, args, env = {}) => {
    const [verb = "", ...rest] = args(registry.host);
    const text = await run([verb, ...rest], env);
    expect([text.exitCode, text.stdout + text.stderr]).toEqual([exit, expect.stringContaining(code)]);
    const json = await run([verb, "--output", "json", ...rest], env);
    expect(json.exitCode).toBe(exit);
    expect(JSON.stringify(parseReport(json.stdout))).toContain(code);
  });

  it("tells its own story to a good end", async () => {
    const { exitCode, stderr } = await run(["quickstart"]);
    expect([exitCode, stderr]).toEqual([0, ""]);
  });

  it("starts without a home folder", async () => {
    const verified = await runCountersign(["--version"], { env: { HOME: "/nonexistent" } });
    expect(verified.exitCode).toBe(0);
  });
});
