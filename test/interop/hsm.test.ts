import { createPublicKey } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { generateKey } from "openpgp";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { parseOpenPgpSecretKey } from "../../src/signers/openpgp-key.ts";
import { fileOf, runCountersign } from "../support/countersign.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { cosignVerify } from "./support/cosign.ts";
import { verifyHere } from "./support/countersign.ts";
import { pushImage } from "./support/image.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";
import { createPki, type Pki } from "./support/pki.ts";
import { run, temporaryFolder } from "./support/run.ts";

// A token, its keys and several programs for each promise, beside whatever else this machine does.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const PIN = "4711-geheim";
const identity = "https://ci.example.com/release";
/** Where Debian, Fedora and Homebrew put it. */
const modules = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
  "/usr/lib64/softhsm/libsofthsm2.so",
  "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/** The recipes of docs/hsm.md. SoftHSM, like many tokens, has ECDSA over a digest alone. */
const recipes = [
  {
    name: "ECDSA P-256",
    id: "01",
    type: "EC:prime256v1",
    mechanism: "ECDSA",
    input: "digest",
    algorithm: undefined,
    cosign: true,
  },
  {
    name: "ECDSA P-384",
    id: "02",
    type: "EC:secp384r1",
    mechanism: "ECDSA",
    input: "digest",
    algorithm: undefined,
    cosign: true,
  },
  {
    name: "RSA PKCS #1",
    id: "03",
    type: "rsa:2048",
    mechanism: "{HASH}-RSA-PKCS",
    input: "message",
    algorithm: undefined,
    cosign: true,
  },
  {
    name: "RSA-PSS",
    id: "04",
    type: "rsa:3072",
    mechanism: "{HASH}-RSA-PKCS-PSS",
    input: "message",
    algorithm: "rsa-pss-sha384",
    cosign: false,
  },
] as const;

/** PEM of the key on P-256 or P-384 at the point with these coordinates, hex. */
function keyAt(point: string): string {
  const octets = Buffer.from(point, "hex");
  const half = octets.length / 2;
  const [x, y] = [octets.subarray(0, half), octets.subarray(half)].map((each) => each.toString("base64url"));
  const key = createPublicKey({ key: { kty: "EC", crv: half === 32 ? "P-256" : "P-384", x, y }, format: "jwk" });
  return key.export({ type: "spki", format: "pem" }).toString();
}

describeWithPeer(
  ["softhsm2-util", "pkcs11-tool", "cosign", "skopeo"],
  "a key in a PKCS #11 token, by pkcs11-tool behind exec:",
  () => {
    let registry: StartedRegistry;
    let pki: Pki;
    let tool: readonly string[];
    const env: Record<string, string> = { HSM_PIN: PIN };

    beforeAll(async () => {
      const folder = temporaryFolder("softhsm");
      mkdirSync(path.join(folder, "tokens"));
      env["SOFTHSM2_CONF"] = path.join(folder, "softhsm2.conf");
      writeFileSync(env["SOFTHSM2_CONF"], `directories.tokendir = ${folder}/tokens\nobjectstore.backend = file\n`);
      const module = modules.find((file) => existsSync(file));
      if (module === undefined) throw new Error(`libsofthsm2.so is in none of ${modules.join(", ")}`);
      tool = [requirePeer("pkcs11-tool"), "--module", module, "--token-label", "ci", "--login", "--pin", "env:HSM_PIN"];
      await done(
        requirePeer("softhsm2-util"),
        "--init-token",
        "--free",
        "--label",
        "ci",
        "--pin",
        PIN,
        "--so-pin",
        "0815",
      );
      registry = await startRegistry();
      pki = await createPki("hsm");
    });
    afterAll(() => registry?.close());

    /** Runs a program of the token's to its good end; gives what it printed. */
    async function done(program: string, ...args: readonly string[]): Promise<string> {
      const ended = await run(program, args, { env: { PATH: "/usr/bin:/bin", ...env } });
      expect(ended.exitCode, ended.stderr).toBe(0);
      return ended.stdout;
    }

    /** A new key in the token; gives its public half as PEM. */
    async function makeKey(id: string, type: string): Promise<string> {
      const [program = "", ...args] = tool;
      await done(program, ...args, "--keypairgen", "--key-type", type, "--id", id, "--label", `key ${id}`);
      if (type.startsWith("EC:")) {
        // OpenSC 0.23 cannot write a public key on P-384; the point is shown by every version.
        const objects = (await done(program, ...args, "--list-objects", "--type", "pubkey")).split("Public Key Object");
        const own = objects.find((text) => new RegExp(`ID:\\s*${id}\\b`).test(text)) ?? "";
        return keyAt(/EC_POINT:\s*04[0-9a-f]{2}04([0-9a-f]+)/.exec(own)?.[1] ?? "");
      }
      const file = path.join(temporaryFolder("softhsm"), `${id}.der`);
      await done(program, ...args, "--read-object", "--type", "pubkey", "--id", id, "--output-file", file);
      const key = createPublicKey({ key: readFileSync(file), format: "der", type: "spki" });
      return key.export({ type: "spki", format: "pem" }).toString();
    }

    it.each(recipes)("signs by $name in both formats", async ({ id, type, mechanism, input, algorithm, cosign }) => {
      const leaf = await pki.issue({ publicPem: await makeKey(id, type) }, { uri: identity });
      const command = [...tool, "--sign", "--id", id, "--mechanism", mechanism].map((word) => `"${word}"`).join(" ");
      for (const format of ["cosign", "bundle"] as const) {
        // cosign looks at bundles first, and then no further: an image for each.
        const image = await pushImage(registry.host, `hsm/${id}`, format);
        const signed = await runCountersign(
          [
            ...["sign", "--signer", `exec:${command}`, "--signer-input", input],
            ...["--pass-env", "HSM_PIN", "--pass-env", "SOFTHSM2_CONF"],
            ...["--certificate", fileOf(leaf), "--certificate-chain", fileOf(pki.chain), "--format", format],
            ...(algorithm === undefined ? [] : ["--signing-algorithm", algorithm]),
            image.reference,
          ],
          { env },
        );
        expect(signed.exitCode, signed.stderr + signed.stdout).toBe(0);
        expect(signed.stdout + signed.stderr).not.toContain(PIN);
        expect(signed.stdout.includes("cosign verify does not accept")).toBe(!cosign);

        const ours = await verifyHere({ images: [image.reference], trust: { roots: pki.root, identity } });
        const found = ours.report.images.flatMap(({ signatures }) => signatures);
        expect(found.map((each) => [each.format, each.trusted])).toEqual([[format, true]]);
        if (algorithm !== undefined) expect(found[0]?.algorithm).toBe(algorithm);

        const intermediates = format === "bundle" ? pki.intermediate : undefined;
        const trust = { roots: pki.root, intermediates, identity };
        const theirs = await cosignVerify({ image: image.reference, format, trust });
        expect(theirs.exitCode === 0, theirs.stderr).toBe(cosign);
      }
    });

    it("signs for podman by an OpenPGP key that lives in the token, given its public key block", async () => {
      const made = await generateKey({
        type: "rsa",
        rsaBits: 2048,
        userIDs: { name: "HSM release" },
        subkeys: [],
        date: new Date(Date.now() - 86_400_000),
      });
      const { key } = await parseOpenPgpSecretKey(Buffer.from(made.privateKey), async () => undefined, new Date());
      const pkcs8 = fileOf(key.export({ type: "pkcs8", format: "pem" }).toString());
      const token = ["--token", "ci", "--pin", PIN, "--id", "21", "--label", "openpgp"];
      await done(requirePeer("softhsm2-util"), "--import", pkcs8, ...token);
      const block = fileOf(made.publicKey);

      const image = await pushImage(registry.host, "hsm/openpgp", "openpgp");
      const folder = temporaryFolder("softhsm");
      const [lookaside, registriesD] = [path.join(folder, "sigs"), path.join(folder, "registries.d")];
      for (const each of [lookaside, registriesD]) mkdirSync(each);
      writeFileSync(
        path.join(registriesD, "a.yaml"),
        `docker:\n  ${registry.host}:\n    lookaside: file://${lookaside}\n`,
      );
      const policy = path.join(folder, "policy.json");
      const signedBy = [{ type: "signedBy", keyType: "GPGKeys", keyPath: block }];
      writeFileSync(policy, JSON.stringify({ default: signedBy }));
      const copy = () => {
        const from = `docker://${image.reference}`;
        const flags = ["--policy", policy, "--registries.d", registriesD, "copy", "--src-tls-verify=false"];
        const env = { PATH: "/usr/bin:/bin", HOME: folder };
        return run(requirePeer("skopeo"), [...flags, from, `dir:${temporaryFolder("copied")}`], { env });
      };
      expect((await copy()).stderr).toContain("Source image rejected");

      const words = [...tool, "--sign", "--id", "21", "--mechanism", "SHA256-RSA-PKCS"];
      const signed = await runCountersign(
        [
          ...["sign", "--format", "openpgp", "--gpg-key", block, "--signing-algorithm", "rsa-pkcs1-sha256"],
          ...["--signer", `exec:${words.map((word) => `"${word}"`).join(" ")}`, "--signer-input", "message"],
          ...["--pass-env", "HSM_PIN", "--pass-env", "SOFTHSM2_CONF", "--lookaside", lookaside, image.reference],
        ],
        { env },
      );
      expect(signed.exitCode, signed.stderr + signed.stdout).toBe(0);
      const copied = await copy();
      expect(copied.exitCode, copied.stderr).toBe(0);
    });

    it("stores nothing when the PIN is wrong, and does not show it", async () => {
      const image = await pushImage(registry.host, "hsm/pin", "pin");
      const leaf = await pki.issue({ publicPem: await makeKey("09", "EC:prime256v1") }, { uri: identity });
      const command = [...tool, "--sign", "--id", "09", "--mechanism", "ECDSA"].map((word) => `"${word}"`).join(" ");
      registry.clear();
      const signed = await runCountersign(
        [
          "sign",
          ...[
            "--signer",
            `exec:${command}`,
            "--signer-input",
            "digest",
            "--pass-env",
            "HSM_PIN",
            "--pass-env",
            "SOFTHSM2_CONF",
          ],
          ...["--certificate", fileOf(leaf), "--certificate-chain", fileOf(pki.chain), image.reference],
        ],
        { env: { ...env, HSM_PIN: "1234-falsch" } },
      );
      expect(signed.exitCode, signed.stdout).toBe(3);
      expect(signed.stdout + signed.stderr).toContain("E_SIGNER_FAILED");
      expect(signed.stdout + signed.stderr).not.toContain("1234-falsch");
      expect(registry.count("PUT") + registry.count("POST")).toBe(0);
    });
  },
);
