import { sign as signBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { removeStepFolder } from "../../src/action/folder.ts";
import { createNodeHost } from "../../src/platform/node-host.ts";
import { encryptedKeyPem, keyPem, publicKeyPem } from "../cli/support/keys.ts";
import { status, withFaults } from "../support/faults.ts";
import { type PushedImage, pushImage, storageSink } from "../support/images.ts";
import { createReferenceService, githubTokens, startService } from "../support/signing-service.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { makeKey } from "../trust/support/pki.ts";
import { type Step, step } from "./support/recorder.ts";

const key = makeKey("p256");
const pem = keyPem(key);
const publicPem = publicKeyPem(key);

let registry: StartedRegistry;
let image: PushedImage;
let name: string;

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());
let count = 0;
beforeEach(async () => {
  count += 1;
  name = `${registry.host}/app${count}`;
  image = await pushImage(storageSink(registry.storage, `app${count}`), { tag: "1" });
  registry.clear();
});

const metadata = () =>
  JSON.stringify({ "containerimage.digest": image.digest, "image.name": `${name}:1,${name}:latest` });

function lineOf(made: Step, kind: string, text: string): number {
  return made.said.findIndex((each) => each.kind === kind && each.text.includes(text));
}

describe("a step that signs what was built", () => {
  it("pins it by the build's metadata, signs it and puts out what came of it", async () => {
    const made = await step({ command: "sign", metadata: metadata(), key: pem, format: "cosign,bundle" });
    expect(made.exit, made.log + made.annotations).toBe(0);
    expect(made.outputs).toMatchObject({
      verdict: "ok",
      "exit-code": "0",
      digest: image.digest,
      images: `${name}@${image.digest}`,
    });
    expect(JSON.parse(made.outputs["signatures"] ?? "")).toEqual([
      expect.objectContaining({ format: "cosign", digest: image.digest }),
      expect.objectContaining({ format: "bundle", digest: image.digest }),
    ]);
    const report = JSON.parse(readFileSync(made.outputs["report"] ?? "", "utf8"));
    expect(report).toMatchObject({ schemaVersion: 1, operation: "sign", images: [{ status: "signed" }] });
    expect(made.summary).toContain("countersign sign: 1 image: 1 ok");
    expect(made.annotations).toBe("");
  });

  it("hides the key before it does anything else, and writes it nowhere", async () => {
    const made = await step({ command: "sign", image: `${name}:1`, key: pem });
    const lines = pem.split("\n").filter((line) => line !== "" && !line.startsWith("-----"));
    for (const line of lines) {
      expect(lineOf(made, "mask", line)).toBeGreaterThanOrEqual(0);
      expect(lineOf(made, "mask", line)).toBeLessThan(lineOf(made, "group", "countersign sign"));
      expect(made.said.filter(({ kind, text }) => kind !== "mask" && text.includes(line))).toEqual([]);
    }
    for (const file of readdirSync(made.temporary, { recursive: true, encoding: "utf8" })) {
      const path = join(made.temporary, file);
      if (file.endsWith(".json")) expect(readFileSync(path, "utf8")).not.toContain(lines[0]);
    }
  });

  it("signs by a service with the job's OIDC token, which is hidden before the service sees it", async () => {
    const service = await startService(createReferenceService({ key }));
    const github = await startService(githubTokens("runner", () => Date.now() / 1000 + 600));
    const env = { ACTIONS_ID_TOKEN_REQUEST_URL: `${github.origin}/?v=1`, ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner" };
    const inputs = { command: "sign", image: `${name}:1`, signer: service.address, "signer-token": "github-actions" };
    const made = await step(inputs, env);
    await Promise.all([service.close(), github.close()]);
    expect(made.exit, made.log).toBe(0);
    const tokens = service.requests.map(({ headers }) => headers["authorization"]?.replace("Bearer ", ""));
    expect(new Set(tokens).size).toBe(1);
    expect(lineOf(made, "mask", tokens[0] ?? "none")).toBeGreaterThanOrEqual(0);
  });
});

describe("a step that verifies", () => {
  it("passes what was signed, and says by whom", async () => {
    await step({ command: "sign", image: `${name}:1`, key: pem });
    const made = await step({ command: "verify", images: `${name}:1`, key: publicPem });
    expect(made.exit, made.log).toBe(0);
    expect(made.outputs).toMatchObject({ verdict: "trusted", digest: image.digest, images: `${name}@${image.digest}` });
    expect(made.summary).toContain("trusted");
  });

  it("fails on what nobody signed: an annotation, a row in the summary, and no image among the outputs", async () => {
    const made = await step({ command: "verify", images: `${name}:1`, key: publicPem });
    expect(made.exit).toBe(1);
    expect(made.outputs).toMatchObject({ verdict: "unsigned", "exit-code": "1", images: "", signatures: "[]" });
    expect(made.annotations).toMatch(/^::error title=countersign verify/);
    expect(made.summary).toContain("unsigned");
  });

  it("fails, and says that it could not tell, when the registry does not answer", async () => {
    const made = await step({ command: "verify", image: "127.0.0.1:1/app:1", key: publicPem });
    expect(made.outputs).toMatchObject({ verdict: "undetermined", "exit-code": "3" });
    expect(made.exit).toBe(1);
  });

  it("writes no summary when told", async () => {
    const made = await step({ command: "verify", image: `${name}:1`, key: publicPem, summary: "false" });
    expect(made.summary).toBe("");
    expect(made.outputs["verdict"]).toBe("unsigned");
  });
});

describe("a step that is refused before any work", () => {
  it.each([
    ["a misspelt input", { keys: "x" }, "E_USAGE", "write key:"],
    ["an empty secret", { key: "" }, "E_INPUT_EMPTY", "secrets.KEY"],
    ["a rule that is empty", { key: "unset", format: "" }, "E_INPUT_EMPTY", "format: unset"],
    ["no key at all", {}, "E_USAGE", "name a private key"],
    ["a passphrase that is missing", { key: encryptedKeyPem("open") }, "E_PASSPHRASE_REQUIRED", "--passphrase"],
    ["a file where its text does not belong", { key: "no-such.key" }, "E_FILE_UNREADABLE", "check the path"],
  ])("by %s sends nothing, and says what to change", async (_, inputs, code, mend) => {
    const made = await step({ command: "sign", image: `${name}:1`, ...inputs });
    expect(made.exit).toBe(1);
    expect(made.outputs).toMatchObject({ "exit-code": "2", verdict: "undetermined", images: "" });
    expect(made.annotations).toContain(`::error title=countersign sign%3A ${code}::`);
    expect(made.annotations).toContain(mend);
    expect(made.summary).toContain("nothing was done");
    expect(registry.requests).toEqual([]);
    expect(JSON.parse(readFileSync(made.outputs["report"] ?? "", "utf8"))).toMatchObject({ error: { code } });
  });

  it("by an untrusted event never comes to the registry, unless it is told to", async () => {
    const inputs = { command: "sign", image: `${name}:1`, key: pem };
    const env = { GITHUB_EVENT_NAME: "pull_request_target" };
    const refused = await step(inputs, env);
    expect(refused.annotations).toContain("E_EVENT_UNTRUSTED");
    expect(registry.requests).toEqual([]);
    expect((await step({ ...inputs, "allow-untrusted-events": "true" }, env)).exit).toBe(0);
  });

  it("verifies on such events: that is what is asked of a pull request", async () => {
    const made = await step(
      { command: "verify", image: `${name}:1`, key: publicPem },
      { GITHUB_EVENT_NAME: "pull_request_target" },
    );
    expect(made.outputs["verdict"]).toBe("unsigned");
  });

  it("by a missing permission says which line to add", async () => {
    const service = await startService(createReferenceService({ key }));
    const inputs = { command: "sign", image: `${name}:1`, signer: service.address, "signer-token": "github-actions" };
    const made = await step(inputs);
    await service.close();
    expect(made.annotations).toContain("permissions: { id-token: write }");
    expect(service.requests).toEqual([]);
  });
});

describe("a registry that denies", () => {
  it("leaves the image unsigned and the reader with what to add", async () => {
    const denying = await startRegistry({
      wrap: [
        (handler) =>
          withFaults(handler, [
            { method: "POST", fault: status(403) },
            { method: "PUT", fault: status(403) },
          ]),
      ],
    });
    await pushImage(storageSink(denying.storage, "app"), { tag: "1" });
    const made = await step({ command: "sign", image: `${denying.host}/app:1`, key: pem });
    await denying.close();
    expect(made.outputs).toMatchObject({ "exit-code": "3", images: "" });
    expect(made.annotations).toContain("E_REGISTRY_DENIED");
    expect(made.annotations).toContain("docker/login-action");
    expect(made.summary).toContain("docker/login-action");
  });
});

describe("what others say", () => {
  it("is written only where the runner reads no commands", async () => {
    const evil = await startRegistry({
      wrap: [
        (handler) =>
          withFaults(handler, [
            {
              path: /manifests/,
              fault: status(
                403,
                { "content-type": "application/json" },
                JSON.stringify({
                  errors: [{ code: "DENIED", message: "x\n::set-output name=verdict::trusted\n##[add-path]/x" }],
                }),
              ),
            },
          ]),
      ],
    });
    const made = await step({ command: "verify", image: `${evil.host}/app:1`, key: publicPem });
    await evil.close();
    for (const line of made.annotations.trimEnd().split("\n")) expect(line).toMatch(/^::(?:error|warning) title=/);
    expect(made.log).not.toMatch(/^::/m);
    expect(made.outputs["verdict"]).toBe("undetermined");
  });
});

describe("the two halves for keys elsewhere", () => {
  it("write the payload, and attach what was signed over it", async () => {
    const prepared = await step({ command: "payload", image: `${name}:1`, "public-key": publicPem });
    expect(prepared.exit, prepared.annotations).toBe(0);
    const payload = prepared.outputs["payload"] ?? "";
    const signature = join(temporaryFolder(), "signature");
    writeFileSync(signature, signBytes("sha256", readFileSync(payload), key));
    const inputs = { command: "attach", image: name, payload, signature, "public-key": publicPem };
    const attached = await step(inputs);
    expect(attached.exit, attached.annotations).toBe(0);
    expect(attached.outputs["images"]).toBe(`${name}@${image.digest}`);
    expect((await step({ command: "verify", image: `${name}:1`, key: publicPem })).outputs["verdict"]).toBe("trusted");
  });

  it.each(["payload", "signature"])("refuse to attach without %s", async (missing) => {
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "{}");
    const given = { payload: file, signature: file, [missing]: "unset" };
    const made = await step({ command: "attach", image: name, "public-key": publicPem, ...given });
    expect(made.outputs["exit-code"]).toBe("2");
    expect(made.annotations).toContain(`--${missing} is missing`);
  });
});

describe("a step that promotes", () => {
  const trust = { key: publicPem };

  it("verifies, copies and moves the tag, and puts out where the image is now", async () => {
    await step({ command: "sign", image: `${name}:1`, key: pem });
    const made = await step({ command: "promote", image: `${name}:1`, destination: `${name}-released:1`, ...trust });
    expect(made.exit, made.log + made.annotations).toBe(0);
    expect(made.outputs).toMatchObject({ verdict: "ok", images: `${name}-released@${image.digest}` });
  });

  it("signs at the destination with a key that is hidden from the log, and puts that signature out", async () => {
    await step({ command: "sign", image: `${name}:1`, key: pem });
    const other = makeKey("p256");
    const inputs = {
      image: `${name}:1`,
      destination: `${name}-resigned:1`,
      resign: "true",
      "resign-key": keyPem(other),
    };
    const made = await step({ command: "promote", ...inputs, ...trust });
    expect(made.exit, made.log + made.annotations).toBe(0);
    expect(JSON.parse(made.outputs["signatures"] ?? "")).toEqual([
      expect.objectContaining({ reference: `${name}-resigned:1`, digest: image.digest, format: "cosign" }),
    ]);
    expect(lineOf(made, "mask", keyPem(other).split("\n")[1] ?? "")).toBeGreaterThanOrEqual(0);
    const verified = await step({ command: "verify", image: `${name}-resigned:1`, key: publicKeyPem(other) });
    expect(verified.outputs["verdict"]).toBe("trusted");
  });

  it("writes nothing when it only shall say what it would do, or when the image does not verify", async () => {
    const inputs = { image: `${name}:1`, destination: `${name}-kept:1`, ...trust };
    const refused = await step({ command: "promote", ...inputs });
    expect(refused.outputs).toMatchObject({ verdict: "refused", "exit-code": "1", images: "" });
    await step({ command: "sign", image: `${name}:1`, key: pem });
    registry.clear();
    const planned = await step({ command: "promote", ...inputs, "dry-run": "true" });
    expect(planned.exit, planned.annotations).toBe(0);
    expect(planned.outputs).toMatchObject({ verdict: "ok", images: "", signatures: "[]" });
    expect(registry.requests.filter(({ method }) => !["GET", "HEAD"].includes(method))).toEqual([]);
  });

  it("takes several, one a line, and says what became of each", async () => {
    await step({ command: "sign", image: `${name}:1`, key: pem });
    const images = `${name}:1 ${name}-a:1\n${name}:1 ${name}-b:2`;
    const made = await step({ command: "promote", images, ...trust });
    expect(made.exit, made.log + made.annotations).toBe(0);
    expect(made.outputs["images"]).toBe(`${name}-a@${image.digest}\n${name}-b@${image.digest}`);
    expect(made.said.find(({ kind }) => kind === "group")?.text).toBe("countersign promote, 2 images");
  });
});

describe("what a step leaves behind", () => {
  it("is one folder in RUNNER_TEMP, which the post step is told of and removes", async () => {
    const made = await step({ command: "verify", image: `${name}:1`, key: publicPem });
    const [folder, ...others] = readdirSync(made.temporary);
    expect(others).toEqual([]);
    expect(lineOf(made, "state", `folder=${folder}`)).toBe(0);
    const env = { RUNNER_TEMP: made.temporary, STATE_folder: folder };
    await removeStepFolder({ ...createNodeHost(), env });
    expect(readdirSync(made.temporary)).toEqual([]);
    await removeStepFolder({ ...createNodeHost(), env });
  });

  it.each(["", "..", "../other", "countersign-x", "other"])("is nothing that is called %j", async (folder) => {
    const temporary = temporaryFolder();
    writeFileSync(join(temporary, "other"), "");
    await removeStepFolder({ ...createNodeHost(), env: { RUNNER_TEMP: temporary, STATE_folder: folder } });
    expect(existsSync(join(temporary, "other"))).toBe(true);
  });

  it("is, of setup, a launcher on PATH until the job ends", async () => {
    const made = await step({ command: "setup" });
    expect(made.exit).toBe(0);
    expect(made.said.filter(({ kind }) => kind === "path").map(({ text }) => text)).toEqual([made.outputs["path"]]);
    expect(readdirSync(made.outputs["path"] ?? "").sort()).toEqual(["countersign", "countersign.cmd"]);
  });
});
