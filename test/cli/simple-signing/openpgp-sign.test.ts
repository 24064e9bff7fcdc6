import { sign as signBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { generateKey } from "openpgp";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { payloadReport, signReport } from "../../../src/reports/report.ts";
import { parseOpenPgpSecretKey } from "../../../src/signers/openpgp-key.ts";
import { readArmor } from "../../../src/trust/openpgp/armor.ts";
import { type Gpg, openGpg } from "../../interop/support/gpg.ts";
import { describeWithPeer } from "../../interop/support/peers.ts";
import { fileOf, runCountersign } from "../../support/countersign.ts";
import { pushImage, storageSink } from "../../support/images.ts";
import { type StartedRegistry, startRegistry } from "../../support/start-registry.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { runByClock, standaloneVerify } from "../support/openpgp.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const PASSPHRASE = "vier Wörter für morgen";
const born = new Date(Date.now() - 86_400_000);

describeWithPeer(["gpg", "skopeo"], "signing images for podman and skopeo", () => {
  let gpg: Gpg;
  let registry: StartedRegistry;
  let digest: string;
  let image: (tag: string) => string;
  let secret: string;
  let block: string;
  let other: string;
  let newKind: string;
  let pem: string;
  let fingerprint: string;

  beforeAll(async () => {
    gpg = openGpg();
    registry = await startRegistry();
    const sink = storageSink(registry.storage, "team/app");
    const pushed = await pushImage(sink, { tag: "1.2", seed: "signing" });
    await pushImage(sink, { tag: "latest", seed: "signing" });
    digest = pushed.digest;
    image = (tag) => `${registry.host}/team/app:${tag}`;
    gpg.file("manifest.json", pushed.bytes);
    const made = { date: born, subkeys: [] };
    const [own, stranger, newer] = await Promise.all([
      generateKey({ ...made, type: "ecc", curve: "nistP256", userIDs: { name: "release" }, passphrase: PASSPHRASE }),
      generateKey({ ...made, type: "ecc", curve: "nistP256", userIDs: { name: "stranger" } }),
      generateKey({ ...made, type: "curve25519", userIDs: { name: "newer" } }),
    ]);
    [secret, block, other, newKind] = [own.privateKey, own.publicKey, stranger.publicKey, newer.privateKey];
    const opened = await parseOpenPgpSecretKey(Buffer.from(secret), async () => Buffer.from(PASSPHRASE), new Date());
    pem = opened.key.export({ type: "pkcs8", format: "pem" }).toString();
    fingerprint = opened.material.certificate.fingerprint;
    await gpg.do("--import", gpg.file("block.asc", block));
  });
  afterAll(async () => {
    await gpg?.close();
    await registry?.close();
  });

  it("signs each tag of one image, once, by a key and passphrase out of variables", async () => {
    const lookaside = temporaryFolder();
    const sign = () =>
      start([
        "sign",
        "--key",
        "env://KEY",
        "--passphrase",
        "env://PASS",
        "--format",
        "openpgp",
        "--lookaside",
        lookaside,
        image("1.2"),
        image("latest"),
      ]);
    const first = await sign();
    expect(first.exit, first.said).toBe(0);
    const { images } = signReport.parse(JSON.parse(first.out));
    expect(images.map(({ status }) => status)).toEqual(["signed", "signed"]);
    expect(images[0]?.signatures[0]?.signer).toMatchObject({
      subject: "release",
      fingerprint: `openpgp4fpr:${fingerprint}`,
    });
    const files = signaturesIn(lookaside);
    expect(files).toHaveLength(2);
    const verdicts = await Promise.all(files.map((file) => accepts(file, image("1.2"))));
    expect(verdicts.sort(), "one of them is of this tag").toEqual([false, true]);
    expect((await sign()).out).toContain('"unchanged"');
    expect(signaturesIn(lookaside)).toHaveLength(2);
    const verified = await start([
      "verify",
      "--gpg-key",
      fileOf(block),
      "--lookaside",
      lookaside,
      "--require-reference",
      "exact",
      image("latest"),
    ]);
    expect(verified.exit, verified.said).toBe(0);
  });

  it("signs by the bundle alone: no program on PATH, nothing left in the home folder, no secret printed", async () => {
    const [home, lookaside] = [temporaryFolder(), temporaryFolder()];
    const args = [
      "sign",
      "--key",
      fileOf(secret),
      "--passphrase",
      "env://PASS",
      "--format",
      "openpgp",
      "--lookaside",
      lookaside,
      image("1.2"),
    ];
    const { exitCode, stdout, stderr } = await runCountersign(args, {
      env: { PATH: "", HOME: home, PASS: PASSPHRASE },
    });
    expect(exitCode, stderr).toBe(0);
    expect(readdirSync(home)).toEqual([]);
    expect(stdout + stderr).not.toContain(PASSPHRASE);
    expect(await Promise.all(signaturesIn(lookaside).map((file) => accepts(file, image("1.2"))))).toEqual([true]);
  });

  it("signs by a key elsewhere in the name of its certificate, and of no other", async () => {
    const lookaside = temporaryFolder();
    const sign = (certificate: string) =>
      start([
        "sign",
        "--key",
        fileOf(pem),
        "--gpg-key",
        fileOf(certificate),
        "--format",
        "openpgp",
        "--lookaside",
        lookaside,
        image("1.2"),
      ]);
    const refused = await sign(other);
    expect([refused.exit, refused.said]).toEqual([2, expect.stringContaining("E_KEY_MISMATCH")]);
    expect(signaturesIn(lookaside)).toEqual([]);
    expect((await sign(block)).exit).toBe(0);
    expect(await Promise.all(signaturesIn(lookaside).map((file) => accepts(file, image("1.2"))))).toEqual([true]);
  });

  it("puts together what was signed elsewhere from bytes, signature and certificate", async () => {
    const [lookaside, bytes] = [temporaryFolder(), path.join(temporaryFolder(), "bytes")];
    const certificate = fileOf(block);
    const prepared = await start([
      "payload",
      "--format",
      "openpgp",
      "--gpg-key",
      certificate,
      "--out",
      bytes,
      image("1.2"),
    ]);
    expect(prepared.exit, prepared.said).toBe(0);
    expect(payloadReport.parse(JSON.parse(prepared.out)).signing).toMatchObject({ algorithm: "ecdsa-p256-sha256" });
    const signature = fileOf(signBytes("sha256", readFileSync(bytes), pem));
    const attached = await start([
      "attach",
      "--payload",
      bytes,
      "--signature",
      signature,
      "--gpg-key",
      certificate,
      "--lookaside",
      lookaside,
      image("1.2"),
    ]);
    expect(attached.exit, attached.said).toBe(0);
    expect(await Promise.all(signaturesIn(lookaside).map((file) => accepts(file, image("1.2"))))).toEqual([true]);
  });

  it.each([
    ["without a certificate", () => ["--key", fileOf(pem)], "E_ALGORITHM_UNSUPPORTED"],
    ["by a kind of key that gpg 2.2 cannot read", () => ["--key", fileOf(newKind)], "E_KEY_UNSUPPORTED"],
    ["without the passphrase", () => ["--key", fileOf(secret)], "E_PASSPHRASE_REQUIRED"],
    ["by a wrong passphrase", () => ["--key", fileOf(secret), "--passphrase", fileOf("wrong")], "E_PASSPHRASE_WRONG"],
    ["by a public key", () => ["--key", fileOf(block)], "E_KEY_NOT_PRIVATE"],
    [
      "a short name",
      () => ["--key", "env://KEY", "--passphrase", "env://PASS", "--sign-identity", "app:1.2"],
      "E_REFERENCE_INVALID",
    ],
    [
      "a repository alone",
      () => ["--key", "env://KEY", "--passphrase", "env://PASS", "--sign-identity", "r.example/app"],
      "E_REFERENCE_INVALID",
    ],
  ])("refuses to sign %s, before any request", async (_what, key, code) => {
    const before = registry.requests.length;
    const { exit, said } = await start([
      "sign",
      ...key(),
      "--format",
      "openpgp",
      "--lookaside",
      temporaryFolder(),
      image("1.2"),
    ]);
    expect(said).toContain(code);
    expect(exit).toBe(2);
    expect(registry.requests.length).toBe(before);
  });

  it("signs by a key in a binary file, and by one on standard input", async () => {
    const [block] = readArmor(Buffer.from(secret));
    const binary = fileOf(block?.bytes ?? "");
    for (const [source, stdin] of [[binary], ["-", secret]] as const) {
      const lookaside = temporaryFolder();
      const how = ["--key", source, "--passphrase", "env://PASS", "--format", "openpgp", "--lookaside", lookaside];
      const { exit, said } = await start(["sign", ...how, image("1.2")], stdin);
      expect(exit, said).toBe(0);
      expect(await Promise.all(signaturesIn(lookaside).map((file) => accepts(file, image("1.2"))))).toEqual([true]);
    }
  });

  it("signs in other formats by an OpenPGP key", async () => {
    const signed = await start(["sign", "--key", "env://KEY", "--passphrase", "env://PASS", image("1.2")]);
    expect(signed.exit, signed.said).toBe(0);
    expect(signReport.parse(JSON.parse(signed.out)).images[0]?.signatures[0]?.signer?.fingerprint).toMatch(/^sha256:/);
  });

  async function start(args: readonly string[], stdin = "") {
    const env = { PATH: "", KEY: Buffer.from(secret).toString("base64"), PASS: PASSPHRASE };
    const ended = await runByClock([args[0] ?? "", "--output", "json", ...args.slice(1)], { env, stdin });
    expect(ended.said).not.toContain(PASSPHRASE);
    return ended;
  }

  function signaturesIn(lookaside: string): readonly string[] {
    return readdirSync(lookaside, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.startsWith("signature-"))
      .map((entry) => path.join(entry.parentPath, entry.name));
  }

  async function accepts(file: string, reference: string): Promise<boolean> {
    const { exitCode, stdout } = await standaloneVerify(gpg, reference, fingerprint, file);
    return exitCode === 0 && stdout.includes(digest);
  }
});
