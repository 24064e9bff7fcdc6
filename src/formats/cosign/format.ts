import type { Algorithm } from "../../model/algorithm.ts";
import type { Subject } from "../../model/descriptor.ts";
import { digestAlgorithm } from "../../model/digest.ts";
import { CountersignError } from "../../model/errors.ts";
import type { Format, SigningOptions } from "../../model/format.ts";
import {
  COSIGN_CERTIFICATE,
  COSIGN_CHAIN,
  COSIGN_SIGNATURE,
  COSIGN_TIMESTAMP,
  SIMPLE_SIGNING,
} from "../../model/media-types.ts";
import type { Evidence, Stored } from "../../model/signature.ts";
import { decodeBase64, encodeBase64 } from "../base64.ts";
import { decodeCertificates, encodeCertificates } from "../certificates.ts";
import { checkEvidence } from "../check.ts";
import { chooseAlgorithm, signatureEncoding } from "../choose-algorithm.ts";
import { orMalformed } from "../malformed.ts";
import { chainAnnotation } from "./chain-annotation.ts";
import { decodePayload, encodePayload, PAYLOAD_TYPE } from "./payload.ts";
import { decodeTimestamps, encodeTimestamp } from "./timestamp-annotation.ts";

/** What `cosign verify` accepts without being told: SHA-256 whatever the key. */
const preferred: readonly Algorithm[] = [
  "ecdsa-p256-sha256",
  "ecdsa-p384-sha256",
  "ecdsa-p521-sha256",
  "rsa-pkcs1-sha256",
  "ed25519",
];

/** cosign's simple-signing format (specs/SIGNATURE_SPEC.md): the payload is the blob, the rest its annotations. */
export const cosignFormat: Format = {
  name: "cosign",
  recognises: ({ descriptor }) => descriptor.mediaType === SIMPLE_SIGNING,
  signedBytes,
  readSignedBytes: decodePayload,
  prepare(subject, { publicKey }, options) {
    const bytes = signedBytes(subject, options);
    const algorithm = chooseAlgorithm("cosign", publicKey, preferred, options.algorithm);
    return {
      format: "cosign",
      subject: subject.digest,
      bytes,
      algorithm,
      encoding: signatureEncoding(algorithm),
    };
  },
  assemble(prepared, signature, { chain }, _options, [testimony] = []) {
    const [leaf, ...issuers] = chain;
    return {
      format: "cosign",
      mediaType: SIMPLE_SIGNING,
      bytes: prepared.bytes,
      annotations: {
        [COSIGN_SIGNATURE]: encodeBase64(signature),
        ...(leaf && { [COSIGN_CERTIFICATE]: encodeCertificates([leaf]), [COSIGN_CHAIN]: chainAnnotation(issuers) }),
        ...(testimony && { [COSIGN_TIMESTAMP]: encodeTimestamp(testimony.token) }),
      },
    };
  },
  read: (stored) => orMalformed("cosign", stored, () => decode(stored)),
  check(evidence, subject, trust, at) {
    const expected = { type: PAYLOAD_TYPE, code: "E_PAYLOAD_TYPE", member: "critical.type" } as const;
    return checkEvidence(evidence, subject, trust, at, expected);
  },
};

function signedBytes(subject: Subject, { identity, annotations }: SigningOptions): Uint8Array {
  if (digestAlgorithm(subject.digest) !== "sha256") {
    throw new CountersignError("E_FORMAT_UNSUPPORTED", `the cosign format cannot name ${subject.digest}`, {
      hint: "sign an image with a sha256 digest, or use the bundle format",
      exit: 2,
    });
  }
  return encodePayload({ reference: identity ?? subject.repository, digest: subject.digest, annotations });
}

function decode({ place, bytes, annotations }: Stored): Evidence {
  return {
    format: "cosign",
    place,
    signed: bytes,
    signature: decodeSignature(annotations[COSIGN_SIGNATURE]),
    certificates: decodeChain(annotations[COSIGN_CERTIFICATE], annotations[COSIGN_CHAIN]),
    timestamps: decodeTimestamps(annotations[COSIGN_TIMESTAMP]),
    claims: decodePayload(bytes),
  };
}

function decodeSignature(text: string | undefined): Uint8Array {
  const signature = text === undefined ? undefined : decodeBase64(text);
  if (signature !== undefined && signature.length > 0) return signature;
  const what = text === undefined ? "is missing" : text === "" ? "is empty" : "is not base64";
  throw new CountersignError("E_SIGNATURE_MALFORMED", `the annotation ${COSIGN_SIGNATURE} ${what}`);
}

/** Like cosign, only the first certificate of its annotation is the signer's; a chain without a signer's certificate says nothing. */
function decodeChain(certificate: string | undefined, chain: string | undefined): Evidence["certificates"] {
  if (!certificate) return [];
  const [leaf] = decodeCertificates(certificate);
  if (leaf === undefined) {
    throw new CountersignError("E_CERTIFICATE_INVALID", `the annotation ${COSIGN_CERTIFICATE} holds no certificate`);
  }
  return [leaf, ...(chain ? decodeCertificates(chain) : [])];
}
