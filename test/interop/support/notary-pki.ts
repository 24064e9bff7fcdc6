import { createPublicKey, X509Certificate } from "node:crypto";
import type { KeyUsage } from "../../../src/model/certificate.ts";
import { type CertificateRequest, issueCertificate } from "../../../src/trust/issue-certificate.ts";
import { generateKey, type KeyPair, type KeyType } from "./pki.ts";

/** The key types that the Notary specification has algorithms for. */
export const NOTARY_KEYS = [
  "rsa2048",
  "rsa3072",
  "rsa4096",
  "p256",
  "p384",
  "p521",
] as const satisfies readonly KeyType[];
export type NotaryKey = (typeof NOTARY_KEYS)[number];

/** The subject that leaves have unless told, and the identity that a trust policy names it by. */
export const SUBJECT = "CN=release,O=Example,ST=Bern,C=CH";
export const IDENTITY = "x509.subject: C=CH, ST=Bern, O=Example";

/** A leaf with its key; `chain` is PEM, leaf first, root last. */
export interface NotaryLeaf {
  readonly key: KeyPair;
  readonly certificate: string;
  readonly issuers: string;
  readonly chain: string;
}

export interface NotaryPki {
  readonly root: string;
  issue(key: KeyPair, change?: Partial<CertificateRequest>): Promise<NotaryLeaf>;
}

const day = 86_400_000;
const codeSigning = "1.3.6.1.5.5.7.3.3";

/** Root, intermediate and leaves as the certificate requirements of the specification want them. */
export async function createNotaryPki(name: string): Promise<NotaryPki> {
  const [rootKey, intermediateKey] = [generateKey("p384"), generateKey("p256")];
  const from = new Date(Date.now() - day);
  const authority = {
    keyUsage: ["keyCertSign", "cRLSign"] as KeyUsage[],
    notBefore: from,
    notAfter: new Date(Date.now() + 3650 * day),
  };
  const root = await issueCertificate(
    { subject: `CN=${name} Root,O=Example,C=CH`, publicKey: publicKey(rootKey), serial: "01", ca: {}, ...authority },
    rootKey.privateKey,
  );
  const intermediate = await issueCertificate(
    {
      subject: `CN=${name} Intermediate,O=Example,C=CH`,
      publicKey: publicKey(intermediateKey),
      serial: "02",
      ca: { pathLength: 0 },
      ...authority,
    },
    rootKey.privateKey,
    { certificate: root },
  );
  const issuers = pem(intermediate) + pem(root);
  let serial = 16;
  return {
    root: pem(root),
    async issue(key, change = {}) {
      serial += 1;
      const request: CertificateRequest = {
        subject: SUBJECT,
        publicKey: publicKey(key),
        serial: serial.toString(16),
        keyUsage: ["digitalSignature"],
        extendedKeyUsage: [codeSigning],
        notBefore: from,
        notAfter: new Date(Date.now() + 30 * day),
        ...change,
      };
      const der = await issueCertificate(request, intermediateKey.privateKey, { certificate: intermediate });
      return { key, certificate: pem(der), issuers, chain: pem(der) + issuers };
    },
  };
}

function publicKey(key: KeyPair) {
  return createPublicKey(key.publicPem);
}

function pem(der: Uint8Array): string {
  return new X509Certificate(der).toString();
}
