/** What key files are OpenPGP's, told before anything of it is loaded. */

const SECRET_KEY = 5;
const PUBLIC_KEY = 6;
const ARMOR = "-----BEGIN PGP ";
/** Text in front of a block that is looked through. */
const PREFACE = 64 * 1024;

/** Whether bytes are a text with an armored block. A binary key is none, whatever its user IDs hold. */
export function isArmored(bytes: Uint8Array): boolean {
  return !isKeyPacket(bytes) && Buffer.from(bytes.subarray(0, PREFACE)).includes(ARMOR);
}

/** Whether bytes are OpenPGP keys, secret or public, armored or binary, and not DER or PEM. */
export function isOpenPgp(bytes: Uint8Array): boolean {
  return isArmored(bytes) || isKeyPacket(bytes);
}

/** Whether an OpenPGP file holds a secret key, by what it says of itself. */
export function isOpenPgpSecret(bytes: Uint8Array): boolean {
  if (isArmored(bytes)) return Buffer.from(bytes).includes("-----BEGIN PGP PRIVATE KEY BLOCK-----");
  return firstTag(bytes) === SECRET_KEY;
}

function isKeyPacket(bytes: Uint8Array): boolean {
  return [SECRET_KEY, PUBLIC_KEY].includes(firstTag(bytes));
}

/** The type of the packet that bytes begin with; -1 where none does. */
function firstTag([first = 0]: Uint8Array): number {
  if ((first & 0x80) === 0) return -1;
  return (first & 0x40) === 0 ? (first >> 2) & 0x0f : first & 0x3f;
}
