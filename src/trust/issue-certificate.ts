import { type KeyObject, webcrypto } from "node:crypto";
import type { Extension } from "@peculiar/x509";
import type { KeyUsage } from "../model/certificate.ts";
import { EXTENSION } from "./extensions.ts";
import { issuingCurve, namedHash } from "./issuing-key.ts";
import type { RequestedName } from "./requested-names.ts";
import { encodeGeneralNames, encodeName } from "./write-names.ts";

/** What to write into a certificate. Times are whole seconds in the encoding; fractions are cut. */
export interface CertificateRequest {
  /** RFC 4514 text, most specific first: `CN=release,O=Example`; or the DER of a Name. */
  readonly subject: string | Uint8Array;
  readonly publicKey: KeyObject;
  /** Hex, at most 20 octets, positive (RFC 5280 4.1.2.2). */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Absent: an end-entity certificate (CA:FALSE). */
  readonly ca?: { readonly pathLength?: number | undefined } | undefined;
  readonly keyUsage: readonly KeyUsage[];
  /** OIDs. */
  readonly extendedKeyUsage?: readonly string[] | undefined;
  readonly alternativeNames?: readonly RequestedName[] | undefined;
  /** Where revocation lists of the issuer are published (RFC 5280 4.2.1.13). */
  readonly revocationLists?: readonly string[] | undefined;
}

/** Who signs it: absent, the certificate signs itself. */
export interface Issuer {
  /** DER of the issuer's certificate. */
  readonly certificate: Uint8Array;
}

/**
 * Issues an X.509 v3 certificate (RFC 5280 section 4). `signingKey` is the issuer's private key, or the subject's own for
 * a self-signed one. Resolves to DER.
 * @throws E_KEY_UNSUPPORTED for a signing key that is neither ECDSA on P-256/384/521 nor RSA; E_USAGE for a subject that
 * is no name.
 */
export async function issueCertificate(
  request: CertificateRequest,
  signingKey: KeyObject,
  issuer?: Issuer,
): Promise<Uint8Array> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const algorithm = signingAlgorithm(signingKey);
  const usage = request.keyUsage.reduce((bits, name) => bits | x509.KeyUsageFlags[name], 0);
  const extensions: Extension[] = [
    new x509.BasicConstraintsExtension(request.ca !== undefined, request.ca?.pathLength, true),
    new x509.KeyUsagesExtension(usage, true),
    await x509.SubjectKeyIdentifierExtension.create(spki(request.publicKey)),
  ];
  if (request.extendedKeyUsage?.length) {
    extensions.push(new x509.ExtendedKeyUsageExtension([...request.extendedKeyUsage], true));
  }
  if (request.alternativeNames?.length) {
    const names = encodeGeneralNames(request.alternativeNames);
    extensions.push(new x509.Extension(EXTENSION.alternativeNames, false, new Uint8Array(names)));
  }
  if (request.revocationLists?.length) {
    extensions.push(new x509.CRLDistributionPointsExtension([...request.revocationLists]));
  }
  const named = typeof request.subject === "string" ? encodeName(request.subject) : request.subject;
  const subject = new x509.Name(new Uint8Array(named));
  const parent = issuer === undefined ? undefined : new x509.X509Certificate(issuer.certificate);
  if (parent !== undefined) extensions.push(await x509.AuthorityKeyIdentifierExtension.create(parent.publicKey));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: request.serial,
    subject,
    issuer: parent?.subjectName ?? subject,
    notBefore: request.notBefore,
    notAfter: request.notAfter,
    publicKey: spki(request.publicKey),
    signingKey: await privateCryptoKey(signingKey, algorithm),
    signingAlgorithm: algorithm,
    extensions,
  });
  return new Uint8Array(certificate.rawData);
}

function spki(key: KeyObject): Uint8Array<ArrayBuffer> {
  return new Uint8Array(key.export({ type: "spki", format: "der" }));
}

type SigningAlgorithm =
  | { name: "ECDSA"; namedCurve: string; hash: string }
  | { name: "RSASSA-PKCS1-v1_5"; hash: string };

function signingAlgorithm(key: KeyObject): SigningAlgorithm {
  const hash = namedHash(key).replace("sha", "SHA-");
  const namedCurve = issuingCurve(key);
  return namedCurve === undefined ? { name: "RSASSA-PKCS1-v1_5", hash } : { name: "ECDSA", namedCurve, hash };
}

function privateCryptoKey(key: KeyObject, algorithm: SigningAlgorithm): Promise<webcrypto.CryptoKey> {
  const pkcs8 = key.export({ type: "pkcs8", format: "der" });
  return webcrypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]);
}
