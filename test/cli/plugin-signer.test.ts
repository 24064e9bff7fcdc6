import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { createPki, type KeyKind } from "../trust/support/pki.ts";
import { keyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { expectClean, storageState } from "./support/refusals.ts";
import { onlyImage, signReportOf, verifyReportOf } from "./support/reports.ts";

// Each answer starts a program, beside whatever else this machine does.
vi.setConfig({ testTimeout: 30_000 });

const machine = createMachine();
const source = fileURLToPath(new URL("programs/notation-plugin.mjs", import.meta.url));

/** Puts the plugin where notation keeps them, in a folder of plugins. */
function install(folder: string, name = "test"): string {
  const path = join(folder, name, `notation-${name}`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\nexec "${process.execPath}" "${source}" "$@"\n`);
  chmodSync(path, 0o755);
  return folder;
}

const plugins = install(machine.absent("plugins"));

function material(kind: KeyKind) {
  const pki = createPki({ leaf: { keyKind: kind } });
  return {
    key: machine.file(`${kind}.key`, keyPem(pki.key)),
    leaf: machine.file(`${kind}.leaf.pem`, pki.leaf.pem),
    chain: machine.file(`${kind}.pem`, [pki.leaf, ...pki.intermediates, pki.root].map(({ pem }) => pem).join("")),
    root: machine.file(`${kind}.root.pem`, pki.root.pem),
  };
}
const own = material("p256");
const other = material("p384");

function address(config: Readonly<Record<string, string>> = {}): string {
  const all = {
    id: "vault/key?v=1&x+y",
    keySpec: "EC-256",
    key: own.key,
    chain: own.chain,
    other: other.chain,
    ...config,
  };
  const pairs = Object.entries(all).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `notation-plugin:test?${pairs.join("&")}`;
}

const started: StartedRegistry[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

async function start(): Promise<StartedRegistry> {
  const registry = await startRegistry();
  started.push(registry);
  await pushImage(storageSink(registry.storage, "app"), { tag: "1", seed: "1" });
  return registry;
}

async function sign(registry: StartedRegistry, ...args: readonly string[]) {
  const run = await machine.run(["sign", "--output", "json", ...args, `${registry.host}/app:1`]);
  expectClean(run);
  return run;
}

describe("a plugin that signs for notation", () => {
  it.each(["notation", "notation-cose"])("makes %s signatures of raw ones", async (format) => {
    const registry = await start();
    const run = await sign(registry, "--signer", address(), "--plugin-dir", plugins, "--format", format);
    expect(onlyImage(signReportOf(run)).signatures).toMatchObject([{ format, algorithm: "ecdsa-p256-sha256" }]);
    const verified = await machine.run([
      ...["verify", "--output", "json", "--ca-roots", own.root, "--format", format],
      `${registry.host}/app:1`,
    ]);
    expect(onlyImage(verifyReportOf(verified))).toMatchObject({ verdict: "trusted", signatures: [{ format }] });
  });
});

const kinds = [
  ["p256", "EC-256", "ecdsa-p256-sha256"],
  ["p384", "EC-384", "ecdsa-p384-sha384"],
  ["p521", "EC-521", "ecdsa-p521-sha512"],
  ["rsa2048", "RSA-2048", "rsa-pss-sha256"],
  ["rsa3072", "RSA-3072", "rsa-pss-sha384"],
] as const;

describe("a notation plugin", () => {
  it.each(kinds)("with a key on %s (%s) signs both formats with %s", async (kind, keySpec, algorithm) => {
    const registry = await start();
    const { key, chain, root } = material(kind);
    const signer = address({ keySpec, key, chain });
    const run = await sign(registry, "--format", "cosign,bundle", "--plugin-dir", plugins, "--signer", signer);
    expect(run.exit, run.stdout).toBe(0);
    const report = signReportOf(run);
    expect(onlyImage(report).signatures.map((each) => each.algorithm)).toEqual([algorithm, algorithm]);
    const told = report.warnings.filter((text) => text.includes(`does not accept ${algorithm}`));
    expect(told.length > 0).toBe(kind !== "p256");
    const verified = await machine.run(["verify", "--output", "json", "--ca-roots", root, `${registry.host}/app:1`]);
    const { verdict, images } = verifyReportOf(verified);
    expect([verdict, images[0]?.signatures.map(({ trusted }) => trusted)]).toEqual(["trusted", [true, true]]);
  });

  it("is found where notation keeps it", async () => {
    const registry = await start();
    const places = [
      [{ XDG_CONFIG_HOME: machine.absent("xdg") }, join(machine.absent("xdg"), "notation", "plugins")],
      [{ NOTATION_CONFIG: machine.absent("config") }, join(machine.absent("config"), "plugins")],
      [
        { NOTATION_LIBEXEC: machine.absent("libexec"), NOTATION_CONFIG: "/nowhere" },
        join(machine.absent("libexec"), "plugins"),
      ],
      [{}, join(machine.home, ".config", "notation", "plugins")],
    ] as const;
    for (const [env, folder] of places) {
      const args = ["sign", "--output", "json", "--signer", address(), `${registry.host}/app:1`];
      const without = await machine.run(args, { env });
      expect([without.exit, JSON.parse(without.stdout)]).toMatchObject([2, { error: { code: "E_COMMAND" } }]);
      install(folder);
      expect((await machine.run(args, { env })).exit).toBe(0);
    }
  });

  it("is asked as the protocol has it, and no more than once for its chain", async () => {
    const registry = await start();
    const log = machine.absent("asked.log");
    expect((await sign(registry, "--plugin-dir", plugins, "--signer", address({ log }))).exit).toBe(0);
    const asked = readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, string>);
    const keyId = "vault/key?v=1&x+y";
    expect(asked).toMatchObject([
      { command: "get-plugin-metadata" },
      { command: "describe-key", contractVersion: "1.0", keyId },
      { command: "generate-signature", contractVersion: "1.0", keyId, keySpec: "EC-256", hashAlgorithm: "SHA-256" },
      { command: "generate-signature", contractVersion: "1.0", keyId, keySpec: "EC-256", hashAlgorithm: "SHA-256" },
    ]);
    const payloads = asked.map(({ payload = "" }) => Buffer.from(payload, "base64").toString());
    expect(payloads[2]).toContain("It is about no image");
    expect(payloads[3]).toContain("docker-manifest-digest");
  });

  it("rehearses nothing where its certificate is named", async () => {
    const registry = await start();
    const log = machine.absent("named.log");
    const certificates = ["--certificate", own.leaf, "--certificate-chain", own.chain];
    expect((await sign(registry, ...certificates, "--plugin-dir", plugins, "--signer", address({ log }))).exit).toBe(0);
    expect(readFileSync(log, "utf8").match(/generate-signature/g)).toHaveLength(1);
  });

  it.each(["THROTTLED", "TIMEOUT"])("that says %s is asked again", async (wrong) => {
    const registry = await start();
    const once = machine.absent(`once-${wrong}`);
    const run = await sign(registry, "--plugin-dir", plugins, "--signer", address({ wrong, once, at: "describe-key" }));
    expect([run.exit, existsSync(once), run.slept > 0]).toEqual([0, true, true]);
  });
});

interface Fault {
  readonly wrong: string;
  /** The command, or `image` for the signature behind the rehearsal. */
  readonly at?: string;
  readonly code: string;
  readonly exit: number;
}

const early: readonly Fault[] = [
  { wrong: "name", code: "E_SIGNER_FAILED", exit: 2 },
  { wrong: "version", code: "E_SIGNER_FAILED", exit: 2 },
  { wrong: "envelope", code: "E_SIGNER_FAILED", exit: 2 },
  { wrong: "garbage", at: "get-plugin-metadata", code: "E_SIGNER_ANSWER", exit: 3 },
  { wrong: "garbage", at: "describe-key", code: "E_SIGNER_ANSWER", exit: 3 },
  { wrong: "garbage", at: "generate-signature", code: "E_SIGNER_ANSWER", exit: 3 },
  { wrong: "never", at: "describe-key", code: "E_TIMEOUT", exit: 3 },
  { wrong: "flood", at: "describe-key", code: "E_SIGNER_ANSWER", exit: 3 },
  { wrong: "describedKeyId", code: "E_SIGNER_ANSWER", exit: 3 },
  { wrong: "keyId", at: "generate-signature", code: "E_SIGNER_ANSWER", exit: 3 },
  { wrong: "bytes", at: "generate-signature", code: "E_CERTIFICATE_KEY_MISMATCH", exit: 1 },
  { wrong: "chain", at: "generate-signature", code: "E_SIGNER_ANSWER", exit: 3 },
  { wrong: "ACCESS_DENIED", at: "describe-key", code: "E_SIGNER_DENIED", exit: 3 },
  { wrong: "VALIDATION_ERROR", at: "describe-key", code: "E_SIGNER_FAILED", exit: 3 },
  { wrong: "ERROR", at: "generate-signature", code: "E_SIGNER_FAILED", exit: 3 },
  { wrong: "THROTTLED", at: "describe-key", code: "E_SIGNER_THROTTLED", exit: 3 },
];

const late: readonly Fault[] = [
  { wrong: "garbage", code: "E_SIGNER_ANSWER", exit: 3 },
  { wrong: "never", code: "E_TIMEOUT", exit: 3 },
  { wrong: "flood", code: "E_SIGNER_ANSWER", exit: 3 },
  { wrong: "keyId", code: "E_SIGNER_ANSWER", exit: 3 },
  { wrong: "bytes", code: "E_SIGNATURE_INVALID", exit: 1 },
  { wrong: "chain", code: "E_CERTIFICATE_KEY_MISMATCH", exit: 1 },
  { wrong: "TIMEOUT", code: "E_SIGNER_FAILED", exit: 3 },
];

describe("a notation plugin that does wrong", () => {
  it.each(early)("by $wrong at $at: $code, exit $exit, before the first request", async ({ wrong, at, code, exit }) => {
    const registry = await start();
    const signer = address({ wrong, ...(at && { at }) });
    const timeout = wrong === "never" ? "1" : "30";
    const run = await sign(registry, "--signer-timeout", timeout, "--plugin-dir", plugins, "--signer", signer);
    expect([run.exit, JSON.parse(run.stdout)]).toMatchObject([exit, { error: { code } }]);
    expect(registry.requests).toEqual([]);
  });

  it.each(late)(
    "by $wrong once it signs an image: $code, exit $exit, nothing stored",
    async ({ wrong, code, exit }) => {
      const registry = await start();
      const before = storageState(registry);
      const timeout = wrong === "never" ? "1" : "30";
      const signer = address({ wrong, at: "image" });
      const run = await sign(registry, "--signer-timeout", timeout, "--plugin-dir", plugins, "--signer", signer);
      expect([run.exit, onlyImage(signReportOf(run)).errors[0]?.code]).toEqual([exit, code]);
      expect(storageState(registry)).toBe(before);
    },
  );

  it.each<readonly [string, readonly string[], string]>([
    ["without a key", ["--signer", "notation-plugin:test"], "E_USAGE"],
    ["with half a percent sign", ["--signer", "notation-plugin:test?id=a%2"], "E_USAGE"],
    ["with a key twice", ["--signer", "notation-plugin:test?id=a&id=b"], "E_USAGE"],
    ["with a path for a name", ["--signer", "notation-plugin:../test?id=a"], "E_USAGE"],
    ["with an input that it cannot take", ["--signer-input", "digest", "--signer", address()], "E_USAGE"],
    [
      "with an algorithm that it does not have",
      ["--signing-algorithm", "ecdsa-p256-sha512", "--signer", address()],
      "E_ALGORITHM_UNSUPPORTED",
    ],
    [
      "with another key's certificate",
      ["--certificate", other.leaf, "--signer", address()],
      "E_CERTIFICATE_KEY_MISMATCH",
    ],
  ])("%s is refused as wrong use", async (_, args, code) => {
    const registry = await start();
    const run = await sign(registry, "--plugin-dir", plugins, ...args);
    expect([run.exit, JSON.parse(run.stdout)]).toMatchObject([2, { error: { code } }]);
    expect(registry.requests).toEqual([]);
  });
});
