import { createHash, createPublicKey, type JsonWebKey } from "node:crypto";
import { CountersignError } from "../../model/errors.ts";
import type { PublicKey } from "../../model/public-key.ts";
import { publicKeyFrom } from "../public-keys.ts";
import { concat, malformed, octet, readUint32, slice } from "./packets.ts";
import { readIntegers } from "./signature-packet.ts";

/** Public-key algorithms by their numbers (RFC 9580 9.1), those that sign here. */
export const KEY_ALGORITHM = { rsa: 1, rsaSign: 3, ecdsa: 19, eddsaLegacy: 22, ed25519: 27 } as const;

const curves: Readonly<Record<string, { readonly crv: string; readonly size: number }>> = {
  "2a8648ce3d030107": { crv: "P-256", size: 32 },
  "2b81040022": { crv: "P-384", size: 48 },
  "2b81040023": { crv: "P-521", size: 66 },
};
const ED25519_LEGACY = "2b06010401da470f01";

/** What the body of a public-key packet says: a key of version 4 that can sign. */
export interface PublicKeyPacket {
  /** 40 upper-case hex digits. */
  readonly fingerprint: string;
  readonly createdAt: Date;
  readonly algorithm: number;
  readonly publicKey: PublicKey;
}

/** Upper-case hex of SHA-1 over a version 4 key packet (RFC 9580 5.5.4.2): no signature, so a name that others use. */
export function fingerprintOf(body: Uint8Array): string {
  const head = Uint8Array.of(0x99, body.length >> 8, body.length & 0xff);
  return createHash("sha1").update(head).update(body).digest("hex").toUpperCase();
}

/**
 * Reads the body of a public-key or public-subkey packet.
 * @throws E_KEY_UNSUPPORTED for other versions and for what cannot sign here; E_KEY_WEAK; E_KEY_INVALID, E_SIGNATURE_MALFORMED.
 */
export function readPublicKeyPacket(body: Uint8Array): PublicKeyPacket {
  const version = octet(body, 0);
  if (version !== 4) throw unsupported(`an OpenPGP key of version ${version}`);
  const algorithm = octet(body, 5);
  return {
    fingerprint: fingerprintOf(body),
    createdAt: new Date(readUint32(body, 1) * 1000),
    algorithm,
    publicKey: publicKeyFrom(createKey(webKey(algorithm, body.subarray(6)))),
  };
}

function webKey(algorithm: number, parameters: Uint8Array): JsonWebKey {
  switch (algorithm) {
    case KEY_ALGORITHM.rsa:
    case KEY_ALGORITHM.rsaSign: {
      const [n, e] = readIntegers(parameters, 2);
      return { kty: "RSA", n: base64url(n), e: base64url(e) };
    }
    case KEY_ALGORITHM.ecdsa: {
      const { oid, point } = readPoint(parameters);
      const curve = curves[oid];
      if (curve === undefined) throw unsupported(`an OpenPGP ECDSA key on the curve ${oid}`);
      if (point.length !== 1 + 2 * curve.size || point[0] !== 4)
        throw malformed("a point of a key is not on its curve");
      const [x, y] = [point.subarray(1, 1 + curve.size), point.subarray(1 + curve.size)];
      return { kty: "EC", crv: curve.crv, x: base64url(x), y: base64url(y) };
    }
    case KEY_ALGORITHM.eddsaLegacy: {
      const { oid, point } = readPoint(parameters);
      if (oid !== ED25519_LEGACY) throw unsupported(`an OpenPGP EdDSA key on the curve ${oid}`);
      if (point.length !== 33 || point[0] !== 0x40) throw malformed("a point of a key is not on its curve");
      return { kty: "OKP", crv: "Ed25519", x: base64url(point.subarray(1)) };
    }
    case KEY_ALGORITHM.ed25519:
      if (parameters.length !== 32) throw malformed("an Ed25519 key has not 32 octets");
      return { kty: "OKP", crv: "Ed25519", x: base64url(parameters) };
    default:
      throw unsupported(`an OpenPGP key of algorithm ${algorithm}`);
  }
}

function readPoint(parameters: Uint8Array): { readonly oid: string; readonly point: Uint8Array } {
  const length = octet(parameters, 0);
  const oid = Buffer.from(slice(parameters, 1, length)).toString("hex");
  const [point = concat([])] = readIntegers(parameters.subarray(1 + length), 1);
  return { oid, point };
}

function createKey(key: JsonWebKey) {
  try {
    return createPublicKey({ key, format: "jwk" });
  } catch (cause) {
    throw new CountersignError("E_KEY_INVALID", "malformed key in an OpenPGP certificate", {
      hint: "export it again with: gpg --export --armor FINGERPRINT",
      cause,
    });
  }
}

function base64url(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString("base64url");
}

function unsupported(what: string): CountersignError {
  return new CountersignError("E_KEY_UNSUPPORTED", `${what} is not supported`, {
    hint: "use a version 4 key: RSA from 2048 to 8192 bits, Ed25519 as gpg 2.2 makes it, or ECDSA on P-256, P-384 or P-521",
  });
}
