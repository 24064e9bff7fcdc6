import { constants, type KeyObject, sign } from "node:crypto";
import { ed25519ph } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS, type Algorithm } from "../../src/model/algorithm.ts";
import { hashOf, publicKeyFrom } from "../../src/trust/public-keys.ts";
import { matchAlgorithm, signingSaltLength, verifySignature } from "../../src/trust/verify-signature.ts";
import { integerOf, sequenceOf } from "./support/der-writer.ts";
import { makeKey, makePssKey } from "./support/pki.ts";

const data = Buffer.from("the bytes that were signed");
const keys: Readonly<Record<string, KeyObject>> = {
  p256: makeKey("p256"),
  p384: makeKey("p384"),
  p521: makeKey("p521"),
  rsa: makeKey("rsa2048"),
  rsapss: makeKey("rsapss"),
  restricted: makePssKey("sha256", "sha256", 40),
  ed25519: makeKey("ed25519"),
};
const pairs = Object.entries(keys).flatMap(([name, key]) =>
  publicKeyFrom(key).algorithms.map((algorithm): [string, Algorithm] => [name, algorithm]),
);
const keyOf = (name: string): KeyObject => keys[name] ?? makeKey("p256");

function signatureBy(key: KeyObject, algorithm: Algorithm, saltLength = signingSaltLength(key, algorithm)): Buffer {
  if (algorithm === "ed25519ph") {
    const seed = key.export({ type: "pkcs8", format: "der" }).subarray(-32);
    return Buffer.from(ed25519ph.sign(data, seed));
  }
  const padding = algorithm.startsWith("rsa-pss") ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  return sign(hashOf(algorithm), data, algorithm.startsWith("rsa") ? { key, padding, saltLength } : key);
}

describe("a signature by a key", () => {
  it.each(pairs)("%s: verifies as %s and as nothing else", async (name, algorithm) => {
    const key = keyOf(name);
    const signature = signatureBy(key, algorithm);
    const verifies = await Promise.all(
      ALGORITHMS.map((candidate) => verifySignature(publicKeyFrom(key), candidate, data, signature)),
    );
    expect(ALGORITHMS.filter((_, at) => verifies[at])).toEqual([algorithm]);
    expect(await matchAlgorithm(publicKeyFrom(key), ALGORITHMS, data, signature)).toBe(algorithm);
  });

  it.each(pairs)("%s: does not match when %s is not allowed", async (name, algorithm) => {
    const allowed = ALGORITHMS.filter((other) => other !== algorithm);
    const key = keyOf(name);
    expect(await matchAlgorithm(publicKeyFrom(key), allowed, data, signatureBy(key, algorithm))).toBeUndefined();
  });

  it.each(Object.keys(keys))("%s: holds for no other data, key or signature", async (name) => {
    const key = publicKeyFrom(keyOf(name));
    const [algorithm = "ed25519"] = key.algorithms;
    const signature = signatureBy(keyOf(name), algorithm);
    await fc.assert(
      fc.asyncProperty(fc.nat(signature.length - 1), fc.integer({ min: 1, max: 255 }), async (at, difference) => {
        const changed = Buffer.from(signature);
        changed[at] = (changed[at] ?? 0) ^ difference;
        expect(await verifySignature(key, algorithm, data, changed)).toBe(false);
      }),
      { numRuns: 50 },
    );
    expect(await verifySignature(key, algorithm, Buffer.from("other"), signature)).toBe(false);
    expect(await verifySignature(key, algorithm, data, signature.subarray(1))).toBe(false);
    expect(await verifySignature(key, algorithm, data, Buffer.concat([signature, Buffer.of(0)]))).toBe(false);
    expect(await verifySignature(key, algorithm, data, new Uint8Array())).toBe(false);
    expect(await verifySignature(key, algorithm, data, new Uint8Array(100_000))).toBe(false);
    for (const other of Object.values(keys).filter((each) => each !== keyOf(name))) {
      expect(await verifySignature(publicKeyFrom(other), algorithm, data, signature)).toBe(false);
    }
  });
});

describe("ECDSA signatures", () => {
  const key = publicKeyFrom(keyOf("p256"));
  const algorithm = "ecdsa-p256-sha256";

  it.each<[string, () => Buffer]>([
    ["the plain pair of numbers", () => sign("sha256", data, { key: keyOf("p256"), dsaEncoding: "ieee-p1363" })],
    ["zeroes", () => Buffer.from(sequenceOf(integerOf(0), integerOf(0)))],
    [
      "a long form length",
      () => {
        const der = signatureBy(keyOf("p256"), algorithm);
        return Buffer.concat([Buffer.of(0x30, 0x81, der[1] ?? 0), der.subarray(2)]);
      },
    ],
    [
      "a padded number",
      () => {
        const der = signatureBy(keyOf("p256"), algorithm);
        const length = der[3] ?? 0;
        return Buffer.concat([Buffer.of(0x30, (der[1] ?? 0) + 1, 2, length + 1, 0), der.subarray(4)]);
      },
    ],
  ])("refuses %s", async (_, make) => {
    expect(await verifySignature(key, algorithm, data, make())).toBe(false);
  });
});

describe("RSA-PSS salts", () => {
  it.each([0, 20, 32, 64])("accepts a salt of %i octets from a key that leaves it open", async (saltLength) => {
    const signature = signatureBy(keyOf("rsa"), "rsa-pss-sha256", saltLength);
    expect(await verifySignature(publicKeyFrom(keyOf("rsa")), "rsa-pss-sha256", data, signature)).toBe(true);
  });

  it("accepts the salt that the key's own parameters ask for", async () => {
    const key = keyOf("restricted");
    expect(signingSaltLength(key, "rsa-pss-sha256")).toBe(40);
    expect(
      await verifySignature(publicKeyFrom(key), "rsa-pss-sha256", data, signatureBy(key, "rsa-pss-sha256", 40)),
    ).toBe(true);
  });

  it("takes a salt as long as the hash otherwise", () => {
    expect(signingSaltLength(keyOf("rsa"), "rsa-pss-sha384")).toBe(48);
    expect(signingSaltLength(keyOf("rsapss"), "rsa-pss-sha512")).toBe(64);
  });

  it("accepts either length where a key only says the shortest", async () => {
    const key = makePssKey("sha256", "sha256", 20);
    for (const saltLength of [20, 32]) {
      expect(
        await verifySignature(
          publicKeyFrom(key),
          "rsa-pss-sha256",
          data,
          signatureBy(key, "rsa-pss-sha256", saltLength),
        ),
      ).toBe(true);
    }
  });
});
