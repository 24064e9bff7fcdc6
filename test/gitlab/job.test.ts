import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { runScript } from "./support/templates.ts";

// A program that tells how it was called: what the job makes of its inputs.
const teller = `
import { readFileSync } from "node:fs";
const list = process.argv.find((arg) => arg.startsWith("--images="))?.slice("--images=".length);
const told = { args: process.argv.slice(2), ca: process.env.NODE_EXTRA_CA_CERTS ?? null };
if (list?.startsWith("/")) told.list = readFileSync(list, "utf8");
console.log("TOLD " + JSON.stringify(told));
process.exit(Number(process.env.TELLER_STATUS ?? 0));
`;

interface Told {
  readonly args: readonly string[];
  readonly ca: string | null;
  readonly list?: string;
}

let folder: string;
let program: string;

beforeEach(() => {
  folder = temporaryFolder();
  program = path.join(folder, "index.mjs");
  writeFileSync(program, teller);
});

function job(verb: string, inputs: Record<string, string>, env: Record<string, string> = {}) {
  return runScript({ verb, inputs: { program: `path:${program}`, ...inputs }, env, cwd: folder });
}

function toldBy(done: { stdout: string; stderr: string }): Told {
  const line = /^TOLD (.*)$/m.exec(done.stdout)?.[1];
  if (line === undefined) throw new Error(`the program was not run:\n${done.stdout}${done.stderr}`);
  return JSON.parse(line) as Told;
}

const report = [".json", ".xml", ".env"].flatMap((ending) => [
  "--report",
  `countersign-reports/countersign-sign${ending}`,
]);

describe("a job of the templates", () => {
  it("turns inputs into flags, and puts images where nothing is taken for a flag", async () => {
    const done = await job("sign", {
      images: "  r.example.com/a:1\r\n\n--key=x\n r.example.com/b:1 ",
      signer: "exec:sign.sh 'key one'",
      format: "cosign,bundle",
      recursive: "recursive=true",
      "extra-args": "-a\nbranch=a b",
    });
    expect(done).toMatchObject({ exitCode: 0, stderr: "" });
    expect(toldBy(done).args).toEqual([
      "sign",
      ...["--signer", "exec:sign.sh 'key one'", "--format", "cosign,bundle", "--recursive"],
      ...report,
      ...["-a", "branch=a b"],
      ...["--", "r.example.com/a:1", "--key=x", "r.example.com/b:1"],
    ]);
  });

  it.each([0, 1, 2, 3, 70])("ends in the program's own status %i", async (status) => {
    const done = await job("verify", { images: "a" }, { TELLER_STATUS: String(status) });
    expect(done.exitCode).toBe(status);
  });

  it("lets no shell read an input", async () => {
    const hostile = ["$(touch pwned)", "`touch pwned`", "'; touch pwned; '", '"; touch pwned; "', "&& touch pwned"];
    const lines = [...hostile, "END_OF_PROGRAM_MJS", "touch pwned", "*", "~", "\\"].join("\n");
    const inputs = { images: lines, signer: lines, "extra-args": lines, "images-file": "unset" };
    const done = await job("sign", inputs);
    expect(done.exitCode).toBe(0);
    expect(toldBy(done).args).toEqual([
      "sign",
      "--signer",
      lines,
      ...report,
      ...lines.split("\n"),
      "--",
      ...lines.split("\n"),
    ]);
    expect(existsSync(path.join(folder, "pwned"))).toBe(false);
    const program = await job("sign", {
      images: "a",
      program: `https://127.0.0.1/$(touch pwned)#sha256=';touch pwned`,
    });
    expect(program).toMatchObject({ exitCode: 2, stdout: "" });
    expect(existsSync(path.join(folder, "pwned"))).toBe(false);
  });

  it("shows what it runs on one line that can neither move the terminal nor fold the log", async () => {
    const done = await job("sign", { images: "a\u001b[2Kb section_start:1:x" });
    expect(done.stdout).toContain(`$ countersign sign ${report.join(" ")} -- "a [2Kb section start:1:x"\n`);
  });

  it("leaves nothing behind", async () => {
    const scratch = path.join(folder, "tmp");
    mkdirSync(scratch);
    await job("sign", { images: "a" }, { TMPDIR: scratch });
    await job("sign", { images: "unset" }, { TMPDIR: scratch });
    expect(readdirSync(scratch)).toEqual([]);
  });

  it("asks for images when there are none, or twice as many", async () => {
    const none = await job("verify", { images: "unset" });
    expect(none).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining("E_USAGE: no image is named"),
    });
    expect(await job("verify", { images: "a", "images-file": "b" })).toMatchObject({ exitCode: 2, stdout: "" });
    expect(toldBy(await job("verify", { "images-file": "built.txt" })).args.at(-1)).toBe("--images=built.txt");
  });

  it.each(["images", "certificate-identity", "ca-roots", "key", "policy", "trust-store", "extra-args", "program"])(
    "refuses %s when it is empty, as a variable that is not set makes it: no rule vanishes",
    async (input) => {
      const done = await job("verify", { images: "a", [input]: " \n" });
      expect(done).toMatchObject({ exitCode: 2, stdout: "" });
      expect(done.stderr).toMatch(
        new RegExp(`^countersign: E_USAGE: the input ${input} is empty\n {2}mend: .*not set expands to nothing.*\n$`),
      );
    },
  );

  it("trusts the instance's own authority for its registry, and leaves Node.js as it was for the program", async () => {
    const authority = path.join(folder, "ca.pem");
    writeFileSync(authority, "");
    const told = toldBy(await job("verify", { images: "a" }, { CI_SERVER_TLS_CA_FILE: authority }));
    expect(told).toMatchObject({ ca: null });
    expect(told.args.slice(1, 3)).toEqual(["--registry-cacert", authority]);
    const own = await job("verify", { images: "a" }, { NODE_EXTRA_CA_CERTS: authority });
    expect(toldBy(own)).toMatchObject({ ca: authority });
  });
});

describe("a promotion", () => {
  it("names one pair on the command line, and others in a file that goes with the job", async () => {
    const one = toldBy(await job("promote", { images: "r.example.com/a:1   r.example.com/b:1" }));
    expect(one.args.slice(-3)).toEqual(["--", "r.example.com/a:1", "r.example.com/b:1"]);
    const several = toldBy(await job("promote", { images: "a b\n\n c  d \ne f" }));
    expect(several.args.slice(-3)).toEqual(["--", "a", "b"]);
    expect(several.list).toBe("c d\ne f\n");
    const list = several.args.at(-4)?.slice("--images=".length) ?? "";
    expect(path.isAbsolute(list) && existsSync(list)).toBe(false);
    expect(list).toMatch(/^\/.*images\.txt$/);
  });

  it.each(["a", "a b c", "a b\nc"])("is refused when a line is not two references: %j", async (images) => {
    const done = await job("promote", { images });
    expect(done).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining("is not SOURCE DESTINATION"),
    });
  });

  it("has a trust, a user and a key of its own for the destination", async () => {
    const inputs = {
      images: "a b",
      "ca-roots": "root.pem",
      "destination-key": "env://PROD_PUB",
      "destination-username-variable": "PROD_USER",
      "destination-password-variable": "PROD_PASSWORD",
      resign: "resign=true",
      "resign-key-variable": "PROD_KEY",
      "dry-run": "dry-run=true",
    };
    const env = { PROD_PUB: "MFkw", PROD_USER: "robot", PROD_PASSWORD: "secret", PROD_KEY: "MFkw" };
    const done = await job("promote", inputs, env);
    expect(toldBy(done).args.slice(1, toldBy(done).args.indexOf("--report"))).toEqual([
      ...["--ca-roots", "root.pem", "--destination-key", "env://PROD_PUB"],
      ...["--resign", "--resign-key", "env://PROD_KEY", "--dry-run"],
      ...["--destination-username", "robot", "--destination-password", "env://PROD_PASSWORD"],
    ]);
    expect(done.stdout + done.stderr).not.toContain("secret");
  });
});

describe("a policy", () => {
  it.each([
    ["verify", "r.example.com/a:1"],
    ["promote", "r.example.com/a:1 r.example.com/b:1"],
  ])("goes to %s as a path: of a file, or of a variable of type file", async (verb, images) => {
    const file = path.join(folder, "POLICY");
    writeFileSync(file, "{}");
    const policy = ["--policy", file];
    expect(toldBy(await job(verb, { images, policy: "env://POLICY" }, { POLICY: file })).args.slice(1, 3)).toEqual(
      policy,
    );
    expect(toldBy(await job(verb, { images, policy: file })).args.slice(1, 3)).toEqual(policy);
    const notary = { "trust-policy": "trustpolicy.json", "trust-store": "truststore" };
    expect(toldBy(await job(verb, { images, ...notary })).args.slice(1, 5)).toEqual([
      ...["--trust-policy", "trustpolicy.json", "--trust-store", "truststore"],
    ]);
  });
});

describe("a key in a CI variable", () => {
  it("goes by path when the variable is of type file, else by its name; never by its value", async () => {
    const file = path.join(folder, "SIGNING_KEY");
    writeFileSync(file, "PEM");
    const byFile = await job("sign", { images: "a", "key-variable": "SIGNING_KEY" }, { SIGNING_KEY: file });
    expect(toldBy(byFile).args.slice(1, 3)).toEqual(["--key", file]);
    const byName = await job(
      "sign",
      { images: "a", "key-variable": "SIGNING_KEY" },
      { SIGNING_KEY: "LS0tLS1CRUdJTg==" },
    );
    expect(toldBy(byName).args.slice(1, 3)).toEqual(["--key", "env://SIGNING_KEY"]);
    expect(byName.stdout).not.toContain("LS0tLS1CRUdJTg==");
  });

  it("works alike for certificates, and for each of several public keys", async () => {
    const file = path.join(folder, "CHAIN");
    writeFileSync(file, "PEM");
    const sign = { images: "a", certificate: "leaf.pem", "certificate-chain": "env://CHAIN" };
    expect(toldBy(await job("sign", sign, { CHAIN: file })).args.slice(1, 5)).toEqual([
      ...["--certificate", "leaf.pem", "--certificate-chain", file],
    ]);
    const verify = { images: "a", key: "old.pub\nenv://NEW_PUB" };
    expect(toldBy(await job("verify", verify, { NEW_PUB: "MFkw" })).args.slice(1, 5)).toEqual([
      ...["--key", "old.pub", "--key", "env://NEW_PUB"],
    ]);
  });

  it.each([
    ["false", "main is not protected"],
    ["true", "main is protected"],
  ])("asks whether the ref is protected when it is empty (CI_COMMIT_REF_PROTECTED %s)", async (isProtected, says) => {
    const env = { CI_COMMIT_REF_PROTECTED: isProtected, CI_COMMIT_REF_NAME: "main", SIGNING_KEY: " " };
    const done = await job("sign", { images: "a", "key-variable": "SIGNING_KEY" }, env);
    expect(done).toMatchObject({ exitCode: 2, stdout: "" });
    expect(done.stderr).toContain(
      "E_ENVIRONMENT_EMPTY: the variable SIGNING_KEY, named by the input key-variable, is empty",
    );
    expect(done.stderr).toContain(
      "is the ref protected? A protected variable exists only on protected branches and tags",
    );
    expect(done.stderr).toContain(says);
  });

  it("is not shown when it stands where its name belongs", async () => {
    const done = await job("sign", { images: "a", "key-variable": "-----BEGIN SECRET" });
    expect(done).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining("is not the name of a variable"),
    });
    expect(done.stderr).not.toContain("SECRET");
  });
});

describe("a merge request", () => {
  const own = { CI_PROJECT_ID: "7", CI_MERGE_REQUEST_PROJECT_ID: "7", CI_PIPELINE_SOURCE: "merge_request_event" };

  it.each([
    ["of a fork, run in this project", { ...own, CI_MERGE_REQUEST_SOURCE_PROJECT_ID: "8" }],
    ["of a fork, run in the fork", { ...own, CI_PROJECT_ID: "8", CI_MERGE_REQUEST_SOURCE_PROJECT_ID: "8" }],
    ["that does not say where it comes from", own],
    ["of another host that does not say where it comes from", { CI_PIPELINE_SOURCE: "external_pull_request_event" }],
    [
      "of another host's fork",
      {
        CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY: "x/app",
        CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY: "o/app",
        CI_EXTERNAL_PULL_REQUEST_IID: "1",
      },
    ],
  ])("%s signs nothing, unless the input allows it", async (_, env) => {
    const done = await job("sign", { images: "a", "allow-forks": "allow-forks=false" }, env);
    expect(done).toMatchObject({ exitCode: 2, stdout: "", stderr: expect.stringContaining("E_EVENT_UNTRUSTED") });
    toldBy(await job("sign", { images: "a", "allow-forks": "allow-forks=true" }, env));
    toldBy(await job("verify", { images: "a" }, env));
    expect(await job("promote", { images: "a b" }, env)).toMatchObject({ exitCode: 2, stdout: "" });
  });

  it("of the project itself signs", async () => {
    toldBy(await job("sign", { images: "a" }, { ...own, CI_MERGE_REQUEST_SOURCE_PROJECT_ID: "7" }));
    toldBy(await job("sign", { images: "a" }, { CI_PIPELINE_SOURCE: "push", CI_PROJECT_ID: "7" }));
  });
});

describe("an image of the job", () => {
  function tools(node?: string): string {
    const bin = path.join(folder, "bin");
    mkdirSync(bin);
    for (const tool of ["mktemp", "cat", "rm"]) symlinkSync(`/usr/bin/${tool}`, path.join(bin, tool));
    if (node !== undefined) {
      writeFileSync(path.join(bin, "node"), node);
      chmodSync(path.join(bin, "node"), 0o755);
    }
    return bin;
  }
  const inputs = () => ({ program: `path:${program}`, images: "a" });

  it("without Node.js is named as that", async () => {
    const done = await runScript({ verb: "sign", inputs: inputs(), path: tools(), cwd: folder });
    expect(done).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining("Node.js is not in the image of this job"),
    });
  });

  it("with an old Node.js is named as that", async () => {
    // Version 18: the check is run by it, and fails.
    const old = `#!/bin/sh\n[ "$1" != --version ] || { echo v18.20.4; exit 0; }\nexit 1\n`;
    const done = await runScript({ verb: "sign", inputs: inputs(), path: tools(old), cwd: folder });
    expect(done).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining("Node.js v18.20.4 is too old"),
    });
  });
});
