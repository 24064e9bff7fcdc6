import { generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";

/** Kinds of keys that `pki` makes. */
export const KEY_TYPES = ["p256", "p384", "p521", "rsa3072", "rsa4096"] as const;
export type KeyType = (typeof KEY_TYPES)[number];

const generate = promisify(generateKeyPair);
const curves = { p256: "prime256v1", p384: "secp384r1", p521: "secp521r1" } as const;

/** A new private key with its public half. */
export async function makeKey(
  type: KeyType,
): Promise<{ readonly privateKey: KeyObject; readonly publicKey: KeyObject }> {
  if (type === "rsa3072" || type === "rsa4096") return generate("rsa", { modulusLength: Number(type.slice(3)) });
  return generate("ec", { namedCurve: curves[type] });
}
