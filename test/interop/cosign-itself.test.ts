import { createPublicKey, verify } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type CosignFormat,
  cosignGenerateKey,
  cosignImportKey,
  cosignSign,
  cosignVerify,
  runCosign,
} from "./support/cosign.ts";
import { type DockerRegistry, startDockerRegistry } from "./support/docker-registry.ts";
import { type PushedImage, pushImage, pushIndex } from "./support/image.ts";
import { describeWithPeer } from "./support/peers.ts";
import { createPki, generateKey, KEY_TYPES, type KeyType, type Pki } from "./support/pki.ts";

// What the interop tests build on: the peer's own behaviour, seen and not believed. A new version of cosign that behaves
// otherwise fails here first.

const formats: readonly CosignFormat[] = ["cosign", "bundle"];
/** The hash cosign signs with; undefined: Ed25519ph, which it verifies nowhere. */
const hashes: Readonly<Record<KeyType, "sha256" | "sha384" | "sha512" | undefined>> = {
  p256: "sha256",
  p384: "sha384",
  p521: "sha512",
  rsa2048: "sha256",
  rsa3072: "sha256",
  rsa4096: "sha256",
  ed25519: undefined,
};

describeWithPeer(["cosign", "docker-registry"], "cosign 3.1.2 by itself, on a registry without referrers API", () => {
  let registry: DockerRegistry;
  let pki: Pki;
  const keys = new Map(KEY_TYPES.map((type) => [type, generateKey(type)]));

  beforeAll(async () => {
    registry = await startDockerRegistry();
    pki = await createPki("Interop");
  });
  afterAll(() => registry?.stop());

  function keyOf(type: KeyType) {
    const key = keys.get(type);
    if (key === undefined) throw new Error(type);
    return key;
  }

  async function payloadAndSignature(image: PushedImage): Promise<{ payload: Buffer; signature: Buffer }> {
    const base = `http://${registry.host}/v2/${image.repository}`;
    const manifest = await fetch(`${base}/manifests/${image.digest.replace(":", "-")}.sig`, {
      headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
    });
    const { layers } = (await manifest.json()) as { layers: { digest: string; annotations: Record<string, string> }[] };
    const [layer] = layers;
    const payload = await fetch(`${base}/blobs/${layer?.digest}`);
    return {
      payload: Buffer.from(await payload.arrayBuffer()),
      signature: Buffer.from(layer?.annotations["dev.cosignproject.cosign/signature"] ?? "", "base64"),
    };
  }

  for (const format of formats) {
    for (const type of KEY_TYPES) {
      it(`signs as ${format} by ${type} key, and verifies that with the right hash unless it is Ed25519ph`, async () => {
        const { publicPem, privatePem } = keyOf(type);
        const image = await pushImage(registry.host, `key/${type}/${format}`);
        const { privateKey, publicKey } = await cosignImportKey(privatePem);
        expect(publicKey.trim()).toBe(publicPem.trim());
        const signed = await cosignSign({ image: image.reference, format, key: privateKey, annotations: { a: "1" } });
        expect(signed.exitCode, signed.stderr).toBe(0);

        const digest = hashes[type];
        const verified = await cosignVerify({
          image: image.reference,
          format,
          trust: { key: publicPem, digest },
          annotations: { a: "1" },
        });
        expect(verified.exitCode === 0, verified.stderr).toBe(digest !== undefined);
        const plain = await cosignVerify({ image: image.reference, format, trust: { key: publicPem } });
        expect(plain.exitCode === 0, plain.stderr).toBe(digest === "sha256");
      });

      it(`signs as ${format} by ${type} certificate, drops the chain, and checks the leaf's identity`, async () => {
        const { privatePem } = keyOf(type);
        const uri = `https://ci.example.test/${type}`;
        const image = await pushImage(registry.host, `pki/${type}/${format}`);
        const { privateKey } = await cosignImportKey(privatePem);
        const certificate = await pki.issue(keyOf(type), { uri });
        const signed = await cosignSign({
          image: image.reference,
          format,
          key: privateKey,
          certificate,
          chain: pki.chain,
        });
        expect(signed.exitCode, signed.stderr).toBe(0);

        const trust = { roots: pki.root, intermediates: pki.intermediate, identity: uri };
        const verified = await cosignVerify({ image: image.reference, format, trust });
        const verifies = format === "cosign" ? hashes[type] === "sha256" : hashes[type] !== undefined;
        expect(verified.exitCode === 0, verified.stderr).toBe(verifies);
        const other = await cosignVerify({ image: image.reference, format, trust: { ...trust, identity: `${uri}/x` } });
        expect(other.exitCode).not.toBe(0);
        const alone = await cosignVerify({ image: image.reference, format, trust: { roots: pki.root, identity: uri } });
        expect(alone.exitCode, "the chain is stored in neither format").not.toBe(0);
      });
    }
  }

  it("signs Ed25519 by the pre-hashed variant, which plain Ed25519 does not verify", async () => {
    const { publicPem, privatePem } = keyOf("ed25519");
    const image = await pushImage(registry.host, "ed25519ph");
    const { privateKey } = await cosignImportKey(privatePem);
    await cosignSign({ image: image.reference, format: "cosign", key: privateKey });
    const { payload, signature } = await payloadAndSignature(image);
    expect(signature).toHaveLength(64);
    expect(verify(null, payload, createPublicKey(publicPem), signature)).toBe(false);
  });

  it("signs every image of an index", async () => {
    const { index, children } = await pushIndex(registry.host, "index", ["amd64", "arm64"], "v1");
    const { privateKey, publicKey } = await cosignGenerateKey();
    const signed = await cosignSign({ image: index.reference, format: "cosign", key: privateKey, recursive: true });
    expect(signed.exitCode, signed.stderr).toBe(0);
    for (const { reference } of [index, ...children]) {
      const verified = await cosignVerify({ image: reference, format: "cosign", trust: { key: publicKey } });
      expect(verified.exitCode, verified.stderr).toBe(0);
    }
  });

  it("tells an unsigned image from one signed by another key", async () => {
    const image = await pushImage(registry.host, "refused");
    const [mine, theirs] = [await cosignGenerateKey(), await cosignGenerateKey()];
    const verification = { image: image.reference, format: "cosign" as const, trust: { key: mine.publicKey } };
    expect((await cosignVerify(verification)).exitCode).toBe(10);
    await cosignSign({ image: image.reference, format: "cosign", key: theirs.privateKey });
    expect((await cosignVerify(verification)).exitCode).toBe(12);
  });

  it("is the pinned version", async () => {
    expect((await runCosign(["version"])).stdout).toContain("v3.1.2");
  });
});
