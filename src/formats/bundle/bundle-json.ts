import { CountersignError } from "../../model/errors.ts";
import { LIMITS } from "../../model/limits.ts";
import { SIGSTORE_BUNDLE } from "../../model/media-types.ts";
import { anything, listOf, objectOf, optional, readShape, type Shape, text, Unfit } from "../../model/shape.ts";
import { parseStrictJson } from "../../model/strict-json.ts";
import { decodeBase64, encodeBase64 } from "../base64.ts";

/** A Sigstore bundle v0.3 around a DSSE envelope (sigstore/protobuf-specs, sigstore_bundle.proto), its bytes decoded. */
export interface SigstoreBundle {
  readonly material: KeyMaterial;
  readonly envelope: Envelope;
  /** DER TimeStampResp (RFC 3161), over the octets of the signature. */
  readonly timestamps: readonly Uint8Array[];
  /** What else it holds that is read but not verified here. */
  readonly unverified: { readonly logEntries: number };
}

export type KeyMaterial =
  | { readonly kind: "public-key"; readonly hint: string }
  /** DER. */
  | { readonly kind: "certificate"; readonly certificate: Uint8Array }
  /** DER, leaf first. Not part of v0.3: cosign 3.1 refuses it, later versions take it when told. */
  | { readonly kind: "chain"; readonly certificates: readonly Uint8Array[] };

/** A DSSE envelope with its only signature. */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/** The two ways in which v0.3 is written. */
const mediaTypes: readonly string[] = [SIGSTORE_BUNDLE, "application/vnd.dev.sigstore.bundle+json;version=0.3"];
const MAX_LOG_ENTRIES = 32;

/** The JSON of a bundle, UTF-8, as protobuf's JSON mapping has it; the same bundle gives the same bytes. */
export function encodeBundle({ material, envelope, timestamps }: Omit<SigstoreBundle, "unverified">): Uint8Array {
  const document = {
    mediaType: SIGSTORE_BUNDLE,
    verificationMaterial: {
      ...encodeMaterial(material),
      ...(timestamps.length > 0 && { timestampVerificationData: encodeTimestamps(timestamps) }),
    },
    dsseEnvelope: {
      payload: encodeBase64(envelope.payload),
      payloadType: envelope.payloadType,
      signatures: [{ sig: encodeBase64(envelope.signature) }],
    },
  };
  return new TextEncoder().encode(JSON.stringify(document));
}

function encodeTimestamps(timestamps: readonly Uint8Array[]): object {
  return { rfc3161Timestamps: timestamps.map((response) => ({ signedTimestamp: encodeBase64(response) })) };
}

function encodeMaterial(material: KeyMaterial): object {
  const rawBytes = (der: Uint8Array) => ({ rawBytes: encodeBase64(der) });
  switch (material.kind) {
    case "public-key":
      return { publicKey: { hint: material.hint } };
    case "certificate":
      return { certificate: rawBytes(material.certificate) };
    case "chain":
      return { x509CertificateChain: { certificates: material.certificates.map(rawBytes) } };
  }
}

const bytes: Shape<Uint8Array> = (value, path) => {
  const decoded = decodeBase64(text()(value, path), { lenient: true });
  if (decoded !== undefined && decoded.length > 0) return decoded;
  throw new Unfit(path, decoded === undefined ? "not base64" : "empty");
};
const certificate = objectOf({ rawBytes: bytes });
const timestamps = objectOf({
  rfc3161Timestamps: optional(listOf(objectOf({ signedTimestamp: optional(bytes) }), 0, LIMITS.timestamps)),
});
const material = objectOf({
  publicKey: optional(objectOf({ hint: optional(text(0, 1024)) })),
  certificate: optional(certificate),
  x509CertificateChain: optional(objectOf({ certificates: listOf(certificate, 1, LIMITS.certificates) })),
  tlogEntries: optional(listOf(anything, 0, MAX_LOG_ENTRIES)),
  timestampVerificationData: optional(timestamps),
});
const oneSignature: Shape<readonly { readonly sig: Uint8Array }[]> = (value, path) => {
  if (Array.isArray(value) && value.length !== 1) {
    throw new Unfit(path, "an envelope in a bundle has exactly one signature");
  }
  return listOf(objectOf({ sig: bytes }))(value, path);
};

/** Members that are not known are passed over: newer writers may add some, and nothing here rests on their absence. */
const bundle = objectOf({
  mediaType: text(),
  verificationMaterial: material,
  dsseEnvelope: optional(objectOf({ payload: bytes, payloadType: text(1, 255), signatures: oneSignature })),
  messageSignature: anything,
});

/**
 * Reads a bundle, strictly.
 * @throws E_SIGNATURE_MALFORMED; E_TOO_LARGE; E_FORMAT_UNSUPPORTED for another version, and for a bundle about a file
 * (`messageSignature`), which is no image signature.
 */
export function decodeBundle(source: Uint8Array): SigstoreBundle {
  if (source.length > LIMITS.bundle) {
    throw new CountersignError("E_TOO_LARGE", `the bundle has ${source.length} bytes, more than ${LIMITS.bundle}`);
  }
  const document = parseStrictJson(source, { maxDepth: 64, code: "E_SIGNATURE_MALFORMED", what: "the bundle" });
  const parsed = readShape(bundle, document);
  if ("unfit" in parsed) {
    const { path, message } = parsed.unfit;
    throw malformed(`${path || "the bundle"} is not as a Sigstore bundle has it: ${message}`);
  }
  const { mediaType, verificationMaterial, dsseEnvelope, messageSignature } = parsed.value;
  if (!mediaTypes.includes(mediaType)) {
    throw new CountersignError(
      "E_FORMAT_UNSUPPORTED",
      `bundles of type ${JSON.stringify(mediaType.slice(0, 120))} are not read`,
    );
  }
  if (messageSignature !== undefined && messageSignature !== null) {
    const what = dsseEnvelope
      ? "both an envelope and a message signature"
      : "a message signature, which is about a file";
    throw new CountersignError("E_FORMAT_UNSUPPORTED", `the bundle holds ${what}`);
  }
  const [signature] = dsseEnvelope?.signatures ?? [];
  if (!dsseEnvelope || signature === undefined) throw malformed("the bundle holds no envelope");
  return {
    material: decodeMaterial(verificationMaterial),
    envelope: { payloadType: dsseEnvelope.payloadType, payload: dsseEnvelope.payload, signature: signature.sig },
    timestamps: (verificationMaterial.timestampVerificationData?.rfc3161Timestamps ?? []).map(
      // One without a value never verifies, and counts as such where time stamps count.
      ({ signedTimestamp }) => signedTimestamp ?? new Uint8Array(),
    ),
    unverified: { logEntries: verificationMaterial.tlogEntries?.length ?? 0 },
  };
}

function decodeMaterial(found: ReturnType<typeof material>): KeyMaterial {
  const materials: KeyMaterial[] = [];
  if (found.publicKey) materials.push({ kind: "public-key", hint: found.publicKey.hint ?? "" });
  if (found.certificate) materials.push({ kind: "certificate", certificate: found.certificate.rawBytes });
  if (found.x509CertificateChain) {
    const certificates = found.x509CertificateChain.certificates.map(({ rawBytes }) => rawBytes);
    materials.push({ kind: "chain", certificates });
  }
  const [material] = materials;
  if (material !== undefined && materials.length === 1) return material;
  const count = material === undefined ? "neither" : "more than one of";
  throw malformed(`the bundle holds ${count} a public key, a certificate and a chain`);
}

function malformed(message: string): CountersignError {
  return new CountersignError("E_SIGNATURE_MALFORMED", message);
}
