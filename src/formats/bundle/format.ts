import type { Algorithm } from "../../model/algorithm.ts";
import type { Certificate } from "../../model/certificate.ts";
import type { Subject } from "../../model/descriptor.ts";
import { CountersignError } from "../../model/errors.ts";
import type { Format, SigningOptions } from "../../model/format.ts";
import {
  BUNDLE_CONTENT,
  BUNDLE_PREDICATE_TYPE,
  COSIGN_CHAIN,
  COSIGN_SIGN_PREDICATE,
  IN_TOTO_PAYLOAD,
  OCI_MANIFEST,
  SIGSTORE_BUNDLE,
  SIGSTORE_BUNDLE_PREFIX,
} from "../../model/media-types.ts";
import type { Evidence, PublicMaterial, Stored } from "../../model/signature.ts";
import { parseCertificate } from "../../trust/certificate.ts";
import { isSelfIssued } from "../../trust/path-building.ts";
import { responseOf, tokenOf } from "../../trust/time-stamp-response.ts";
import { decodeCertificates, encodeCertificates } from "../certificates.ts";
import { checkEvidence, keyHintOf } from "../check.ts";
import { chooseAlgorithm, signatureEncoding } from "../choose-algorithm.ts";
import { orMalformed } from "../malformed.ts";
import { decodeBundle, encodeBundle, type KeyMaterial } from "./bundle-json.ts";
import { decodePreAuthEncoding, preAuthEncoding } from "./dsse.ts";
import { decodeStatement, encodeStatement } from "./statement.ts";

/** `cosign verify --key` takes SHA-256 for every curve unless told. */
const preferredForKeys: readonly Algorithm[] = [
  "ecdsa-p256-sha256",
  "ecdsa-p384-sha256",
  "ecdsa-p521-sha256",
  "rsa-pkcs1-sha256",
  "ed25519",
];
/** With a certificate cosign takes the hash that belongs to the curve. */
const preferredForCertificates: readonly Algorithm[] = [
  "ecdsa-p256-sha256",
  "ecdsa-p384-sha384",
  "ecdsa-p521-sha512",
  "rsa-pkcs1-sha256",
  "ed25519",
];

/** Sigstore bundle v0.3 with a DSSE in-toto statement and cosign's sign predicate (cosign specs/BUNDLE_SPEC.md). */
export const bundleFormat: Format = {
  name: "bundle",
  // An index must name artifact types, but not every registry or client does: what has none may be a bundle, and is looked at.
  recognises: ({ descriptor: { artifactType, mediaType } }) =>
    mediaType === OCI_MANIFEST && (artifactType?.startsWith(SIGSTORE_BUNDLE_PREFIX) ?? true),
  signedBytes,
  readSignedBytes(bytes) {
    const { payloadType, payload } = decodePreAuthEncoding(bytes);
    ensureStatement(payloadType);
    return decodeStatement(payload);
  },
  prepare(subject, { publicKey, chain }, options) {
    const preferred = chain.length > 0 ? preferredForCertificates : preferredForKeys;
    const algorithm = chooseAlgorithm("bundle", publicKey, preferred, options.algorithm);
    return {
      format: "bundle",
      subject: subject.digest,
      bytes: signedBytes(subject, options),
      algorithm,
      encoding: signatureEncoding(algorithm),
    };
  },
  assemble(prepared, signature, material, options, testimony = []) {
    const { payloadType, payload } = decodePreAuthEncoding(prepared.bytes);
    const issuers = material.chain.slice(1);
    return {
      format: "bundle",
      mediaType: SIGSTORE_BUNDLE,
      artifactType: SIGSTORE_BUNDLE,
      bytes: encodeBundle({
        material: keyMaterial(material, options),
        envelope: { payloadType, payload, signature },
        timestamps: testimony.map(({ token }) => responseOf(token)),
      }),
      annotations: {
        [BUNDLE_CONTENT]: "dsse-envelope",
        [BUNDLE_PREDICATE_TYPE]: COSIGN_SIGN_PREDICATE,
        ...(issuers.length > 0 && !options.embedChain && { [COSIGN_CHAIN]: encodeCertificates(issuers) }),
      },
    };
  },
  read: (stored) => orMalformed("bundle", stored, () => decode(stored)),
  check(evidence, subject, trust, at) {
    const expected = { type: COSIGN_SIGN_PREDICATE, code: "E_PREDICATE_TYPE", member: "predicateType" } as const;
    return checkEvidence(evidence, subject, trust, at, expected);
  },
};

function signedBytes({ digest }: Subject, { annotations }: SigningOptions): Uint8Array {
  return preAuthEncoding(IN_TOTO_PAYLOAD, encodeStatement(digest, annotations));
}

function ensureStatement(payloadType: string): void {
  if (payloadType === IN_TOTO_PAYLOAD) return;
  const found = JSON.stringify(payloadType.slice(0, 120));
  throw new CountersignError("E_PAYLOAD_TYPE", `the envelope holds ${found}, not an in-toto statement`);
}

/** Roots stay out of a chain inside a bundle, as its specification asks. */
function keyMaterial({ publicKey, chain }: PublicMaterial, { embedChain }: SigningOptions): KeyMaterial {
  const [leaf, ...issuers] = chain;
  if (leaf === undefined) return { kind: "public-key", hint: keyHintOf(publicKey) };
  const intermediates = issuers.filter((issuer) => !isSelfIssued(issuer));
  if (!embedChain || intermediates.length === 0) return { kind: "certificate", certificate: leaf.der };
  return { kind: "chain", certificates: [leaf, ...intermediates].map(({ der }) => der) };
}

function decode({ place, mediaType, bytes, annotations }: Stored): Evidence {
  if (!mediaType.startsWith(SIGSTORE_BUNDLE_PREFIX)) {
    throw new CountersignError(
      "E_FORMAT_UNSUPPORTED",
      `a blob of type ${JSON.stringify(mediaType.slice(0, 120))} is no bundle`,
    );
  }
  const { material, envelope, timestamps } = decodeBundle(bytes);
  ensureStatement(envelope.payloadType);
  return {
    format: "bundle",
    place,
    signed: preAuthEncoding(envelope.payloadType, envelope.payload),
    signature: envelope.signature,
    certificates: certificatesOf(material, annotations[COSIGN_CHAIN]),
    ...(material.kind === "public-key" && { keyHint: material.hint }),
    timestamps: timestamps.map(tokenOf),
    claims: decodeStatement(envelope.payload),
  };
}

/** Issuers beside the bundle, in the manifest's annotation, help to build a path, as those inside it do. Neither is trusted. */
function certificatesOf(material: KeyMaterial, chain: string | undefined): readonly Certificate[] {
  if (material.kind === "public-key") return [];
  const inside = material.kind === "certificate" ? [material.certificate] : material.certificates;
  return [...inside.map(parseCertificate), ...(chain ? decodeCertificates(chain) : [])];
}
