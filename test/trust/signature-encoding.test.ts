import { createPublicKey, sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { publicKeyFrom } from "../../src/trust/public-keys.ts";
import { derOfP1363, readSignature, SIGNATURE_OUTPUTS } from "../../src/trust/signature-encoding.ts";
import { verifySignature } from "../../src/trust/verify-signature.ts";
import { makeKey } from "./support/pki.ts";

const data = Buffer.from("what is signed");
const curves = ["p256", "p384", "p521"] as const;
const base64 = (octets: Uint8Array) => Buffer.from(Buffer.from(octets).toString("base64"));
const wrapped = (octets: Uint8Array) =>
  Buffer.from(`${Buffer.from(octets).toString("base64").replace(/.{64}/g, "$&\r\n")}\n`);
const base64url = (octets: Uint8Array) => Buffer.from(Buffer.from(octets).toString("base64url"));
const texts = [base64, wrapped, base64url];

describe.each(curves)("an ECDSA signature on %s", (curve) => {
  const key = makeKey(curve);
  const publicKey = publicKeyFrom(createPublicKey(key));
  const holds = async (readings: readonly Uint8Array[]) => {
    const all = await Promise.all(
      readings.map((each) => verifySignature(publicKey, `ecdsa-${curve}-sha256`, data, each)),
    );
    return all.filter((held) => held).length;
  };

  it("is read from DER and from r‖s, as octets and as text, and it verifies", async () => {
    for (let round = 0; round < 20; round += 1) {
      const der = sign("sha256", data, key);
      const p1363 = sign("sha256", data, { key, dsaEncoding: "ieee-p1363" });
      for (const octets of [der, p1363]) {
        for (const written of [octets, ...texts.map((write) => write(octets))]) {
          expect(await holds(readSignature(written, publicKey))).toBe(1);
        }
      }
      expect(await holds(readSignature(der, publicKey, "der"))).toBe(1);
      expect(await holds(readSignature(base64(p1363), publicKey, "p1363"))).toBe(1);
      expect(await holds(readSignature(p1363, publicKey, "raw"))).toBe(1);
      expect(await holds(readSignature(wrapped(der), publicKey, "base64"))).toBe(1);
    }
  });

  it("is not read as what it was not to be", () => {
    const der = sign("sha256", data, key);
    const p1363 = sign("sha256", data, { key, dsaEncoding: "ieee-p1363" });
    expect(readSignature(p1363, publicKey, "der")).toEqual([]);
    expect(readSignature(p1363, publicKey, "base64")).toEqual([]);
    expect(readSignature(base64(p1363), publicKey, "raw")).toEqual([]);
    expect(readSignature(Buffer.concat([der, Buffer.of(0)]), publicKey)).toEqual([]);
    expect(readSignature(p1363.subarray(1), publicKey)).toEqual([]);
  });

  it("of any two numbers becomes the DER that Node.js reads back", () => {
    const size = { p256: 32, p384: 48, p521: 66 }[curve];
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2 * size, maxLength: 2 * size }), (p1363) => {
        const [der, ...others] = readSignature(derOfP1363(p1363), publicKey, "der");
        expect(others).toEqual([]);
        expect(der).toEqual(derOfP1363(p1363));
      }),
    );
  });
});

describe("an RSA or Ed25519 signature", () => {
  it.each(["rsa2048", "rsa3072", "ed25519"] as const)("by %s is its octets, bare or as text", (kind) => {
    const key = makeKey(kind);
    const publicKey = publicKeyFrom(createPublicKey(key));
    const octets = new Uint8Array(sign(kind === "ed25519" ? undefined : "sha256", data, key));
    for (const written of [octets, ...texts.map((write) => write(octets))]) {
      expect(readSignature(written, publicKey).map((each) => Buffer.from(each).toString("hex"))).toEqual([
        Buffer.from(octets).toString("hex"),
      ]);
    }
    expect(readSignature(octets.subarray(1), publicKey)).toEqual([]);
    expect(readSignature(octets, publicKey, "der")).toEqual([]);
  });
});

describe("anything at all", () => {
  it("is read without complaint, and never into something of another length", () => {
    const keys = (["p256", "p521", "rsa2048", "ed25519"] as const).map((kind) => publicKeyFrom(makeKey(kind)));
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 600 }),
        fc.constantFrom(...keys),
        fc.constantFrom(...SIGNATURE_OUTPUTS),
        (octets, key, output) => {
          for (const reading of readSignature(octets, key, output)) expect(reading.length).toBeLessThanOrEqual(256);
        },
      ),
    );
  });

  it("as text with bits left over, or wrong padding, is no base64", () => {
    const publicKey = publicKeyFrom(makeKey("ed25519"));
    const text = Buffer.alloc(64, 0xff).toString("base64");
    expect(readSignature(Buffer.from(text), publicKey)).toHaveLength(1);
    expect(readSignature(Buffer.from(text.replace("w==", "x==")), publicKey)).toEqual([]);
    expect(readSignature(Buffer.from(text.replace("==", "=")), publicKey)).toEqual([]);
  });
});
