import { createPrivateKey, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type Algorithm, VERIFY_ONLY } from "../../src/model/algorithm.ts";
import type { Prepared } from "../../src/model/signature.ts";
import { createLocalSigner } from "../../src/signers/local-signer.ts";
import { publicKeyFrom } from "../../src/trust/public-keys.ts";
import { verifySignature } from "../../src/trust/verify-signature.ts";
import { createPki, makeKey, makePssKey } from "../trust/support/pki.ts";

const prepared = (
  algorithm: Algorithm,
  encoding: Prepared["encoding"] = algorithm.startsWith("ecdsa") ? "der" : "raw",
): Prepared => ({
  format: "cosign",
  subject: `sha256:${"0".repeat(64)}`,
  bytes: Buffer.from("payload"),
  algorithm,
  encoding,
});
const keys: readonly [string, KeyObject][] = [
  ...(["p256", "p384", "p521", "rsa2048", "rsapss", "ed25519"] as const).map((kind): [string, KeyObject] => [
    kind,
    makeKey(kind),
  ]),
  ["rsapss with parameters", makePssKey("sha256", "sha256", 40)],
];
const pairs = keys.flatMap(([name, key]) =>
  publicKeyFrom(key)
    .algorithms.filter((algorithm) => !VERIFY_ONLY.includes(algorithm))
    .map((algorithm): [string, Algorithm, KeyObject] => [name, algorithm, key]),
);

describe("a key in this process", () => {
  it.each(pairs)("%s signs as %s, and it verifies", async (_, algorithm, key) => {
    const signer = createLocalSigner({ key, chain: [], label: "key test" });
    const { publicKey } = await signer.describe();
    const signature = await signer.sign(prepared(algorithm));
    expect(await verifySignature(publicKey, algorithm, Buffer.from("payload"), signature)).toBe(true);
  });

  it("makes no Ed25519ph, which cosign verifies nowhere", async () => {
    const signer = createLocalSigner({ key: makeKey("ed25519"), chain: [], label: "key test" });
    await expect(signer.sign(prepared("ed25519ph"))).rejects.toMatchObject({ code: "E_ALGORITHM_UNSUPPORTED" });
  });

  it("describes its key and its chain", async () => {
    const pki = createPki();
    const material = await createLocalSigner({ key: pki.key, chain: pki.chain, label: "key a" }).describe();
    expect(material.chain).toBe(pki.chain);
    expect(material.publicKey.fingerprint).toBe(publicKeyFrom(pki.leaf.publicKey).fingerprint);
  });

  it("refuses an algorithm that the key does not permit, naming those that it does", async () => {
    const signer = createLocalSigner({ key: makeKey("p256"), chain: [], label: "key" });
    await expect(signer.sign(prepared("rsa-pss-sha256"))).rejects.toMatchObject({
      code: "E_ALGORITHM_UNSUPPORTED",
      hint: expect.stringContaining("ecdsa-p256-sha256"),
    });
  });

  it.each<[Algorithm, Prepared["encoding"], KeyObject]>([
    ["ecdsa-p256-sha256", "raw", makeKey("p256")],
    ["ed25519", "der", makeKey("ed25519")],
  ])("refuses %s encoded as %s", async (algorithm, encoding, key) => {
    const signer = createLocalSigner({ key, chain: [], label: "key" });
    await expect(signer.sign(prepared(algorithm, encoding))).rejects.toMatchObject({ code: "E_ALGORITHM_UNSUPPORTED" });
  });

  it("refuses a weak key before it signs anything", () => {
    expect(() => createLocalSigner({ key: makeKey("rsa1024"), chain: [], label: "key" })).toThrow(
      expect.objectContaining({ code: "E_KEY_WEAK", exit: 2 }),
    );
  });

  it("lets no signature out that its own public key does not verify", async () => {
    const [one, other] = [makeKey("p256"), makeKey("p256")].map((key) => key.export({ format: "jwk" }));
    const mixed = createPrivateKey({ key: { ...one, d: other?.d ?? "" }, format: "jwk" });
    const signer = createLocalSigner({ key: mixed, chain: [], label: "key mixed" });
    await expect(signer.sign(prepared("ecdsa-p256-sha256"))).rejects.toMatchObject({
      message: expect.stringContaining("key mixed"),
    });
  });
});
