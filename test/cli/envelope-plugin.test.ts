import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { createPki, NOW, signer } from "../trust/support/pki.ts";
import { keyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { expectClean, storageState } from "./support/refusals.ts";
import { onlyImage, promoteReportOf, signReportOf, verifyReportOf } from "./support/reports.ts";

// Each answer starts a program, beside whatever else this machine does.
vi.setConfig({ testTimeout: 30_000 });

const machine = createMachine();
const source = fileURLToPath(new URL("programs/envelope-plugin.mjs", import.meta.url));
const plugins = machine.absent("plugins");
const program = join(plugins, "sealer", "notation-sealer");
mkdirSync(dirname(program), { recursive: true });
writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${source}" "$@"\n`);
chmodSync(program, 0o755);

function material(name: string) {
  // Notary's profile has no purpose that a leaf must have, and none that it may not.
  const pki = createPki({ leaf: signer(name) });
  const issuers = [...pki.intermediates, pki.root].map(({ pem }) => pem).join("");
  return {
    key: machine.file(`${name}.key`, keyPem(pki.key)),
    leaf: machine.file(`${name}.leaf.pem`, pki.leaf.pem),
    issuers: machine.file(`${name}.issuers.pem`, issuers),
    chain: machine.file(`${name}.pem`, pki.leaf.pem + issuers),
    root: machine.file(`${name}.root.pem`, pki.root.pem),
  };
}
const own = material("release");
const other = material("other");

function address(config: Readonly<Record<string, string>> = {}): string {
  const all = {
    ...{ id: "profile/release", key: own.key, chain: own.chain, otherKey: other.key, otherChain: other.chain },
    now: NOW.toISOString(),
    ...config,
  };
  const pairs = Object.entries(all).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `notation-plugin:sealer?${pairs.join("&")}`;
}

let registry: StartedRegistry;
let image: string;
let images = 0;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());
beforeEach(async () => {
  images += 1;
  await pushImage(storageSink(registry.storage, `app${images}`), { tag: "1", seed: `${images}` });
  image = `${registry.host}/app${images}:1`;
  registry.clear();
});

async function sign(signerAddress: string, ...args: readonly string[]) {
  const run = await machine.run([
    ...["sign", "--output", "json", "--plugin-dir", plugins, "--signer", signerAddress],
    ...args,
    image,
  ]);
  expectClean(run);
  return run;
}

const FORMATS = ["notation", "notation-cose"] as const;

describe.each(FORMATS)("a plugin that makes whole envelopes, %s", (format) => {
  it("signs, what it made verifies, and signing again adds nothing", async () => {
    const log = machine.absent(`${format}.log`);
    const flags = ["--format", format, "--expiry", "30d", "-m", "build=7"];
    const run = await sign(address({ log }), ...flags);
    expect(run.exit, run.stdout).toBe(0);
    expect(onlyImage(signReportOf(run))).toMatchObject({
      status: "signed",
      signatures: [{ format, algorithm: "ecdsa-p256-sha256", signer: { subject: "CN=release,O=Example" } }],
    });
    const asked = readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(asked).toMatchObject([
      { command: "get-plugin-metadata" },
      {
        command: "generate-envelope",
        contractVersion: "1.0",
        keyId: "profile/release",
        payloadType: "application/vnd.cncf.notary.payload.v1+json",
        signatureEnvelopeType: format === "notation" ? "application/jose+json" : "application/cose",
        expiryDurationInSeconds: 30 * 86_400,
      },
    ]);
    const verify = ["verify", "--output", "json", "--ca-roots", own.root, "-a", "build=7", image];
    expect(onlyImage(verifyReportOf(await machine.run(verify)))).toMatchObject({
      verdict: "trusted",
      signatures: [{ format, trusted: true }],
    });
    const before = storageState(registry);
    expect(onlyImage(signReportOf(await sign(address(), ...flags))).status).toBe("unchanged");
    expect(storageState(registry)).toBe(before);
  });

  it("signs for the caller's certificate, and for no other", async () => {
    const named = ["--certificate", own.leaf, "--certificate-chain", own.issuers, "--format", format];
    expect((await sign(address(), ...named)).exit).toBe(0);
    const strange = await sign(address({ key: other.key, chain: other.chain }), ...named);
    expect([strange.exit, onlyImage(signReportOf(strange)).errors[0]?.code]).toEqual([1, "E_CERTIFICATE_KEY_MISMATCH"]);
  });
});

describe("the annotations that it answers", () => {
  it("stand on the manifest, beside those of the specification, which are not its own to say", async () => {
    expect((await sign(address(), "--format", "notation")).exit).toBe(0);
    const kept = registry.storage.get(`app${images}`);
    const texts = [...(kept?.manifests ?? [])].map(([, { bytes }]) => Buffer.from(bytes).toString());
    const signature = texts.find((text) => text.includes('"com.example.profile":"release"'));
    expect(signature).toContain("io.cncf.notary.x509chain.thumbprint#S256");
  });
});

describe("promotion by such a plugin", () => {
  const flags = () => ["--plugin-dir", plugins, "--format", "notation", "--signer", address()];
  const promote = async (...args: readonly string[]) => {
    const resigned = [...flags(), ...args].map((each) => each.replace(/^--/, "--resign-"));
    const destination = `${registry.host}/prod${images}:1`;
    return machine.run([
      ...["promote", "--output", "json", "--ca-roots", other.root, "--resign", ...resigned, image, destination],
    ]);
  };

  it("needs its certificates said, as the destination is verified by them", async () => {
    const signed = await machine.run([
      ...["sign", "--key", other.key, "--certificate", other.leaf, "--certificate-chain", other.issuers, image],
    ]);
    expect(signed.exit).toBe(0);
    expect((await promote()).exit).toBe(2);
    const done = await promote("--certificate", own.leaf, "--certificate-chain", own.issuers);
    expect(done.exit, done.stdout).toBe(0);
    expect(onlyImage(promoteReportOf(done)).resigned).toMatchObject([{ format: "notation", status: "added" }]);
  });
});

describe("what such a plugin cannot do is refused before the first request", () => {
  it.each<readonly [string, Readonly<Record<string, string>>, readonly string[], string]>([
    ["a format that it does not make", {}, ["--format", "cosign"], "E_SIGNER_FAILED"],
    ["such a format beside others", {}, ["--format", "notation,bundle"], "E_SIGNER_FAILED"],
    ["a plugin that only verifies", { wrong: "verifies" }, ["--format", "notation"], "E_SIGNER_FAILED"],
    ["an algorithm of the caller's", {}, ["--format", "notation", "--signing-algorithm", "ed25519"], "E_USAGE"],
    ["metadata that is reserved", {}, ["--format", "notation", "-m", "io.cncf.notary.x=1"], "E_USAGE"],
    [
      "a time stamp, which is its own to ask for",
      {},
      ["--format", "notation", "--timestamp-url", "http://127.0.0.1:9/"],
      "E_USAGE",
    ],
  ])("%s", async (_, config, args, code) => {
    const run = await sign(address(config), ...args);
    expect([run.exit, JSON.parse(run.stdout)]).toMatchObject([2, { error: { code } }]);
    expect(registry.requests).toEqual([]);
  });
});

describe.each(FORMATS)("a plugin whose envelope is wrong is refused, and nothing is stored: %s", (format) => {
  it.each<readonly [string, string, number]>([
    ["digest", "E_SUBJECT_MISMATCH", 1],
    ["size", "E_SUBJECT_MISMATCH", 1],
    ["mediaType", "E_SUBJECT_MISMATCH", 1],
    ["annotated", "E_ANNOTATION_MISMATCH", 1],
    ["unannotated", "E_ANNOTATION_MISMATCH", 1],
    ["urls", "E_PAYLOAD_MALFORMED", 1],
    ["member", "E_PAYLOAD_MALFORMED", 1],
    ["contentType", "E_PAYLOAD_TYPE", 1],
    ["algorithm", "E_SIGNATURE_INVALID", 1],
    ["key", "E_SIGNATURE_INVALID", 1],
    ["chain", "E_SIGNATURE_INVALID", 1],
    ["rootless", "E_CERTIFICATE_MISSING", 1],
    ["disorder", "E_CERTIFICATE_MISSING", 1],
    ["old", "E_SIGNER_ANSWER", 3],
    ["eternal", "E_SIGNER_ANSWER", 3],
    ["short", "E_SIGNER_ANSWER", 3],
    ["authority", "E_CERTIFICATE_UNTRUSTED", 1],
    ["verifier", "E_VERIFICATION_PLUGIN", 1],
    ["critical", "E_ATTRIBUTE_UNKNOWN", 1],
    ["type", "E_SIGNER_ANSWER", 3],
    ["noise", "E_SIGNATURE_MALFORMED", 1],
    ["garbage", "E_SIGNER_ANSWER", 3],
    ["failing", "E_SIGNER_FAILED", 3],
  ])("%s: %s", async (wrong, code, exit) => {
    const before = storageState(registry);
    const run = await sign(address({ wrong }), "--format", format, "--expiry", "7d", "-m", "build=7");
    const document = JSON.parse(run.stdout) as { error?: { code: string }; images?: readonly { errors: unknown[] }[] };
    const told = document.error ?? document.images?.[0]?.errors[0];
    expect([run.exit, told], run.stdout).toMatchObject([exit, { code }]);
    expect(storageState(registry)).toBe(before);
  });
});

describe("a plugin that is given no end", () => {
  it("is refused an expiry that was not asked for", async () => {
    const run = await sign(address({ wrong: "expiry" }), "--format", "notation");
    expect([run.exit, onlyImage(signReportOf(run)).errors[0]?.code]).toEqual([3, "E_SIGNER_ANSWER"]);
  });

  it.each([
    ["never", "1", "E_TIMEOUT"],
    ["flood", "30", "E_SIGNER_ANSWER"],
  ])("is ended when it does %s", async (wrong, timeout, code) => {
    const before = storageState(registry);
    const run = await sign(address({ wrong }), "--format", "notation", "--signer-timeout", timeout);
    expect([run.exit, onlyImage(signReportOf(run)).errors[0]?.code]).toEqual([3, code]);
    expect(storageState(registry)).toBe(before);
  });
});
