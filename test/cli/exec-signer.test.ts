import { existsSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { createPki, makeKey } from "../trust/support/pki.ts";
import { keyPem, publicKeyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { expectClean, storageState } from "./support/refusals.ts";
import { onlyImage, signReportOf, verifyReportOf } from "./support/reports.ts";

// Each signature starts a program, beside whatever else this machine does.
vi.setConfig({ testTimeout: 30_000 });

const program = fileURLToPath(new URL("programs/exec-signer.mjs", import.meta.url));
const machine = createMachine({
  COSIGN_PASSWORD: "geheim-cosign",
  AWS_SECRET_ACCESS_KEY: "geheim-aws",
  SIGNER_PIN: "geheim-pin",
});
const pki = createPki();
const other = createPki();
const rsa = makeKey("rsa2048");
const files = {
  key: machine.file("leaf.key", keyPem(pki.key)),
  public: machine.file("leaf.pub", publicKeyPem(pki.key)),
  leaf: machine.file("leaf.pem", pki.leaf.pem),
  chain: machine.file("chain.pem", pki.intermediates.map(({ pem }) => pem).join("") + pki.root.pem),
  whole: machine.file("whole.pem", [pki.leaf, ...pki.intermediates, pki.root].map(({ pem }) => pem).join("")),
  root: machine.file("root.pem", pki.root.pem),
  otherWhole: machine.file(
    "other.pem",
    [other.leaf, ...other.intermediates, other.root].map(({ pem }) => pem).join(""),
  ),
  rsa: machine.file("rsa.key", keyPem(rsa)),
  rsaPublic: machine.file("rsa.pub", publicKeyPem(rsa)),
  ed25519: machine.file("ed.key", keyPem(makeKey("ed25519"))),
};

const started: StartedRegistry[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

async function start(tags: readonly string[] = ["1"]): Promise<StartedRegistry> {
  const registry = await startRegistry();
  started.push(registry);
  for (const tag of tags) await pushImage(storageSink(registry.storage, "app"), { tag, seed: tag });
  return registry;
}

/** The address of the program of this file, with its arguments quoted. */
function exec(behaviour: string, key = files.key, ...more: readonly string[]): string {
  return `exec:${[process.execPath, program, behaviour, key, ...more].map((word) => `"${word}"`).join(" ")}`;
}

async function sign(registry: StartedRegistry, ...args: readonly string[]) {
  const run = await machine.run(["sign", "--output", "json", ...args, `${registry.host}/app:1`]);
  expectClean(run, ["geheim-cosign", "geheim-aws", "geheim-pin"]);
  return run;
}

async function expectTrusted(registry: StartedRegistry, ...trust: readonly string[]): Promise<void> {
  const run = await machine.run(["verify", "--output", "json", ...trust, `${registry.host}/app:1`]);
  const { verdict, images } = verifyReportOf(run);
  expect([verdict, ...images.flatMap(({ signatures }) => signatures.map(({ trusted }) => trusted))]).toEqual([
    "trusted",
    true,
    true,
  ]);
}

const both = ["--format", "cosign,bundle"];
const certified = ["--certificate", files.leaf, "--certificate-chain", files.chain];

describe("a program that signs", () => {
  it.each(["der", "p1363", "base64", "wrapped", "json"])("may write its signature as %s", async (behaviour) => {
    const registry = await start();
    const run = await sign(registry, ...both, ...certified, "--signer", exec(behaviour, files.key, files.whole));
    expect([run.exit, onlyImage(signReportOf(run)).status]).toEqual([0, "signed"]);
    await expectTrusted(registry, "--ca-roots", files.root);
  });

  it("needs no certificate where its public key is named", async () => {
    const registry = await start();
    const run = await sign(registry, ...both, "--public-key", files.public, "--signer", exec("der"));
    expect(run.exit).toBe(0);
    await expectTrusted(registry, "--key", files.public);
  });

  it("may bring its certificates itself", async () => {
    const registry = await start();
    const run = await sign(registry, ...both, "--signer", exec("json", files.key, files.whole));
    expect([run.exit, onlyImage(signReportOf(run)).signatures[0]?.signer.subject]).toEqual([0, "CN=release,O=Example"]);
    await expectTrusted(registry, "--ca-roots", files.root);
  });

  it("signs in RSA-PSS with SHA-512 when told", async () => {
    const registry = await start();
    const signer = exec("pss", files.rsa, "{hash}");
    const run = await sign(
      registry,
      ...both,
      "--public-key",
      files.rsaPublic,
      "--signing-algorithm",
      "rsa-pss-sha512",
      "--signer",
      signer,
    );
    expect([run.exit, onlyImage(signReportOf(run)).signatures[0]?.algorithm]).toEqual([0, "rsa-pss-sha512"]);
    await expectTrusted(registry, "--key", files.rsaPublic);
  });

  it("may be given the digest", async () => {
    const registry = await start();
    // openssl hashes nothing here: it signs what it is given.
    const signer = `exec:sh -c 'cat > "${machine.absent("digest")}"; openssl pkeyutl -sign -inkey "${files.rsa}" -pkeyopt digest:{hash} -in "${machine.absent("digest")}"'`;
    const run = await sign(registry, "--public-key", files.rsaPublic, "--signer-input", "digest", "--signer", signer);
    expect(run.exit, run.stdout).toBe(0);
    expect(readFileSync(machine.absent("digest"))).toHaveLength(32);
  });

  it("gets its words whole, with the placeholders filled", async () => {
    const registry = await start();
    const seen = machine.absent("arguments.json");
    const signer = exec("arguments", files.key, seen, "a b", "{algorithm}/{hash}/{HASH}/{encoding}", "$HOME");
    expect((await sign(registry, "--public-key", files.public, "--signer", signer)).exit).toBe(0);
    expect(JSON.parse(readFileSync(seen, "utf8"))).toEqual(["a b", "ecdsa-p256-sha256/sha256/SHA256/der", "$HOME"]);
  });

  it("sees no secret of the environment but those it is handed", async () => {
    const registry = await start();
    const seen = machine.absent("environment.json");
    const args = ["--public-key", files.public, "--signer", exec("environment", files.key, seen)];
    expect((await sign(registry, ...args, "--pass-env", "SIGNER_PIN", "--pass-env", "NOT_SET")).exit).toBe(0);
    const text = readFileSync(seen, "utf8");
    expect(text).toContain("geheim-pin");
    expect(text).not.toMatch(/geheim-(?:cosign|aws)/);
    expect(Object.keys(JSON.parse(text) as object).sort()).toEqual(["PATH", "SIGNER_PIN"]);
  });

  it("runs at most as often at once as it may", async () => {
    const tags = ["1", "2", "3", "4", "5", "6"];
    const registry = await start(tags);
    const marks = machine.absent("marks");
    const images = tags.slice(1).map((tag) => `${registry.host}/app:${tag}`);
    const args = [
      "--public-key",
      files.public,
      "--signer-concurrency",
      "2",
      "--signer",
      exec("counted", files.key, marks),
    ];
    expect((await sign(registry, ...args, ...images)).exit).toBe(0);
    const counts = readFileSync(`${marks}.log`, "utf8").trim().split("\n").map(Number);
    expect(counts).toHaveLength(6);
    expect(Math.max(...counts)).toBe(2);
  });

  it("takes what it leaves running with it", async () => {
    const registry = await start();
    const alive = machine.absent("alive");
    const run = await sign(registry, "--public-key", files.public, "--signer", exec("lingerQuiet", files.key, alive));
    expect(run.exit).toBe(0);
    await delay(1500);
    expect(existsSync(alive)).toBe(false);
  });
});

interface Failure {
  readonly behaviour: string;
  readonly more?: readonly string[];
  readonly flags?: readonly string[];
  readonly code: string;
  readonly exit: number;
  readonly says?: string;
}

const failures: readonly Failure[] = [
  { behaviour: "nothing", code: "E_SIGNER_ANSWER", exit: 3, says: "nothing" },
  { behaviour: "garbage", code: "E_SIGNER_ANSWER", exit: 3 },
  { behaviour: "shape", code: "E_SIGNER_ANSWER", exit: 3, says: "signature" },
  { behaviour: "flood", code: "E_SIGNER_ANSWER", exit: 3, says: "65536" },
  { behaviour: "base64", flags: ["--signer-output", "raw"], code: "E_SIGNER_ANSWER", exit: 3 },
  { behaviour: "p1363", flags: ["--signer-output", "der"], code: "E_SIGNER_ANSWER", exit: 3 },
  { behaviour: "fail", code: "E_SIGNER_FAILED", exit: 3, says: "exit status 7: PIN incorrect" },
  {
    behaviour: "fail",
    flags: ["--pass-env", "SIGNER_PIN"],
    code: "E_SIGNER_FAILED",
    exit: 3,
    says: "PIN incorrect ***",
  },
  { behaviour: "crash", code: "E_SIGNER_FAILED", exit: 3, says: "139" },
  { behaviour: "never", flags: ["--signer-timeout", "0.5"], code: "E_TIMEOUT", exit: 3 },
  { behaviour: "other", code: "E_SIGNATURE_INVALID", exit: 1 },
  { behaviour: "hash", more: ["sha512"], code: "E_SIGNATURE_INVALID", exit: 1 },
  { behaviour: "der", flags: ["--signer-input", "digest"], code: "E_SIGNATURE_INVALID", exit: 1 },
  { behaviour: "json", more: [files.otherWhole], code: "E_CERTIFICATE_KEY_MISMATCH", exit: 1 },
];

describe("a program that does not sign", () => {
  it.each(failures)("by $behaviour $flags: $code, exit $exit, nothing stored", async (failure) => {
    const registry = await start();
    const before = storageState(registry);
    const { behaviour, more = [], flags = [], code, exit, says = "" } = failure;
    const run = await sign(registry, ...certified, ...flags, "--signer", exec(behaviour, files.key, ...more));
    expect(run.exit, run.stdout).toBe(exit);
    const [error] = onlyImage(signReportOf(run)).errors;
    expect(error).toMatchObject({ code, message: expect.stringContaining(says) });
    expect(storageState(registry)).toBe(before);
  });

  it("but holds its output is ended, with all its children", async () => {
    const registry = await start();
    const before = storageState(registry);
    const alive = machine.absent("held");
    const run = await sign(
      registry,
      ...certified,
      "--signer-timeout",
      "1",
      "--signer",
      exec("lingerHolding", files.key, alive),
    );
    expect([run.exit, onlyImage(signReportOf(run)).errors[0]?.code]).toEqual([3, "E_TIMEOUT"]);
    await delay(3000);
    expect(existsSync(alive)).toBe(false);
    expect(storageState(registry)).toBe(before);
  });

  it("with the key that it showed first is refused", async () => {
    const registry = await start();
    const before = storageState(registry);
    const run = await sign(registry, "--signer", exec("jsonThenOther", files.key, files.whole, files.otherWhole));
    expect([run.exit, onlyImage(signReportOf(run)).errors[0]?.code]).toEqual([1, "E_CERTIFICATE_KEY_MISMATCH"]);
    expect(storageState(registry)).toBe(before);
  });

  it("is told what it does wrong where that can be seen", async () => {
    const registry = await start();
    const hint = async (...args: readonly string[]) =>
      onlyImage(signReportOf(await sign(registry, "--public-key", files.rsaPublic, ...args))).errors[0]?.hint;
    expect(await hint("--signer", exec("pss", files.rsa, "sha256"))).toContain("--signing-algorithm rsa-pss-sha256");
    expect(await hint("--signer-input", "digest", "--signer", exec("der", files.rsa))).toContain(
      "--signer-input message",
    );
  });
});

describe("a signer that cannot be used", () => {
  it.each<readonly [string, readonly string[], string, number]>([
    ["beside --key", ["--key", files.key, "--signer", exec("der")], "E_USAGE", 2],
    ["with a flag that is another's", ["--signer-token", "env://A", "--signer", exec("der")], "E_USAGE", 2],
    ["whose flags stand beside --key", ["--key", files.key, "--pass-env", "A"], "E_USAGE", 2],
    ["of no known kind", ["--signer", "pkcs11:token=a;pin-value=geheim"], "E_USAGE", 2],
    ["that is a file", ["--signer", files.key], "E_USAGE", 2],
    ["with a quote left open", ["--signer", "exec:a 'geheim"], "E_USAGE", 2],
    ["that is not there", ["--public-key", files.public, "--signer", "exec:no-such-program a"], "E_COMMAND", 2],
    ["with a passphrase", ["--passphrase", files.key, "--signer", exec("der")], "E_USAGE", 2],
    [
      "with a variable's value",
      ["--public-key", files.public, "--pass-env", "A=geheim", "--signer", exec("der")],
      "E_USAGE",
      2,
    ],
    [
      "with a key and another's certificate",
      ["--public-key", files.rsaPublic, ...certified, "--signer", exec("der")],
      "E_CERTIFICATE_KEY_MISMATCH",
      2,
    ],
    [
      "with an issuer in place of its certificate",
      ["--certificate", files.root, "--signer", exec("der")],
      "E_CERTIFICATE_SELF_SIGNED",
      2,
    ],
    [
      "that is to be told an algorithm nobody knows",
      ["--signer", exec("json", files.key, files.whole, "{algorithm}")],
      "E_USAGE",
      2,
    ],
    ["that answers no certificates, and none are named", ["--signer", exec("der")], "E_CERTIFICATE_MISSING", 2],
    [
      "that answers another key's certificates",
      ["--signer", exec("json", files.key, files.otherWhole)],
      "E_CERTIFICATE_KEY_MISMATCH",
      1,
    ],
    ["that fails when asked for its certificates", ["--signer", exec("fail")], "E_SIGNER_FAILED", 3],
    [
      "whose key cannot sign a digest",
      [
        "--signer-input",
        "digest",
        "--signing-algorithm",
        "ed25519",
        "--signer",
        exec("json", files.ed25519, files.whole),
      ],
      "E_ALGORITHM_UNSUPPORTED",
      2,
    ],
  ])("%s is refused before the first request", async (_, args, code, exit) => {
    const registry = await start();
    const run = await sign(registry, ...args);
    expect([run.exit, JSON.parse(run.stdout)]).toMatchObject([exit, { error: { code } }]);
    expectClean(run, ["geheim"]);
    expect(registry.requests).toEqual([]);
  });
});
