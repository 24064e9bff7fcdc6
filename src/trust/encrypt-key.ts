import { createCipheriv, type KeyObject, pbkdf2Sync } from "node:crypto";
import { TAG } from "./der.ts";
import { element, integerOf, octetsOf, oidOf, sequenceOf } from "./der-writer.ts";
import { encodePem } from "./pem.ts";

const PBES2 = "1.2.840.113549.1.5.13";
const PBKDF2 = "1.2.840.113549.1.5.12";
const HMAC_SHA256 = "1.2.840.113549.2.9";
const AES_256_CBC = "2.16.840.1.101.3.4.1.42";

/** What OWASP asks of PBKDF2 with SHA-256; Node's own export stops at 2048, which a graphics card laughs at. */
const ITERATIONS = 600_000;

/**
 * A private key as encrypted PKCS #8 in PEM (RFC 5958; PBES2 of RFC 8018: PBKDF2 with HMAC-SHA-256, AES-256-CBC). openssl and this
 * program read it; cosign after `cosign import-key-pair`.
 * @param randomBytes makes salt and initialisation vector
 */
export function encryptPrivateKey(
  key: KeyObject,
  passphrase: Uint8Array,
  randomBytes: (length: number) => Uint8Array,
): string {
  const salt = randomBytes(16);
  const vector = randomBytes(16);
  const secret = pbkdf2Sync(passphrase, salt, ITERATIONS, 32, "sha256");
  const cipher = createCipheriv("aes-256-cbc", secret, vector);
  const plain = key.export({ type: "pkcs8", format: "der" });
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()]);
  const iterations = Buffer.alloc(4);
  iterations.writeUInt32BE(ITERATIONS);
  const derivation = sequenceOf(
    oidOf(PBKDF2),
    sequenceOf(octetsOf(salt), integerOf(iterations), sequenceOf(oidOf(HMAC_SHA256), element(TAG.null))),
  );
  const scheme = sequenceOf(oidOf(AES_256_CBC), octetsOf(vector));
  const algorithm = sequenceOf(oidOf(PBES2), sequenceOf(derivation, scheme));
  return encodePem("ENCRYPTED PRIVATE KEY", sequenceOf(algorithm, octetsOf(encrypted)));
}
