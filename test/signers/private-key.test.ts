import { execFileSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CountersignError } from "../../src/model/errors.ts";
import {
  COSIGN_KEY_LABELS,
  COSIGN_SCRYPT_COSTS,
  type CosignKeyOptions,
  decryptCosignKey,
  encryptCosignKey,
} from "../../src/signers/cosign-key.ts";
import { type PassphraseSource, parsePrivateKey } from "../../src/signers/private-key.ts";
import { encodePem, parsePem } from "../../src/trust/pem.ts";
import { createPki, makeKey } from "../trust/support/pki.ts";

const SECRET = "correct horse";
const openssl = (args: readonly string[], input: string | Buffer = "") =>
  execFileSync("openssl", args, { input, stdio: ["pipe", "pipe", "pipe"] }).toString();
const sealed = ["-passout", `pass:${SECRET}`];
const none: PassphraseSource = async () => undefined;
const never: PassphraseSource = () => Promise.reject(new Error("asked for a passphrase"));
const give =
  (text: string): PassphraseSource =>
  async () =>
    Buffer.from(text);
const pkcs8 = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();

async function refusal(text: string | Uint8Array, passphrase = none): Promise<CountersignError> {
  try {
    await parsePrivateKey(Buffer.from(text), passphrase);
  } catch (error) {
    if (error instanceof CountersignError) return error;
    throw error;
  }
  throw new Error("accepted");
}

const ec = makeKey("p256");
const rsa = makeKey("rsa2048");

describe("plain keys that OpenSSL writes", () => {
  it.each<[string, KeyObject, () => string]>([
    ["PKCS#8 EC", ec, () => pkcs8(ec)],
    ["PKCS#8 RSA", rsa, () => pkcs8(rsa)],
    ["PKCS#1", rsa, () => openssl(["rsa", "-traditional"], pkcs8(rsa))],
    ["SEC1", ec, () => openssl(["ec"], pkcs8(ec))],
    [
      "SEC1 behind its EC PARAMETERS",
      ec,
      () => `${openssl(["ecparam", "-name", "prime256v1"])}${openssl(["ec"], pkcs8(ec))}`,
    ],
    ["a key with its certificates", ec, () => `${createPki().leaf.pem}${pkcs8(ec)}${createPki().root.pem}`],
    ["a key after its text form", ec, () => openssl(["pkey", "-text"], pkcs8(ec))],
    ["Windows line ends", ec, () => pkcs8(ec).replaceAll("\n", "\r\n")],
  ])("reads %s, and asks for no passphrase", async (_, key, make) => {
    expect((await parsePrivateKey(Buffer.from(make()), never)).equals(key)).toBe(true);
  });

  it.each(["p384", "p521", "rsa3072", "rsapss", "ed25519"] as const)("reads %s", async (kind) => {
    const key = makeKey(kind);
    expect((await parsePrivateKey(Buffer.from(pkcs8(key)), never)).equals(key)).toBe(true);
  });
});

describe("encrypted keys that OpenSSL writes", () => {
  const kinds: readonly [string, KeyObject, () => string][] = [
    ["PKCS#8, PBKDF2 and AES", ec, () => openssl(["pkcs8", "-topk8", "-v2", "aes-256-cbc", ...sealed], pkcs8(ec))],
    ["PKCS#8, scrypt", ec, () => openssl(["pkcs8", "-topk8", "-scrypt", ...sealed], pkcs8(ec))],
    ["PKCS#8, PBES1 and 3DES", ec, () => openssl(["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", ...sealed], pkcs8(ec))],
    ["traditional EC, AES", ec, () => openssl(["ec", "-aes256", ...sealed], pkcs8(ec))],
    ["traditional EC, 3DES", ec, () => openssl(["ec", "-des3", ...sealed], pkcs8(ec))],
    ["traditional RSA, AES", rsa, () => openssl(["rsa", "-traditional", "-aes128", ...sealed], pkcs8(rsa))],
  ];

  it.each(kinds)("reads %s", async (_, key, make) => {
    expect((await parsePrivateKey(Buffer.from(make()), give(SECRET))).equals(key)).toBe(true);
  });

  it.each(kinds)("tells a wrong passphrase from a missing one: %s", async (_, __, make) => {
    const text = make();
    for (const wrong of ["wrong", "", "x".repeat(3000)]) {
      expect(await refusal(text, give(wrong))).toMatchObject({ code: "E_PASSPHRASE_WRONG", exit: 2 });
    }
    const missing = await refusal(text, none);
    expect(missing).toMatchObject({ code: "E_PASSPHRASE_REQUIRED", exit: 2 });
    expect(missing.hint).toContain("--passphrase env://NAME");
    expect(missing.hint).toContain("COSIGN_PASSWORD");
  });

  it("never takes a wrong passphrase for another fault, whatever garbage it decrypts to", async () => {
    const text = openssl(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-iter", "1", ...sealed], pkcs8(ec));
    for (let attempt = 0; attempt < 1500; attempt += 1) {
      expect((await refusal(text, give(`wrong ${attempt}`))).code).toBe("E_PASSPHRASE_WRONG");
    }
  });

  it("says of a cipher that OpenSSL no longer has that it is not supported", async () => {
    const text = openssl(
      ["pkcs8", "-topk8", "-v1", "PBE-SHA1-RC2-40", "-provider", "legacy", "-provider", "default", ...sealed],
      pkcs8(ec),
    );
    expect(await refusal(text, give(SECRET))).toMatchObject({ code: "E_KEY_UNSUPPORTED", exit: 2 });
  });
});

describe("cosign's encrypted keys", () => {
  const settings = COSIGN_KEY_LABELS.flatMap((label) =>
    COSIGN_SCRYPT_COSTS.map((cost): CosignKeyOptions => ({ label, cost })),
  );

  it.each(settings)("reads $label with N=$cost", async (options) => {
    const pem = await encryptCosignKey(ec, Buffer.from(SECRET), randomBytes, options);
    expect(parsePem(pem).map(({ label }) => label)).toEqual([options.label]);
    expect((await parsePrivateKey(Buffer.from(pem), give(SECRET))).equals(ec)).toBe(true);
    expect(await refusal(pem, give("wrong"))).toMatchObject({ code: "E_PASSPHRASE_WRONG", exit: 2 });
  });

  it.each(["p384", "p521", "rsa2048", "ed25519"] as const)("reads a %s key, under an empty password", async (kind) => {
    const key = makeKey(kind);
    const pem = await encryptCosignKey(key, new Uint8Array(), randomBytes, { cost: 32_768 });
    expect((await parsePrivateKey(Buffer.from(pem), give(""))).equals(key)).toBe(true);
  });

  it("reads a key that cosign 3.1.2 wrote", async () => {
    expect((await parsePrivateKey(Buffer.from(COSIGN_MADE), give("pw"))).asymmetricKeyType).toBe("ed25519");
  });

  it("asks for the passphrase", async () => {
    const pem = await encryptCosignKey(ec, new Uint8Array(), randomBytes, { cost: 32_768 });
    expect((await refusal(pem, none)).code).toBe("E_PASSPHRASE_REQUIRED");
  });

  const document = async (): Promise<Record<string, never>> => {
    const pem = await encryptCosignKey(ec, new Uint8Array(), randomBytes, { cost: 32_768 });
    return JSON.parse(Buffer.from(parsePem(pem)[0]?.der ?? []).toString("utf8"));
  };

  it.each<[string, (text: string) => string, string]>([
    ["a cost that would take all memory", (text) => text.replace("32768", "1073741824"), "E_KEY_UNSUPPORTED"],
    ["a cost that protects nothing", (text) => text.replace("32768", "2"), "E_KEY_UNSUPPORTED"],
    ["another block size", (text) => text.replace('"r":8', '"r":1024'), "E_KEY_UNSUPPORTED"],
    ["another parallelism", (text) => text.replace('"p":1', '"p":99'), "E_KEY_UNSUPPORTED"],
    ["another derivation", (text) => text.replace("scrypt", "argon2"), "E_KEY_UNSUPPORTED"],
    ["another cipher", (text) => text.replace("nacl/secretbox", "none"), "E_KEY_UNSUPPORTED"],
    ["a short nonce", (text) => text.replace(/"nonce":"[^"]+"/, '"nonce":"AAAA"'), "E_KEY_INVALID"],
    ["a salt that is not base64", (text) => text.replace(/"salt":"[^"]+"/, '"salt":"*"'), "E_KEY_INVALID"],
    ["a missing ciphertext", (text) => text.replace("ciphertext", "cipher-text"), "E_KEY_INVALID"],
    ["something that is not JSON", () => "secret words", "E_KEY_INVALID"],
    ["an empty ciphertext", (text) => text.replace(/"ciphertext":"[^"]+"/, '"ciphertext":""'), "E_PASSPHRASE_WRONG"],
  ])("refuses %s", async (_, change, code) => {
    const pem = encodePem(COSIGN_KEY_LABELS[0], Buffer.from(change(JSON.stringify(await document()))));
    const error = await refusal(pem, give(""));
    expect(error).toMatchObject({ code, exit: 2 });
    expect(error.message).not.toContain("secret words");
  });

  it("says so when the box holds something else than a key", async () => {
    const { xsalsa20poly1305 } = await import("@noble/ciphers/salsa.js");
    const { scryptSync } = await import("node:crypto");
    const [salt, nonce] = [randomBytes(32), randomBytes(24)];
    const key = scryptSync("", salt, 32, { N: 32_768, r: 8, p: 1, maxmem: 2 ** 28 });
    const ciphertext = Buffer.from(xsalsa20poly1305(key, nonce).encrypt(Buffer.from("not a key"))).toString("base64");
    const body = {
      kdf: { name: "scrypt", params: { N: 32_768, r: 8, p: 1 }, salt: salt.toString("base64") },
      cipher: { name: "nacl/secretbox", nonce: nonce.toString("base64") },
      ciphertext,
    };
    expect(Buffer.from(await decryptCosignKey(Buffer.from(JSON.stringify(body)), new Uint8Array())).toString()).toBe(
      "not a key",
    );
    const pem = encodePem(COSIGN_KEY_LABELS[1], Buffer.from(JSON.stringify(body)));
    expect((await refusal(pem, give(""))).code).toBe("E_KEY_INVALID");
  });
});

describe("what is no private key for signing", () => {
  it.each<[string, () => string | Uint8Array, string, RegExp]>([
    ["nothing", () => "", "E_KEY_INVALID", /not PEM/],
    ["garbage", () => randomBytes(200), "E_KEY_INVALID", /PEM|DER/],
    ["DER", () => ec.export({ type: "pkcs8", format: "der" }), "E_KEY_INVALID", /DER/],
    ["a public key", () => openssl(["pkey", "-pubout"], pkcs8(ec)), "E_KEY_NOT_PRIVATE", /public key/],
    ["a certificate", () => createPki().leaf.pem, "E_KEY_NOT_PRIVATE", /certificate/],
    ["two keys", () => pkcs8(ec) + pkcs8(rsa), "E_KEY_INVALID", /2 private keys/],
    ["a block of another kind", () => encodePem("X509 CRL", randomBytes(9)), "E_KEY_INVALID", /no private key/],
    ["a PGP key", () => encodePem("PGP PRIVATE KEY BLOCK", randomBytes(9)), "E_KEY_UNSUPPORTED", /PGP/],
    ["a body that is no key", () => encodePem("PRIVATE KEY", randomBytes(60)), "E_KEY_INVALID", /malformed/],
    [
      "RSA under a label of another kind",
      () => pkcs8(rsa).replaceAll("PRIVATE", "EC PRIVATE"),
      "E_KEY_INVALID",
      /malformed/,
    ],
    ["an RSA key of 1024 bits", () => pkcs8(makeKey("rsa1024")), "E_KEY_WEAK", /1024/],
    ["secp256k1", () => pkcs8(makeKey("secp256k1")), "E_KEY_UNSUPPORTED", /secp256k1/],
    ["Ed448", () => pkcs8(generateKeyPairSync("ed448").privateKey), "E_KEY_UNSUPPORTED", /ed448/],
    [
      "a DSA key",
      () => pkcs8(generateKeyPairSync("dsa", { modulusLength: 2048, divisorLength: 256 }).privateKey),
      "E_KEY_UNSUPPORTED",
      /dsa/,
    ],
    ["lost line breaks", () => pkcs8(ec).replaceAll("\n", " "), "E_KEY_INVALID", /BEGIN/],
  ])("refuses %s, with a mend and with exit status 2", async (_, make, code, why) => {
    const error = await refusal(make(), give(""));
    expect(error).toMatchObject({ code, exit: 2, hint: expect.stringMatching(/\S{3}/) });
    expect(error.message).toMatch(why);
  });

  it("says how to convert an OpenSSH key", async () => {
    const error = await refusal(encodePem("OPENSSH PRIVATE KEY", Buffer.from("openssh-key-v1\0")));
    expect(error.code).toBe("E_KEY_UNSUPPORTED");
    expect(error.hint).toContain("ssh-keygen -p -m PKCS8");
  });

  it("quotes nothing of a damaged key", async () => {
    const text = pkcs8(rsa);
    const body = text.split("\n").slice(1, -2);
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.constantFrom("", "*", "A", "\n", "-"), async (at, by) => {
        const damaged = text.slice(0, at) + by + text.slice(at + 1);
        const outcome = await parsePrivateKey(Buffer.from(damaged), none).then(
          () => "accepted",
          (error: unknown) => {
            expect(error).toBeInstanceOf(CountersignError);
            const { message, hint, cause } = error as CountersignError;
            return JSON.stringify([message, hint, String(cause)]);
          },
        );
        for (const line of body) expect(outcome).not.toContain(line.slice(0, 16));
      }),
      { numRuns: 200 },
    );
  });
});

/** `cosign import-key-pair` of a throw-away Ed25519 key, password "pw". */
const COSIGN_MADE = `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiJGK0F2RjhxZ284K2UzRW0wYlJiTVdYWjY5OTA2dU1G
VDlFT3dGTDZoTk9RPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJrRGVZbElvbkRHOVBGdEVwcTZvcGZSYjF4eXpWSkZRbiJ9LCJj
aXBoZXJ0ZXh0IjoiTm5Qck1ZczhJb2FnMUljcC81MUl2OEFZTW5LZ0o4dmtsOE44
Rzl5NTRQWitKajI3VC9JdGVsNXlkc255a0lHWG8vMENxZ0hGVGhoZ2E3YXlYWXBy
c3c9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
`;
