import type { KeyObject } from "node:crypto";
import { CountersignError } from "../model/errors.ts";
import type { PublicKey } from "../model/signature.ts";
import { parseCertificate } from "./certificate.ts";
import { decodeDer, type Element, identifierOf, MalformedDer, sequence, TAG } from "./der.ts";
import { invalidKey, publicKeyFrom, readKey } from "./describe-key.ts";
import { parsePem } from "./pem.ts";

export { hashOf, pssParameters, publicKeyFrom } from "./describe-key.ts";

/**
 * A public key file: PEM `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE` (its key), or the DER of one of these.
 * @throws E_KEY_INVALID also for a private key or for several blocks, and what publicKeyFrom throws.
 */
export function parsePublicKey(bytes: Uint8Array): PublicKey {
  if (bytes[0] === 0x30) return publicKeyFrom(keyOfDer(bytes));
  const [block, ...others] = parsePem(bytes, 16, "E_KEY_INVALID");
  if (block === undefined) {
    throw new CountersignError("E_KEY_INVALID", "no public key found: neither PEM nor DER", {
      hint: "hand over a PEM file that begins with -----BEGIN PUBLIC KEY-----",
    });
  }
  if (block.label.endsWith("PRIVATE KEY")) {
    throw new CountersignError("E_KEY_INVALID", "this is a private key, where a public key belongs", {
      hint: "hand over its public half: openssl pkey -in key.pem -pubout, or cosign public-key --key cosign.key",
    });
  }
  if (others.length > 0) {
    throw new CountersignError("E_KEY_INVALID", `${others.length + 1} PEM blocks stand where one public key belongs`, {
      hint: "hand over one key in each file",
    });
  }
  switch (block.label) {
    case "PUBLIC KEY":
      return publicKeyFrom(readSpki(block.der));
    case "RSA PUBLIC KEY":
      return publicKeyFrom(readKey(block.der, "pkcs1"));
    case "CERTIFICATE":
      return publicKeyFrom(parseCertificate(block.der).publicKey);
    default:
      throw new CountersignError(
        "E_KEY_INVALID",
        `a PEM block ${JSON.stringify(block.label.slice(0, 64))} is no public key`,
        { hint: "hand over a PEM block PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE" },
      );
  }
}

function keyOfDer(der: Uint8Array): KeyObject {
  const [first, second, third] = membersOf(der);
  if (first === undefined || identifierOf(first) === TAG.integer) {
    // RSAPublicKey is two integers; more of them, or an OCTET STRING behind one, is a private key.
    if (first !== undefined && second !== undefined && identifierOf(second) === TAG.integer && third === undefined) {
      return readKey(der, "pkcs1");
    }
    throw new CountersignError("E_KEY_INVALID", "this DER is no public key", {
      hint: "hand over a public key, not a private one: openssl pkey -in key.pem -pubout",
    });
  }
  return third === undefined ? readSpki(der) : parseCertificate(der).publicKey;
}

function readSpki(der: Uint8Array): KeyObject {
  membersOf(der);
  return readKey(der, "spki");
}

/** Of exactly one SEQUENCE: OpenSSL reads over what stands behind it. */
function membersOf(der: Uint8Array): readonly Element[] {
  try {
    return sequence(decodeDer(der, "public key"), "public key");
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
    throw invalidKey(error);
  }
}
