import { createPublicKey, type KeyObject } from "node:crypto";
import { type KeyKind, makeKey } from "../../trust/support/pki.ts";

/** A new private key, PKCS#8. */
export function keyPem(key: KeyObject | KeyKind = "p256"): string {
  const made = typeof key === "string" ? makeKey(key) : key;
  return made.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Its public half, or that of a new one. */
export function publicKeyPem(key: KeyObject | KeyKind = "p256"): string {
  const made = typeof key === "string" ? makeKey(key) : key;
  return createPublicKey(made).export({ type: "spki", format: "pem" }).toString();
}

/** A new private key under a passphrase, encrypted PKCS#8. */
export function encryptedKeyPem(passphrase: string, key: KeyObject | KeyKind = "p256"): string {
  const made = typeof key === "string" ? makeKey(key) : key;
  return made.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase }).toString();
}
