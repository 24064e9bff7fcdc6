import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, describe } from "vitest";
import { encodePem } from "../../../src/trust/pem.ts";
import { type StartedRegistry, startRegistry } from "../../support/start-registry.ts";
import { authority, issue, makeKey } from "../../trust/support/pki.ts";
import { encryptedKeyPem, keyPem, publicKeyPem } from "../support/keys.ts";
import { createMachine } from "../support/machine.ts";
import { type BadInput, refuses } from "../support/refusals.ts";
import { pemSecrets, SECRETS } from "../support/secrets.ts";

const good = keyPem();
const oneLine = good.replace(/\s+/g, " ");
const packed = Buffer.from(good).toString("base64");
const encrypted = encryptedKeyPem(SECRETS.passphrase);
const machine = createMachine({
  KEY: good,
  HALF: good.slice(0, 60),
  WORDS: "not a key at all",
  PATH_IN_IT: "/builds/group/project.tmp/SIGNING_KEY",
  WRONG: "not the passphrase",
  EMPTY: "",
});
let registry: StartedRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

const image = "localhost:1/app:1";
const secrets = [...pemSecrets(good), ...pemSecrets(encrypted)];
const around = () => ({ machine, registry, secrets });

/** A key file of this text, to sign with. */
function keyFile(name: string, content: string | Uint8Array): string {
  return machine.file(`${name.replace(/[^a-z0-9]+/gi, "-")}.key`, content);
}

describe("a private key that cannot sign", () => {
  const certificate = issue(authority("Root")).pem;
  const openssh = encodePem("OPENSSH PRIVATE KEY", Buffer.from("openssh-key-v1\0".repeat(8)));
  const scrypt = {
    kdf: { name: "scrypt", params: { N: 2 ** 30, r: 8, p: 1 }, salt: Buffer.alloc(32).toString("base64") },
    cipher: { name: "nacl/secretbox", nonce: Buffer.alloc(24).toString("base64") },
    ciphertext: Buffer.alloc(64).toString("base64"),
  };
  const cosignKey = (document: object) =>
    encodePem("ENCRYPTED SIGSTORE PRIVATE KEY", Buffer.from(JSON.stringify(document)));
  const rows: readonly (readonly [name: string, content: string | Uint8Array, code: BadInput["code"], says: string])[] =
    [
      ["an empty file", "", "E_KEY_INVALID", "no private key"],
      ["a text", "this is no key", "E_KEY_INVALID", "no private key"],
      ["DER", makeKey("p256").export({ type: "pkcs8", format: "der" }), "E_KEY_INVALID", "DER"],
      ["a public key", publicKeyPem(), "E_KEY_NOT_PRIVATE", "public key"],
      ["a certificate", certificate, "E_KEY_NOT_PRIVATE", "certificate"],
      ["two private keys", good + keyPem(), "E_KEY_INVALID", "2 private keys"],
      ["half of a key", good.slice(0, good.length / 2), "E_KEY_INVALID", ""],
      ["a key with a line lost", good.split("\n").toSpliced(1, 1).join("\n"), "E_KEY_INVALID", ""],
      ["a key with characters of another alphabet", good.replace(/[A-D]/g, "\u0410"), "E_KEY_INVALID", ""],
      ["a key of OpenSSH", openssh, "E_KEY_UNSUPPORTED", "OpenSSH"],
      ["a key of DSA", encodePem("DSA PRIVATE KEY", Buffer.alloc(64, 0x30)), "E_KEY_UNSUPPORTED", "DSA"],
      ["a key on P-224", keyPem("p224"), "E_KEY_UNSUPPORTED", "secp224r1"],
      ["a key on secp256k1", keyPem("secp256k1"), "E_KEY_UNSUPPORTED", "secp256k1"],
      ["a key for agreement", keyPem(generateKeyPairSync("x25519").privateKey), "E_KEY_UNSUPPORTED", "x25519"],
      ["a key of Ed448", keyPem(generateKeyPairSync("ed448").privateKey), "E_KEY_UNSUPPORTED", "ed448"],
      ["RSA of 1024 bits", keyPem("rsa1024"), "E_KEY_WEAK", "1024"],
      ["a key of cosign that wants a terabyte", cosignKey(scrypt), "E_KEY_UNSUPPORTED", ""],
      ["a key of cosign with another cipher", cosignKey({ ...scrypt, cipher: { name: "rot13" } }), "E_KEY_INVALID", ""],
      ["a key of cosign that is empty", cosignKey({}), "E_KEY_INVALID", ""],
      ["more than a key can be", Buffer.alloc(65 * 1024, "a"), "E_FILE_TOO_LARGE", "65536"],
    ];
  for (const [name, content, code, says] of rows) {
    const args = ["sign", "--key", keyFile(name, content), "--passphrase", "env://WRONG", image];
    refuses({ name, args, code, says, exit: 2 }, around);
  }
});

describe("a key source that gives none", () => {
  const sign = (source: string, ...more: string[]) => ["sign", "--key", source, ...more, image];
  const rows: readonly (readonly [name: string, args: readonly string[], code: BadInput["code"], says: string])[] = [
    ["a path that is not there", sign(machine.absent("lost.key")), "E_FILE_UNREADABLE", "lost.key"],
    ["a folder", sign(machine.home), "E_FILE_UNREADABLE", "EISDIR"],
    ["an empty text", sign(""), "E_USAGE", "empty"],
    ["the key itself", sign(good), "E_USAGE", "a key stands where its source belongs"],
    ["the key itself on one line", sign(oneLine), "E_USAGE", "a key stands where its source belongs"],
    ["the key itself in base64", sign(packed), "E_USAGE", "a key stands where its source belongs"],
    ["a variable that is not set", sign("env://LOST"), "E_ENVIRONMENT_EMPTY", "LOST"],
    ["a variable that is empty", sign("env://EMPTY"), "E_ENVIRONMENT_EMPTY", "EMPTY"],
    ["a variable of words", sign("env://WORDS"), "E_KEY_INVALID", "WORDS"],
    ["a variable with half a key", sign("env://HALF"), "E_KEY_INVALID", "HALF"],
    ["a variable of type file", sign("env://PATH_IN_IT"), "E_KEY_INVALID", "PATH_IN_IT"],
    ["a variable named by its value", sign(`env://${good}`), "E_USAGE", "not the name"],
    [
      "a key management service",
      sign("awskms:///alias/signing?token=planted-bearer-token/55aa+0f=="),
      "E_KEY_UNSUPPORTED",
      "awskms",
    ],
    [
      "a hardware token with its PIN",
      sign("pkcs11:object=key?pin-value=planted-bearer-token/55aa+0f=="),
      "E_KEY_UNSUPPORTED",
      "pkcs11",
    ],
    ["standard input with nothing on it", sign("-"), "E_KEY_INVALID", "standard input"],
  ];
  for (const [name, args, code, says] of rows) refuses({ name, args, code, says, exit: 2 }, around);
});

describe("a passphrase that opens nothing", () => {
  const locked = keyFile("encrypted", encrypted);
  const sign = (...more: string[]) => ["sign", "--key", locked, ...more, image];
  const long = machine.file("long.txt", "a".repeat(5000));
  const wrong = machine.file("passphrase.txt", "not the passphrase\n");
  const rows: readonly (readonly [name: string, args: readonly string[], code: BadInput["code"], says: string])[] = [
    ["none", sign(), "E_PASSPHRASE_REQUIRED", "encrypted.key"],
    ["a wrong one by variable", sign("--passphrase", "env://WRONG"), "E_PASSPHRASE_WRONG", "encrypted.key"],
    ["a wrong one by file", sign("--passphrase", wrong), "E_PASSPHRASE_WRONG", ""],
    ["an empty one", sign("--passphrase", "env://EMPTY"), "E_PASSPHRASE_WRONG", ""],
    ["one in a variable that is not set", sign("--passphrase", "env://LOST"), "E_ENVIRONMENT_EMPTY", "LOST"],
    ["one on the command line", sign("--passphrase", SECRETS.passphrase), "E_FILE_UNREADABLE", "--passphrase"],
    [
      "one in a variable named by its value",
      sign("--passphrase", `env://${SECRETS.passphrase}`),
      "E_USAGE",
      "not the name",
    ],
    ["one that is too long", sign("--passphrase", long), "E_FILE_TOO_LARGE", "4096"],
  ];
  for (const [name, args, code, says] of rows) refuses({ name, args, code, says, exit: 2 }, around);

  refuses(
    {
      name: "a wrong one by COSIGN_PASSWORD",
      args: sign(),
      env: { COSIGN_PASSWORD: "nothing of the kind" },
      code: "E_PASSPHRASE_WRONG",
      exit: 2,
    },
    around,
  );
});

describe("a key that does not fit the wish", () => {
  const signing = keyFile("p256", good);
  const sign = (...more: string[]) => ["sign", "--key", signing, ...more, image];
  for (const algorithm of ["rsa-pss-sha256", "ed25519", "ecdsa-p384-sha384"]) {
    for (const format of ["cosign", "bundle"]) {
      const args = sign("--signing-algorithm", algorithm, "--format", format);
      refuses(
        { name: `${algorithm} in ${format}`, args, code: "E_ALGORITHM_UNSUPPORTED", says: algorithm, exit: 2 },
        around,
      );
    }
  }
});

describe("a public key that is none", () => {
  const rows: readonly (readonly [name: string, content: string | Uint8Array, code: BadInput["code"], says: string])[] =
    [
      ["an empty public key file", "", "E_KEY_INVALID", ""],
      ["a text as public key", "this is no key", "E_KEY_INVALID", ""],
      ["a private key as public key", good, "E_KEY_INVALID", "private"],
      ["a public key with a byte lost", publicKeyPem().replace(/[A-Za-z0-9+/]{4}\n/, "\n"), "E_KEY_INVALID", ""],
      ["a weak public key", publicKeyPem("rsa1024"), "E_KEY_WEAK", "1024"],
      ["a public key on P-224", publicKeyPem("p224"), "E_KEY_UNSUPPORTED", "secp224r1"],
    ];
  for (const [name, content, code, says] of rows) {
    const args = ["verify", "--key", keyFile(name, content), image];
    refuses({ name, args, code, says, exit: 2 }, around);
  }
});
