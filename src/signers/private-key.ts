import { createPrivateKey, type KeyObject, type PrivateKeyInput } from "node:crypto";
import { asWrongUse, CountersignError } from "../model/errors.ts";
import { encodePem, type PemBlock, parsePem } from "../trust/pem.ts";
import { publicKeyFrom } from "../trust/public-keys.ts";
import { COSIGN_KEY_LABELS, decryptCosignKey } from "./cosign-key.ts";

/** Asked once, and only when the key is encrypted. Undefined: there is none; empty is a passphrase. */
export type PassphraseSource = () => Promise<Uint8Array | undefined>;

const PLAIN_LABELS = { "PRIVATE KEY": "pkcs8", "RSA PRIVATE KEY": "pkcs1", "EC PRIVATE KEY": "sec1" } as const;

/**
 * Reads a private key from PEM: PKCS#8, plain or encrypted; PKCS#1 and SEC1, plain or encrypted the traditional way
 * (`Proc-Type: 4,ENCRYPTED`); cosign's own encrypted keys. An `EC PARAMETERS` block and certificates beside it are skipped.
 * @throws E_KEY_INVALID, E_KEY_NOT_PRIVATE, E_KEY_UNSUPPORTED, E_KEY_WEAK, E_PASSPHRASE_REQUIRED, E_PASSPHRASE_WRONG, all
 * with exit status 2. No message holds anything of the key.
 */
export async function parsePrivateKey(bytes: Uint8Array, passphrase: PassphraseSource): Promise<KeyObject> {
  const key = await openBlock(findBlock(bytes), passphrase);
  asWrongUse(() => publicKeyFrom(key));
  return key;
}

function findBlock(bytes: Uint8Array): PemBlock {
  if (bytes[0] === 0x30) {
    throw new CountersignError("E_KEY_INVALID", "this key is DER, where PEM belongs", {
      hint: "convert it with: openssl pkey -inform DER -in key.der -out key.pem",
    });
  }
  const blocks = parsePem(bytes, 16, "E_KEY_INVALID");
  const [key, ...others] = blocks.filter(({ label }) => /\bPRIVATE KEY\b/.test(label));
  if (others.length > 0) {
    throw new CountersignError("E_KEY_INVALID", `${others.length + 1} private keys stand where one belongs`, {
      hint: "hand over one key in each file",
    });
  }
  if (key !== undefined) return key;
  const labels = new Set(blocks.map(({ label }) => label));
  if (labels.has("PUBLIC KEY") || labels.has("RSA PUBLIC KEY")) {
    throw new CountersignError("E_KEY_NOT_PRIVATE", "this is a public key, where a private key belongs", {
      hint: "hand over its private half; a public key verifies, it cannot sign",
    });
  }
  if (labels.has("CERTIFICATE")) {
    throw new CountersignError("E_KEY_NOT_PRIVATE", "this is a certificate, where a private key belongs", {
      hint: "hand over the private key with --key and the certificate with --certificate",
    });
  }
  throw new CountersignError("E_KEY_INVALID", "no private key found: this is not PEM, or PEM of something else", {
    hint: "hand over a PEM file that begins with -----BEGIN PRIVATE KEY-----, or a cosign key",
  });
}

async function openBlock(block: PemBlock, passphrase: PassphraseSource): Promise<KeyObject> {
  const { label, der, headers } = block;
  if ((COSIGN_KEY_LABELS as readonly string[]).includes(label)) {
    return openDer(await decryptCosignKey(der, await demand(passphrase)), "pkcs8");
  }
  if (label === "ENCRYPTED PRIVATE KEY") return openEncrypted(encodePem(label, der), await demand(passphrase));
  if (isPlain(label)) {
    if (headers.some(({ name, value }) => name === "Proc-Type" && /ENCRYPTED/.test(value))) {
      return openEncrypted(withHeaders(block), await demand(passphrase));
    }
    return openDer(der, PLAIN_LABELS[label]);
  }
  if (label === "OPENSSH PRIVATE KEY") {
    throw new CountersignError("E_KEY_UNSUPPORTED", "keys in OpenSSH's own form are not supported", {
      hint: "convert a copy of it with: ssh-keygen -p -m PKCS8 -f COPY",
    });
  }
  throw new CountersignError(
    "E_KEY_UNSUPPORTED",
    `a PEM block ${JSON.stringify(label.slice(0, 64))} is not supported`,
    {
      hint: "convert it with: openssl pkey -in key.pem -out pkcs8.pem",
    },
  );
}

function isPlain(label: string): label is keyof typeof PLAIN_LABELS {
  return Object.hasOwn(PLAIN_LABELS, label);
}

async function demand(passphrase: PassphraseSource): Promise<Uint8Array> {
  const answer = await passphrase();
  if (answer !== undefined) return answer;
  throw new CountersignError("E_PASSPHRASE_REQUIRED", "the key is encrypted, and no passphrase was given", {
    hint: "add --passphrase env://NAME or --passphrase FILE; COSIGN_PASSWORD is honoured too",
  });
}

function openDer(der: Uint8Array, type: "pkcs8" | "pkcs1" | "sec1"): KeyObject {
  return open({ key: Buffer.from(der), format: "der", type }, () => malformed());
}

function openEncrypted(pem: string, passphrase: Uint8Array): KeyObject {
  return open({ key: pem, format: "pem", passphrase: Buffer.from(passphrase) }, (code) => {
    // Garbage out of a wrong passphrase is unsupported to OpenSSL's decoders too: only these two codes speak of ciphers.
    if (/^ERR_OSSL_(EVP|PEM)_UNSUPPORTED/.test(code)) return unsupportedCipher();
    return new CountersignError("E_PASSPHRASE_WRONG", "the passphrase does not open the key, or the key is damaged", {
      hint:
        passphrase.length === 0
          ? "the passphrase given is empty: check the variable or file it comes from"
          : "check the variable or file that the passphrase comes from, white space at its ends too",
    });
  });
}

/** OpenSSL's own error goes no further than its code: what it may quote is none of a log's business. */
function open(input: PrivateKeyInput, explain: (code: string) => CountersignError): KeyObject {
  try {
    return createPrivateKey(input);
  } catch (error) {
    throw explain(error instanceof Error && "code" in error ? String(error.code) : "");
  }
}

function withHeaders({ label, headers, der }: PemBlock): string {
  const [first = "", ...rest] = encodePem(label, der).split("\n");
  return [first, ...headers.map(({ name, value }) => `${name}: ${value}`), "", ...rest].join("\n");
}

function malformed(): CountersignError {
  return new CountersignError("E_KEY_INVALID", "malformed private key", {
    hint: "check it with: openssl pkey -in key.pem -noout -check",
  });
}

function unsupportedCipher(): CountersignError {
  return new CountersignError("E_KEY_UNSUPPORTED", "the key is encrypted by a cipher that is not supported", {
    hint: "encrypt it again with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in key.pem -out new.pem",
  });
}
