import { createHash } from "node:crypto";
import path from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { openPgpFormat } from "../../src/formats/openpgp/format.ts";
import { ALGORITHMS } from "../../src/model/algorithm.ts";
import type { Subject } from "../../src/model/descriptor.ts";
import { OCI_MANIFEST, OPENPGP_SIGNATURE } from "../../src/model/media-types.ts";
import type { Finding, PublicMaterial, Stored } from "../../src/model/signature.ts";
import { createLocalSigner } from "../../src/signers/local-signer.ts";
import { parseOpenPgpSecretKey } from "../../src/signers/openpgp-key.ts";
import { parseKeyring } from "../../src/trust/openpgp/keyring.ts";
import { type Gpg, openGpg } from "./support/gpg.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";
import { run } from "./support/run.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const manifest = Buffer.from(
  `{"schemaVersion":2,"mediaType":"${OCI_MANIFEST}","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:${"1".repeat(64)}","size":2},"layers":[]}`,
);
const digest = `sha256:${createHash("sha256").update(manifest).digest("hex")}` as const;
const subject: Subject = {
  repository: "registry.example.com/team/app",
  digest,
  mediaType: OCI_MANIFEST,
  size: manifest.length,
};
const reference = "registry.example.com/team/app:1.2";

describeWithPeer(["gpg", "skopeo"], "OpenPGP signatures for gpg 2.2 and skopeo", () => {
  let gpg: Gpg;
  beforeAll(() => {
    gpg = openGpg();
    gpg.file("manifest.json", manifest);
  });
  afterAll(() => gpg?.close());

  const keys = [
    { name: "RSA 2048", algorithm: "rsa2048" },
    { name: "RSA 3072", algorithm: "rsa3072" },
    { name: "RSA 4096, encrypted", algorithm: "rsa4096", passphrase: "vier Wörter für morgen" },
    { name: "Ed25519 as gpg 2.2 makes it", algorithm: "ed25519" },
    { name: "Ed25519, encrypted", algorithm: "ed25519", passphrase: "geheim" },
    { name: "ECDSA P-256", algorithm: "nistp256" },
    { name: "ECDSA P-384", algorithm: "nistp384" },
  ];

  it.each(keys)("signs with $name what both verify, and verifies what both sign", async ({ name, ...kind }) => {
    const fingerprint = await gpg.generate(name, kind.algorithm, kind);
    const secret = Buffer.from(await gpg.exportSecret(fingerprint, kind.passphrase));
    const ours = await signWith(secret, kind.passphrase);
    const file = gpg.file("ours.sig", ours);
    expect((await gpg.run("--status-fd", "1", "--verify", file)).stdout).toContain(`VALIDSIG ${fingerprint}`);
    expect(await standaloneVerify(fingerprint, file)).toBe("");

    const block = Buffer.from(await gpg.exportPublic(fingerprint));
    expect(await checkWith(block, ours)).toMatchObject({
      reasons: [],
      signer: { subject: name, fingerprint: `openpgp4fpr:${fingerprint}` },
      claims: { reference, digests: [digest] },
    });
    const payload = JSON.stringify({
      critical: {
        identity: { "docker-reference": reference },
        image: { "docker-manifest-digest": digest },
        type: "atomic container signature",
      },
      optional: {},
    });
    const passphrase = ["--passphrase", kind.passphrase ?? ""];
    for (const level of ["-z0", "-z6"]) {
      await gpg.do(
        ...passphrase,
        "-u",
        fingerprint,
        level,
        "--output",
        path.join(gpg.home, "theirs.sig"),
        "--sign",
        gpg.file("payload", payload),
      );
      expect((await checkWith(block, gpg.read("theirs.sig"))).reasons, `gpg ${level}`).toEqual([]);
    }
  });

  async function signWith(secret: Uint8Array, passphrase?: string): Promise<Uint8Array> {
    const { key, material: openpgp } = await parseOpenPgpSecretKey(
      secret,
      async () => (passphrase === undefined ? undefined : Buffer.from(passphrase)),
      new Date(),
    );
    const signer = createLocalSigner({ key, chain: [], label: "key" });
    const material: PublicMaterial = { ...(await signer.describe()), openpgp };
    const options = { annotations: {}, reference, at: new Date(), agent: "countersign/1.0.0" };
    const prepared = openPgpFormat.prepare(subject, material, options);
    const signature = await signer.sign({ ...prepared, bytes: prepared.presented ?? prepared.bytes });
    return openPgpFormat.assemble(prepared, signature, material, options).bytes;
  }

  async function checkWith(block: Uint8Array, bytes: Uint8Array): Promise<Finding> {
    const { certificates } = await parseKeyring(block, new Date());
    const stored: Stored = {
      place: { kind: "lookaside", name: "x" },
      mediaType: OPENPGP_SIGNATURE,
      bytes,
      annotations: {},
    };
    const evidence = openPgpFormat.read(stored);
    if ("reason" in evidence) throw new Error(`${evidence.reason.code}: ${evidence.reason.message}`);
    const trust = { keys: [], anchors: [], intermediates: [], openpgp: certificates, allowedAlgorithms: ALGORITHMS };
    return openPgpFormat.check(evidence, digest, trust, new Date());
  }

  /** What skopeo objects to; nothing: it accepts. */
  async function standaloneVerify(fingerprint: string, file: string): Promise<string> {
    const args = ["standalone-verify", path.join(gpg.home, "manifest.json"), reference, fingerprint, file];
    const env = { GNUPGHOME: gpg.home, PATH: "/usr/bin:/bin", HOME: gpg.home };
    const ended = await run(requirePeer("skopeo"), args, { env });
    return ended.exitCode === 0 ? "" : ended.stderr;
  }
});
