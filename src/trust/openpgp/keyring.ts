import type { PublicKey, User } from "openpgp";
import { CountersignError, isCountersignError } from "../../model/errors.ts";
import { LIMITS } from "../../model/limits.ts";
import type { OpenPgpCertificate, OpenPgpKey } from "../../model/openpgp.ts";
import { readArmor } from "./armor.ts";
import { isArmored } from "./detect.ts";
import { concat, PACKET, type Packet, readPackets } from "./packets.ts";
import { type PublicKeyPacket, readPublicKeyPacket } from "./public-key-packet.ts";

/** Certificates of a key file, and what of it says nothing here. */
export interface Keyring {
  readonly certificates: readonly OpenPgpCertificate[];
  /** Keys that were passed over, a sentence each. */
  readonly warnings: readonly string[];
}

/** Packets of a key file: of all its armored blocks called `label`, or as they stand. @throws E_KEY_INVALID, E_SIGNATURE_MALFORMED. */
export function keyPackets(bytes: Uint8Array, label: string): readonly Packet[] {
  if (!isArmored(bytes)) return readPackets(bytes);
  const blocks = readArmor(bytes).filter((block) => block.label === label);
  return readPackets(concat(blocks.map((block) => block.bytes)));
}

/**
 * Reads public key blocks, armored or binary, any number in one file: self-signatures, bindings, expiry and revocation are verified, at
 * `at`. What cannot be used here, as a key of a newer kind, is passed over with a warning while another is left.
 * @throws E_KEY_INVALID when nothing is left, or nothing was there; for a secret key too.
 */
export async function parseKeyring(bytes: Uint8Array, at: Date): Promise<Keyring> {
  const groups = split(bytes);
  if (groups.length > LIMITS.certificates) {
    throw invalid(`there are more than ${LIMITS.certificates} OpenPGP certificates`, "hand over only those that count");
  }
  const certificates: OpenPgpCertificate[] = [];
  const warnings: string[] = [];
  for (const group of groups) {
    try {
      certificates.push(await readCertificate(group, at));
    } catch (error) {
      if (!isCountersignError(error)) throw error;
      warnings.push(`a certificate was passed over: ${error.message}`);
    }
  }
  if (certificates.length > 0) return { certificates, warnings };
  const why = warnings.length === 0 ? "no OpenPGP public key found" : `no usable key: ${warnings.join("; ")}`;
  throw invalid(why, "export it with: gpg --export --armor FINGERPRINT");
}

/**
 * Reads one certificate: a public key packet and what belongs to it.
 * @throws E_KEY_INVALID, E_KEY_UNSUPPORTED, E_KEY_WEAK.
 */
export async function readCertificate(group: readonly Packet[], at: Date): Promise<OpenPgpCertificate> {
  const [first] = group;
  if (first === undefined) throw invalid("no OpenPGP public key found", "hand over a public key block");
  const primary = readPublicKeyPacket(first.body);
  // Only with a key to read: it is half a megabyte.
  const openpgp = await import("openpgp");
  const block = concat(group.map(({ whole }) => whole));
  const read = async () => openpgp.readKey({ binaryKey: block });
  const whole = await orInvalid(primary.fingerprint, read);
  if (whole.getFingerprint().toUpperCase() !== primary.fingerprint) {
    // The library hashes the key as it would write it, and verifies that.
    throw invalid(`the key ${primary.fingerprint} is not written as OpenPGP has it`, exported);
  }
  const primaryExpiry = await orInvalid(primary.fingerprint, () => whole.getExpirationTime());
  if (primaryExpiry === null) {
    throw invalid(`the key ${primary.fingerprint} has no valid self-signature`, "export it again, with its user ID");
  }
  const revoked = await orInvalid(primary.fingerprint, () => whole.isRevoked(undefined, undefined, at));
  const refusals: string[] = [];
  const keys: OpenPgpKey[] = [];
  const take = async (packet: PublicKeyPacket, isPrimary: boolean, expiry: Date | undefined, gone: boolean) => {
    const key: OpenPgpKey = {
      fingerprint: packet.fingerprint,
      keyId: packet.fingerprint.slice(-16),
      primary: isPrimary,
      publicKey: packet.publicKey,
      algorithm: packet.algorithm,
      createdAt: packet.createdAt,
      ...(expiry !== undefined && { expiresAt: expiry }),
      revoked: gone,
    };
    if (!gone) {
      const own = whole.getKeys().find((each) => each.getFingerprint().toUpperCase() === packet.fingerprint);
      const allowed = own && (await whole.getSigningKey(own.getKeyID(), whileValid(expiry, at)));
      if (allowed === undefined || allowed !== own) throw new Error("another key has its key ID");
    }
    keys.push(key);
  };
  const finite = (expiry: Date | number | null) => (expiry instanceof Date ? expiry : undefined);
  try {
    await take(primary, true, finite(primaryExpiry), revoked);
  } catch (error) {
    refusals.push(reasonOf(error));
  }
  for (const { body, tag } of group) {
    if (tag !== PACKET.publicSubkey) continue;
    try {
      const packet = readPublicKeyPacket(body);
      const subkey = whole.getSubkeys().find((each) => each.getFingerprint().toUpperCase() === packet.fingerprint);
      if (subkey === undefined) continue;
      const own = await subkey.getExpirationTime(at);
      const expiry = earlier(finite(own), finite(primaryExpiry));
      const [binding] = subkey.bindingSignatures;
      if (binding === undefined) continue;
      const gone = revoked || (await subkey.isRevoked(binding, whole.keyPacket, at));
      await take(packet, false, expiry, gone);
    } catch {
      // For encryption, of another kind, or bound to nothing: subkeys that do not sign are usual.
    }
  }
  if (keys.length === 0) {
    throw invalid(
      `no key of ${primary.fingerprint} may sign: ${refusals.join("; ")}`,
      "hand over a certificate whose primary key or a subkey is for signing",
    );
  }
  const userIds = await userIdsOf(whole, whileValid(finite(primaryExpiry), at));
  return { fingerprint: primary.fingerprint, userIds, keys, block };
}

/** Those that the key itself has signed and not revoked, the primary one first: anyone may add others to a key block. */
async function userIdsOf(whole: PublicKey, at: Date): Promise<readonly string[]> {
  const signed: User[] = [];
  for (const user of whole.users) {
    const holds = await user.verify(at).catch(() => false);
    if (holds) signed.push(user);
  }
  const primary = await whole.getPrimaryUser(at).catch(() => undefined);
  const ordered = signed.sort((one, other) => Number(other === primary?.user) - Number(one === primary?.user));
  return ordered.flatMap(({ userID }) => (userID === null ? [] : [userID.userID]));
}

/** What a key may do, and is called, is asked about a time when it was there: that it has expired by now is told by `expiresAt`. */
function whileValid(expiry: Date | undefined, at: Date): Date {
  return expiry !== undefined && expiry <= at ? new Date(expiry.getTime() - 1000) : at;
}

function split(bytes: Uint8Array): readonly (readonly Packet[])[] {
  const groups: Packet[][] = [];
  for (const packet of packetsOf(bytes)) {
    if (packet.tag === PACKET.secretKey) {
      throw invalid(
        "this is an OpenPGP secret key, where a public key belongs",
        "export it with: gpg --export --armor",
      );
    }
    if (packet.tag === PACKET.publicKey) groups.push([packet]);
    else groups.at(-1)?.push(packet);
  }
  return groups;
}

function packetsOf(bytes: Uint8Array): readonly Packet[] {
  try {
    return keyPackets(bytes, "PGP PUBLIC KEY BLOCK");
  } catch (cause) {
    if (!isCountersignError(cause)) throw cause;
    throw new CountersignError("E_KEY_INVALID", cause.message, { cause, hint: exported });
  }
}

async function orInvalid<T>(fingerprint: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (isCountersignError(cause)) throw cause;
    throw new CountersignError("E_KEY_INVALID", `the key ${fingerprint} cannot be read: ${reasonOf(cause)}`, {
      cause,
      hint: exported,
    });
  }
}

const exported = "export it again with: gpg --export --armor FINGERPRINT";

function earlier(one: Date | undefined, other: Date | undefined): Date | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one < other ? one : other;
}

/** What the library says speaks of public keys and of nothing else; on one line, and no longer than a line. */
function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").slice(0, 200);
}

function invalid(message: string, hint: string): CountersignError {
  return new CountersignError("E_KEY_INVALID", message, { hint });
}
