import { type KeyObject, scrypt } from "node:crypto";
import { z } from "zod";
import { CountersignError } from "../model/errors.ts";
import { encodePem } from "../trust/pem.ts";

/** PEM labels of keys that cosign encrypts: what it writes today, and what it wrote before. */
export const COSIGN_KEY_LABELS = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"] as const;

/** The scrypt costs that cosign reads, and this program with it; the middle one it writes. */
export const COSIGN_SCRYPT_COSTS = [32_768, 65_536, 131_072] as const;

export interface CosignKeyOptions {
  readonly label?: (typeof COSIGN_KEY_LABELS)[number];
  /** scrypt N. */
  readonly cost?: (typeof COSIGN_SCRYPT_COSTS)[number];
}

const BLOCK_SIZE = 8;
const PARALLELISM = 1;
const SALT = 32;
const NONCE = 24;
const KEY = 32;

/**
 * Decrypts the body of a cosign key: JSON that names scrypt and NaCl's secretbox, around a PKCS#8 key.
 * @returns PKCS#8 DER
 * @throws E_KEY_INVALID for another document, E_KEY_UNSUPPORTED for other costs or algorithms, E_PASSPHRASE_WRONG.
 */
export async function decryptCosignKey(body: Uint8Array, passphrase: Uint8Array): Promise<Uint8Array> {
  const { cost, salt, nonce, ciphertext } = readDocument(body);
  const { xsalsa20poly1305 } = await import("@noble/ciphers/salsa.js");
  const key = await deriveKey(passphrase, salt, cost);
  try {
    return xsalsa20poly1305(key, nonce).decrypt(ciphertext);
  } catch (cause) {
    throw new CountersignError("E_PASSPHRASE_WRONG", "the passphrase does not open this cosign key", {
      hint: "give the one that it was made with: --passphrase env://NAME, --passphrase FILE, or COSIGN_PASSWORD",
      cause,
    });
  }
}

/**
 * Encrypts a private key as `cosign generate-key-pair` does.
 * @param password may be empty
 * @param random that many random bytes
 * @returns PEM
 */
export async function encryptCosignKey(
  key: KeyObject,
  password: Uint8Array,
  random: (length: number) => Uint8Array,
  { label = COSIGN_KEY_LABELS[0], cost = COSIGN_SCRYPT_COSTS[1] }: CosignKeyOptions = {},
): Promise<string> {
  const { xsalsa20poly1305 } = await import("@noble/ciphers/salsa.js");
  const [salt, nonce] = [random(SALT), random(NONCE)];
  const secret = await deriveKey(password, salt, cost);
  const ciphertext = xsalsa20poly1305(secret, nonce).encrypt(key.export({ type: "pkcs8", format: "der" }));
  const document = {
    kdf: { name: "scrypt", params: { N: cost, r: BLOCK_SIZE, p: PARALLELISM }, salt: base64(salt) },
    cipher: { name: "nacl/secretbox", nonce: base64(nonce) },
    ciphertext: base64(ciphertext),
  };
  return encodePem(label, Buffer.from(JSON.stringify(document), "utf8"));
}

const document = z.object({
  kdf: z.object({
    name: z.string(),
    params: z.object({ N: z.number(), r: z.number(), p: z.number() }),
    salt: z.base64(),
  }),
  cipher: z.object({ name: z.string(), nonce: z.base64() }),
  ciphertext: z.base64(),
});

function readDocument(body: Uint8Array) {
  const parsed = document.safeParse(readJson(body));
  if (!parsed.success) throw malformed(parsed.error.issues.map(({ path }) => path.join(".")).join(", "));
  const { kdf, cipher, ciphertext } = parsed.data;
  if (kdf.name !== "scrypt" || cipher.name !== "nacl/secretbox") {
    throw unsupported(`${kdf.name.slice(0, 40)} with ${cipher.name.slice(0, 40)}`);
  }
  // A cost of the file's choosing could take all memory there is.
  const { N, r, p } = kdf.params;
  const cost = COSIGN_SCRYPT_COSTS.find((known) => known === N);
  if (cost === undefined || r !== BLOCK_SIZE || p !== PARALLELISM)
    throw unsupported(`scrypt with N=${N}, r=${r}, p=${p}`);
  const [salt, nonce] = [Buffer.from(kdf.salt, "base64"), Buffer.from(cipher.nonce, "base64")];
  if (salt.length !== SALT || nonce.length !== NONCE) throw malformed("kdf.salt, cipher.nonce");
  return { cost, salt, nonce, ciphertext: Buffer.from(ciphertext, "base64") };
}

function readJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    // The parser's words quote the text: they stay here.
    throw malformed("it is not JSON");
  }
}

function deriveKey(passphrase: Uint8Array, salt: Uint8Array, cost: number): Promise<Buffer> {
  const memory = 128 * cost * BLOCK_SIZE * 2;
  return new Promise((resolve, reject) => {
    const options = { N: cost, r: BLOCK_SIZE, p: PARALLELISM, maxmem: memory };
    scrypt(passphrase, salt, KEY, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

function malformed(what: string): CountersignError {
  return new CountersignError("E_KEY_INVALID", `malformed cosign key: ${what}`, {
    hint: "hand over the file as cosign generate-key-pair or import-key-pair wrote it",
  });
}

function unsupported(what: string): CountersignError {
  return new CountersignError("E_KEY_UNSUPPORTED", `a cosign key encrypted by ${what} is not supported`, {
    hint: "import it again with: cosign import-key-pair --key key.pem",
  });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
