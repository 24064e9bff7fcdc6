import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import type { OpenPgpCertificate, OpenPgpKey, OpenPgpMaterial } from "../model/openpgp.ts";
import { isArmored, readArmor } from "../trust/openpgp/armor.ts";
import { parseKeyring } from "../trust/openpgp/keyring.ts";
import { KEY_ALGORITHM } from "../trust/openpgp/public-key-packet.ts";
import type { PassphraseSource } from "./private-key.ts";

/** A secret key and the certificate that it signs in the name of. */
export interface OpenPgpSecretKey {
  readonly key: KeyObject;
  readonly material: OpenPgpMaterial;
}

type Library = typeof import("openpgp");
type SecretPacket = InstanceType<Library["SecretKeyPacket"]> | InstanceType<Library["SecretSubkeyPacket"]>;

/**
 * Opens an OpenPGP secret key, armored or binary: the primary key, or, where that may not sign or is kept elsewhere, the newest subkey
 * that may. No agent, no home folder.
 * @param at the time at which it must be valid
 * @throws E_KEY_INVALID, E_KEY_NOT_PRIVATE, E_KEY_UNSUPPORTED, E_PASSPHRASE_REQUIRED, E_PASSPHRASE_WRONG, all with exit status 2. No message
 * holds anything of the key.
 */
export async function parseOpenPgpSecretKey(
  bytes: Uint8Array,
  passphrase: PassphraseSource,
  at: Date,
): Promise<OpenPgpSecretKey> {
  const openpgp = await import("openpgp");
  const whole = await readWhole(openpgp, binaryOf(bytes));
  const { certificates } = await parseKeyring(whole.toPublic().write(), at);
  const [certificate] = certificates;
  if (certificate === undefined) throw invalid("it has no usable key");
  const { key, packet } = choose(openpgp, whole, certificate, at);
  await unlock(packet, passphrase);
  return { key: privateKeyOf(packet, key), material: { certificate, key } };
}

/** Whether an OpenPGP file holds a secret key, by what it says of itself. */
export function isSecret(bytes: Uint8Array): boolean {
  if (isArmored(bytes)) return Buffer.from(bytes).includes("-----BEGIN PGP PRIVATE KEY BLOCK-----");
  const first = bytes[0] ?? 0;
  return ((first & 0x40) === 0 ? (first >> 2) & 0x0f : first & 0x3f) === 5;
}

function binaryOf(bytes: Uint8Array): Uint8Array {
  if (!isSecret(bytes)) {
    throw new CountersignError("E_KEY_NOT_PRIVATE", "this is an OpenPGP public key, where a secret key belongs", {
      hint: "export the secret key: gpg --export-secret-keys --armor FINGERPRINT",
    });
  }
  if (!isArmored(bytes)) return bytes;
  const [block, ...others] = readArmor(bytes).filter(({ label }) => label === "PGP PRIVATE KEY BLOCK");
  if (block !== undefined && others.length === 0) return block.bytes;
  throw invalid("it holds several blocks");
}

async function readWhole(openpgp: Library, binaryKeys: Uint8Array) {
  try {
    const [whole, ...others] = await openpgp.readPrivateKeys({ binaryKeys });
    if (whole !== undefined && others.length === 0) return whole;
  } catch (error) {
    if (isCountersignError(error)) throw error;
    // What the library says may quote what it read.
    throw invalid("it cannot be read");
  }
  throw invalid("it holds more than one key");
}

/** The primary key where it may sign and is here, else the newest of the subkeys that may. */
function choose(
  openpgp: Library,
  whole: Awaited<ReturnType<typeof readWhole>>,
  { fingerprint, keys }: OpenPgpCertificate,
  at: Date,
): { readonly key: OpenPgpKey; readonly packet: SecretPacket } {
  const secrets = whole.getKeys().flatMap(({ keyPacket }) => {
    const secret = keyPacket instanceof openpgp.SecretKeyPacket || keyPacket instanceof openpgp.SecretSubkeyPacket;
    // A dummy stands for a secret that is kept elsewhere, on a card or offline.
    return secret && !keyPacket.isDummy() ? [keyPacket] : [];
  });
  const usable = keys.filter(({ revoked, expiresAt }) => !revoked && (expiresAt === undefined || expiresAt > at));
  const ordered = [...usable].sort(
    (one, other) => Number(other.primary) - Number(one.primary) || Number(other.createdAt) - Number(one.createdAt),
  );
  for (const key of ordered) {
    const packet = secrets.find((each) => each.getFingerprint().toUpperCase() === key.fingerprint);
    if (packet !== undefined) return { key, packet };
  }
  const why = usable.length === 0 ? "each has expired or been revoked" : "those that may sign are kept elsewhere";
  throw new CountersignError("E_KEY_INVALID", `no key of ${fingerprint} can sign here: ${why}`, {
    hint: "prolong the key, or export it with its secret: gpg --export-secret-keys --armor FINGERPRINT",
  });
}

async function unlock(packet: SecretPacket, passphrase: PassphraseSource): Promise<void> {
  if (packet.isDecrypted()) return;
  const given = await passphrase();
  if (given === undefined) {
    throw new CountersignError("E_PASSPHRASE_REQUIRED", "the key is encrypted, and no passphrase was given", {
      hint: "add --passphrase env://NAME or --passphrase FILE",
    });
  }
  try {
    await packet.decrypt(Buffer.from(given).toString("utf8"));
  } catch {
    throw new CountersignError("E_PASSPHRASE_WRONG", "the passphrase does not open the key, or the key is damaged", {
      hint: "check the variable or file that the passphrase comes from, white space at its ends too",
    });
  }
}

/** The public half as the certificate has it, the secret numbers beside it. */
function privateKeyOf(packet: SecretPacket, { algorithm, publicKey }: OpenPgpKey): KeyObject {
  const secret = numbersOf(packet);
  const jwk = publicKey.key.export({ format: "jwk" });
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: { ...jwk, ...secretMembers(algorithm, jwk, secret) }, format: "jwk" });
  } catch {
    throw invalid("its secret numbers are not a key's");
  }
  if (!createPublicKey(key).equals(publicKey.key)) throw invalid("its secret numbers belong to another key");
  return key;
}

function secretMembers(algorithm: number, jwk: JsonWebKey, secret: ReadonlyMap<string, Uint8Array>): JsonWebKey {
  const member = (name: string) => secret.get(name) ?? new Uint8Array();
  switch (algorithm) {
    case KEY_ALGORITHM.rsa:
    case KEY_ALGORITHM.rsaSign: {
      // OpenPGP's u is the inverse of p, JWK's qi that of q: the two primes change places.
      const [d, p, q] = [number(member("d")), number(member("q")), number(member("p"))];
      if (p < 2n || q < 2n) throw invalid("its secret numbers are not a key's");
      const [dp, dq] = [d % (p - 1n), d % (q - 1n)];
      return { ...encoded({ d, p, q, dp, dq }), qi: Buffer.from(member("u")).toString("base64url") };
    }
    case KEY_ALGORITHM.ecdsa: {
      const size = Buffer.from(jwk.x ?? "", "base64url").length;
      return { d: padded(member("d"), size) };
    }
    case KEY_ALGORITHM.eddsaLegacy:
    case KEY_ALGORITHM.ed25519:
      return { d: padded(member("seed"), 32) };
    default:
      throw invalid(`it is of algorithm ${algorithm}`);
  }
}

function encoded(values: Readonly<Record<string, bigint>>): JsonWebKey {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      const hex = value.toString(16);
      return [name, Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex").toString("base64url")];
    }),
  );
}

function number(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`);
}

function padded(bytes: Uint8Array, size: number): string {
  const missing = Math.max(0, size - bytes.length);
  return Buffer.concat([Buffer.alloc(missing), bytes]).toString("base64url");
}

/** The library declares its secret numbers as any object. */
function numbersOf(packet: SecretPacket): ReadonlyMap<string, Uint8Array> {
  const held: unknown = packet.privateParams;
  const members = typeof held === "object" && held !== null ? Object.entries(held) : [];
  return new Map(members.flatMap(([name, value]) => (value instanceof Uint8Array ? [[name, value] as const] : [])));
}

function invalid(what: string): CountersignError {
  return new CountersignError("E_KEY_INVALID", `malformed OpenPGP secret key: ${what}`, {
    hint: "export it again, one key a file: gpg --export-secret-keys --armor FINGERPRINT",
    exit: 2,
  });
}
