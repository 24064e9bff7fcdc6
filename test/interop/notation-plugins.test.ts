import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { runCountersign } from "../support/countersign.ts";
import { startDockerRegistry } from "./support/docker-registry.ts";
import { pushImage } from "./support/image.ts";
import { createNotaryPki, IDENTITY, type NotaryLeaf } from "./support/notary-pki.ts";
import { notationFolder, notationVerify, runNotation } from "./support/notation.ts";
import { describeWithPeer } from "./support/peers.ts";
import { generateKey } from "./support/pki.ts";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const source = fileURLToPath(new URL("../cli/programs/envelope-plugin.mjs", import.meta.url));

/** What the plugin does, and whether each program then stores its envelope. `row`: where docs/differences.md says why not. */
const CASES = [
  { wrong: "", notation: true, here: true },
  { wrong: "digest", notation: false, here: false },
  { wrong: "unannotated", notation: false, here: false },
  { wrong: "member", notation: false, here: false },
  { wrong: "key", notation: false, here: false },
  { wrong: "rootless", notation: false, here: false },
  { wrong: "type", notation: false, here: false },
  { wrong: "annotated", notation: true, here: false, row: "plugin-annotations" },
  { wrong: "urls", notation: true, here: false, row: "plugin-annotations" },
  { wrong: "eternal", notation: true, here: false, row: "plugin-times" },
  { wrong: "short", notation: true, here: false, row: "plugin-times" },
  { wrong: "verifier", notation: true, here: false, row: "plugin-verifier" },
  { wrong: "critical", notation: true, here: false, row: "critical-attributes" },
] as const;

describeWithPeer(
  ["notation", "docker-registry"],
  "one plugin that makes whole envelopes, used by both programs",
  () => {
    let host: string;
    let stop: (() => Promise<void>) | undefined;
    let folder: string;
    let leaf: NotaryLeaf;
    let files: { readonly key: string; readonly chain: string };

    beforeAll(async () => {
      const registry = await startDockerRegistry();
      ({ host, stop } = registry);
      const pki = await createNotaryPki("Plugins");
      leaf = await pki.issue(generateKey("p256"));
      const stranger = await (await createNotaryPki("Strangers")).issue(generateKey("p256"));
      folder = notationFolder({ roots: pki.root, identity: IDENTITY });
      const keep = (name: string, content: string) => {
        writeFileSync(path.join(folder, name), content);
        return path.join(folder, name);
      };
      files = { key: keep("own.key", leaf.key.privatePem), chain: keep("own.pem", leaf.chain) };
      keep("other.key", stranger.key.privatePem);
      keep("other.pem", stranger.chain);
      const program = path.join(folder, "plugins", "sealer", "notation-sealer");
      mkdirSync(path.dirname(program), { recursive: true });
      writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${source}" "$@"\n`);
      chmodSync(program, 0o755);
    });
    afterAll(() => stop?.());

    const config = (wrong: string) => ({
      ...files,
      otherKey: path.join(folder, "other.key"),
      otherChain: path.join(folder, "other.pem"),
      ...(wrong && { wrong }),
    });

    function signHere(image: string, envelope: string, wrong: string) {
      const pairs = Object.entries({ id: "any", ...config(wrong) }).map(([k, v]) => `${k}=${encodeURIComponent(v)}`);
      return runCountersign([
        ...[
          "sign",
          "--signer",
          `notation-plugin:sealer?${pairs.join("&")}`,
          "--plugin-dir",
          path.join(folder, "plugins"),
        ],
        ...["--format", envelope === "jws" ? "notation" : "notation-cose", "--expiry", "24h", "-m", "build=7", image],
      ]);
    }

    function signThere(image: string, envelope: string, wrong: string) {
      const settings = Object.entries(config(wrong)).flatMap(([k, v]) => ["--plugin-config", `${k}=${v}`]);
      return runNotation(folder, [
        ...["sign", "--insecure-registry", "--plugin", "sealer", "--id", "any", ...settings],
        ...["--signature-format", envelope, "--expiry", "24h", "-m", "build=7", image],
      ]);
    }

    it.each(["jws", "cose"])("signs here for notation to verify, and by notation for here: %s", async (envelope) => {
      const ours = await pushImage(host, `plugins/${envelope}`, "ours");
      const made = await signHere(ours.reference, envelope, "");
      expect(made.exitCode, made.stderr).toBe(0);
      const verified = await notationVerify(folder, ours.reference, ["-m", "build=7"]);
      expect(verified.exitCode, verified.stderr).toBe(0);
      const theirs = await pushImage(host, `plugins/${envelope}`, "theirs");
      const signed = await signThere(theirs.reference, envelope, "");
      expect(signed.exitCode, signed.stderr).toBe(0);
      const flags = ["--notation-config", folder, "-a", "build=7"];
      const read = await runCountersign(["verify", ...flags, theirs.reference, ours.reference]);
      expect(read.exitCode, read.stdout + read.stderr).toBe(0);
    });

    it.concurrent.each(CASES)("ends as the table says when it does: '$wrong'", async ({ wrong, notation, here }) => {
      const image = await pushImage(host, `plugins/cases-${wrong.toLowerCase() || "good"}`, "1");
      const there = await signThere(image.reference, "jws", wrong);
      expect(there.exitCode === 0, there.stdout + there.stderr).toBe(notation);
      const ours = await signHere(image.reference, "jws", wrong);
      expect(ours.exitCode === 0, ours.stdout + ours.stderr).toBe(here);
    });

    it("has a row of docs/differences.md wherever the two end otherwise", () => {
      const page = readFileSync(new URL("../../docs/differences.md", import.meta.url), "utf8");
      for (const each of CASES) {
        expect("row" in each, each.wrong).toBe(each.notation !== each.here);
        if ("row" in each) expect(page).toContain(`| \`${each.row}\``);
      }
    });
  },
);
