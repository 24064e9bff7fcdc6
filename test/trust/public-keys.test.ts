import { execFileSync } from "node:child_process";
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCountersignError } from "../../src/model/errors.ts";
import { readPublicKeyPem } from "../../src/trust/describe-key.ts";
import { encodePem } from "../../src/trust/pem.ts";
import { parsePublicKey, publicKeyFrom } from "../../src/trust/public-keys.ts";
import { bitStringOf, integerOf, oidOf, sequenceOf, tlv } from "./support/der-writer.ts";
import { createPki, makeKey, makePssKey } from "./support/pki.ts";

const spki = (key: KeyObject) => new Uint8Array(createPublicKey(key).export({ type: "spki", format: "der" }));
const pem = (key: KeyObject, type: "spki" | "pkcs1" = "spki") =>
  Buffer.from(createPublicKey(key).export({ type, format: "pem" }));

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isCountersignError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

describe("what a key permits", () => {
  it.each([
    ["P-256", makeKey("p256"), ["ecdsa-p256-sha256", "ecdsa-p256-sha384", "ecdsa-p256-sha512"]],
    ["P-384", makeKey("p384"), ["ecdsa-p384-sha384", "ecdsa-p384-sha256", "ecdsa-p384-sha512"]],
    ["P-521", makeKey("p521"), ["ecdsa-p521-sha512", "ecdsa-p521-sha256", "ecdsa-p521-sha384"]],
    [
      "RSA",
      makeKey("rsa2048"),
      [
        "rsa-pkcs1-sha256",
        "rsa-pkcs1-sha384",
        "rsa-pkcs1-sha512",
        "rsa-pss-sha256",
        "rsa-pss-sha384",
        "rsa-pss-sha512",
      ],
    ],
    ["RSA-PSS of any hash", makeKey("rsapss"), ["rsa-pss-sha256", "rsa-pss-sha384", "rsa-pss-sha512"]],
    ["RSA-PSS of its own parameters", makePssKey("sha384", "sha384", 48), ["rsa-pss-sha384"]],
    ["Ed25519", makeKey("ed25519"), ["ed25519", "ed25519ph"]],
  ])("%s: the preferred first", (_, key, algorithms) => {
    expect(publicKeyFrom(key).algorithms).toEqual(algorithms);
  });

  it.each<[string, () => KeyObject, string]>([
    ["RSA with 1024 bits", () => makeKey("rsa1024"), "E_KEY_WEAK"],
    ["RSA with the exponent 1", () => rsaPublicKey(`c1${"ab".repeat(254)}ff`, 1), "E_KEY_WEAK"],
    ["RSA with 16384 bits", () => rsaPublicKey(`c1${"ab".repeat(2046)}ff`, 65537), "E_KEY_UNSUPPORTED"],
    ["P-224", () => makeKey("p224"), "E_KEY_UNSUPPORTED"],
    ["secp256k1", () => makeKey("secp256k1"), "E_KEY_UNSUPPORTED"],
    ["P-256 that spells out its curve", () => explicitCurveKey(), "E_KEY_UNSUPPORTED"],
    ["RSA-PSS over SHA-1", () => makePssKey("sha1", "sha1", 20), "E_KEY_UNSUPPORTED"],
    ["RSA-PSS with a mask of another hash", () => makePssKey("sha256", "sha512", 32), "E_KEY_UNSUPPORTED"],
    ["X25519", () => generateKeyPairSync("x25519").privateKey, "E_KEY_UNSUPPORTED"],
    ["Ed448", () => generateKeyPairSync("ed448").privateKey, "E_KEY_UNSUPPORTED"],
    [
      "DSA",
      () => generateKeyPairSync("dsa", { modulusLength: 2048, divisorLength: 256 }).privateKey,
      "E_KEY_UNSUPPORTED",
    ],
  ])("refuses %s", (_, key, code) => {
    expect(refusal(() => publicKeyFrom(key()))).toBe(code);
  });
});

describe("a public key file", () => {
  const rsa = makeKey("rsa2048");
  const ec = makeKey("p256");
  const { leaf } = createPki();

  it.each<[string, Uint8Array, KeyObject]>([
    ["PUBLIC KEY", pem(ec), ec],
    ["RSA PUBLIC KEY", pem(rsa, "pkcs1"), rsa],
    ["CERTIFICATE", Buffer.from(leaf.pem), leaf.key],
    ["DER of a SubjectPublicKeyInfo", spki(ec), ec],
    ["DER of an RSAPublicKey", createPublicKey(rsa).export({ type: "pkcs1", format: "der" }), rsa],
    ["DER of a certificate", leaf.der, leaf.key],
  ])("reads %s", (_, bytes, key) => {
    const read = parsePublicKey(bytes);
    expect(read.spki).toEqual(spki(key));
    expect(read.fingerprint).toBe(publicKeyFrom(key).fingerprint);
    expect(read.fingerprint).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it.each<[string, Uint8Array]>([
    ["a private key", Buffer.from(ec.export({ type: "pkcs8", format: "pem" }))],
    ["DER of a private key", ec.export({ type: "pkcs8", format: "der" })],
    ["DER of an RSA private key", rsa.export({ type: "pkcs1", format: "der" })],
    ["two keys", Buffer.concat([pem(ec), pem(rsa)])],
    ["nothing", new Uint8Array()],
    ["text", Buffer.from("ssh-ed25519 AAAA")],
    ["another block", Buffer.from(encodePem("X509 CRL", Uint8Array.of(1)))],
    ["a broken key", Buffer.from(encodePem("PUBLIC KEY", Uint8Array.of(0x30, 0)))],
    ["a key with bytes behind it", Buffer.concat([spki(ec), Uint8Array.of(0)])],
  ])("refuses %s", (_, bytes) => {
    expect(refusal(() => parsePublicKey(bytes))).toBe("E_KEY_INVALID");
  });

  it("answers any mutated key with a key or a coded refusal", () => {
    const sources = [spki(ec), spki(rsa), spki(makeKey("rsapss")), leaf.der];
    fc.assert(
      fc.property(
        fc.constantFrom(...sources),
        fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (source, changes) => {
          const bytes = Buffer.from(source);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          expect(refusal(() => parsePublicKey(bytes))).toMatch(/^(accepted|E_KEY_|E_CERTIFICATE_INVALID)/);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("a public key file that is read without what reads certificates", () => {
  const keys = (["p256", "p384", "p521", "rsa2048", "rsapss", "ed25519"] as const).map((name) => makeKey(name));

  it("has the same key as when it is read with it", () => {
    for (const key of keys) expect(readPublicKeyPem(pem(key))).toEqual(parsePublicKey(pem(key)));
  });

  it("is one block PUBLIC KEY in the words of OpenSSL, and no other", () => {
    const [ec, rsa] = [makeKey("p256"), makeKey("rsa2048")];
    const others = [spki(ec), pem(rsa, "pkcs1"), Buffer.concat([pem(ec), pem(rsa)]), Buffer.from("none")];
    for (const bytes of others) expect(readPublicKeyPem(bytes)).toBeUndefined();
    const longer = encodePem("PUBLIC KEY", Buffer.concat([spki(ec), Uint8Array.of(0)]));
    expect(readPublicKeyPem(Buffer.from(longer))).toBeUndefined();
  });

  it("is refused as it is with it when it spells out its curve", () => {
    const bytes = pem(explicitCurveKey());
    expect(refusal(() => readPublicKeyPem(bytes) ?? parsePublicKey(bytes))).toBe("E_KEY_UNSUPPORTED");
  });
});

function rsaPublicKey(modulus: string, exponent: number): KeyObject {
  const key = sequenceOf(integerOf(modulus), integerOf(exponent));
  const der = sequenceOf(sequenceOf(oidOf("1.2.840.113549.1.1.1"), tlv(5)), bitStringOf(key));
  return createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
}

function explicitCurveKey(): KeyObject {
  const text = execFileSync("openssl", [
    "ecparam",
    "-name",
    "prime256v1",
    "-genkey",
    "-noout",
    "-param_enc",
    "explicit",
  ]);
  return createPrivateKey(text);
}
