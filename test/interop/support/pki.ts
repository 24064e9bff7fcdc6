import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import type { KeyUsage } from "../../../src/model/certificate.ts";
import { issueCertificate } from "../../../src/trust/issue-certificate.ts";

/** The key types that cosign signs with. */
export const KEY_TYPES = ["p256", "p384", "p521", "rsa2048", "rsa3072", "rsa4096", "ed25519"] as const;
export type KeyType = (typeof KEY_TYPES)[number];

/** A key pair as PEM (PKCS#8, SPKI). */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly privatePem: string;
  readonly publicPem: string;
}

export function generateKey(type: KeyType): KeyPair {
  const { privateKey } = generate(type);
  return {
    privateKey,
    privatePem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicPem: createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString(),
  };
}

function generate(type: KeyType): { privateKey: KeyObject } {
  if (type === "ed25519") return generateKeyPairSync("ed25519");
  if (type.startsWith("rsa")) return generateKeyPairSync("rsa", { modulusLength: Number(type.slice("rsa".length)) });
  return generateKeyPairSync("ec", { namedCurve: type.replace("p", "P-") });
}

const codeSigning = "1.3.6.1.5.5.7.3.3";
const day = 86_400_000;

/** A company's PKI: a root, an intermediate that may issue no further CA, leaves for code signing. PEM text throughout. */
export interface Pki {
  readonly root: string;
  readonly intermediate: string;
  /** The leaf's issuers as cosign wants them: its own first, the root last. */
  readonly chain: string;
  /** A leaf certificate for this key, which may be elsewhere; valid now unless told. */
  issue(
    key: Partial<KeyPair> & Pick<KeyPair, "publicPem">,
    options: { uri: string; notBefore?: Date; notAfter?: Date },
  ): Promise<string>;
}

export async function createPki(name: string): Promise<Pki> {
  const rootKey = generateKey("p384");
  const intermediateKey = generateKey("p256");
  const authority = { keyUsage: ["keyCertSign", "cRLSign"] as KeyUsage[], ...validity(3650) };
  const root = await issueCertificate(
    { subject: `CN=${name} Root`, publicKey: publicKey(rootKey), serial: "01", ca: {}, ...authority },
    rootKey.privateKey,
  );
  const intermediate = await issueCertificate(
    {
      subject: `CN=${name} Intermediate`,
      publicKey: publicKey(intermediateKey),
      serial: "02",
      ca: { pathLength: 0 },
      ...authority,
    },
    rootKey.privateKey,
    { certificate: root },
  );
  let serial = 2;
  return {
    root: pem(root),
    intermediate: pem(intermediate),
    chain: pem(intermediate) + pem(root),
    async issue(key, { uri, ...period }) {
      serial += 1;
      const request = {
        subject: `CN=${name} Signer`,
        publicKey: publicKey(key),
        serial: serial.toString(16).padStart(2, "0"),
        keyUsage: ["digitalSignature"] as const,
        extendedKeyUsage: [codeSigning],
        alternativeNames: [{ type: "uri", value: uri }] as const,
        ...validity(30),
        ...period,
      };
      return pem(await issueCertificate(request, intermediateKey.privateKey, { certificate: intermediate }));
    },
  };
}

function publicKey(key: Pick<KeyPair, "publicPem">): KeyObject {
  return createPublicKey(key.publicPem);
}

function validity(days: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + days * day) };
}

function pem(der: Uint8Array): string {
  return new X509Certificate(der).toString();
}
