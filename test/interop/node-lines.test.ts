import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { VERSION } from "../../src/cli/version.ts";
import { countersignProgram, fileOf, runCountersign } from "../support/countersign.ts";
import { type PushedImage, pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { cosignGenerateKey, cosignPassword } from "./support/cosign.ts";
import { describeWithPeer, type PeerName, requirePeer } from "./support/peers.ts";
import { createPki, generateKey } from "./support/pki.ts";

// The shipped bundle on every line of Node.js that it promises to run on, alone in a folder: nothing of node_modules is near.

const lines: readonly { line: string; need: readonly PeerName[]; node: () => string }[] = [
  { line: "that runs these tests", need: [], node: () => process.execPath },
  { line: "22", need: ["node22"], node: () => requirePeer("node22") },
  { line: "24", need: ["node24"], node: () => requirePeer("node24") },
];

for (const { line, need, node } of lines) {
  describeWithPeer(["cosign", ...need], `dist/ alone, under the Node.js ${line}`, () => {
    let registry: StartedRegistry;
    let image: PushedImage;
    let program: string;
    const run = (...args: string[]) =>
      runCountersign(args, { node: node(), env: { COSIGN_PASSWORD: cosignPassword }, program });

    beforeAll(async () => {
      const folder = temporaryFolder();
      cpSync(join(countersignProgram(), ".."), folder, { recursive: true });
      program = join(folder, "index.js");
      registry = await startRegistry({});
      image = await pushImage(storageSink(registry.storage, "app"), { tag: "1" });
    });
    afterAll(() => registry.close());

    it("is that line, and tells its version", async () => {
      const version = execFileSync(node(), ["--version"], { encoding: "utf8" });
      if (need.length > 0) expect(version).toMatch(new RegExp(`^v${line}\\.`));
      expect(await run("--version")).toMatchObject({ exitCode: 0, stdout: `countersign ${VERSION}\n`, stderr: "" });
    });

    it("tells the whole quickstart story, with nothing on standard error", async () => {
      const { exitCode, stdout, stderr } = await run("quickstart");
      expect({ exitCode, stderr }, stdout).toEqual({ exitCode: 0, stderr: "" });
      expect(stdout).toContain("All as it must be");
    });

    it("signs with a key that cosign encrypted, in both formats, and verifies", async () => {
      const { privateKey, publicKey } = await cosignGenerateKey();
      const reference = `${registry.host}/app@${image.digest}`;
      const signed = await run("sign", "--key", fileOf(privateKey), "--format", "cosign,bundle", reference);
      expect(signed.exitCode, signed.stderr).toBe(0);
      const verified = await run("verify", "--key", fileOf(publicKey), "--output", "json", reference);
      expect(verified.exitCode, verified.stderr).toBe(0);
      expect(verified.json()).toMatchObject({ verdict: "trusted" });
    });

    it("signs with a certificate, and verifies by a pattern and the root alone", async () => {
      const pki = await createPki(`Node ${line}`);
      const key = generateKey("rsa2048");
      const certificate = fileOf(await pki.issue(key, { uri: "https://ci.example.test/release" }));
      const reference = `${registry.host}/app@${image.digest}`;
      const material = ["--certificate", certificate, "--certificate-chain", fileOf(pki.chain)];
      const signed = await run(
        "sign",
        "--key",
        fileOf(key.privatePem),
        ...material,
        "--format",
        "cosign,bundle",
        reference,
      );
      expect(signed.exitCode, signed.stderr).toBe(0);
      const who = ["--certificate-identity-regexp", "https://ci\\.example\\.test/.*"];
      const verified = await run("verify", "--ca-roots", fileOf(pki.root), ...who, reference);
      expect(verified.exitCode, verified.stdout).toBe(0);
    });
  });
}
