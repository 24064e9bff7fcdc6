import type { Algorithm, HashName } from "../../model/algorithm.ts";
import { digestAlgorithm } from "../../model/digest.ts";
import { CountersignError } from "../../model/errors.ts";
import type { Format } from "../../model/format.ts";
import { OPENPGP_SIGNATURE } from "../../model/media-types.ts";
import type { Claims, Evidence, Prepared, PublicMaterial, Stored } from "../../model/signature.ts";
import { dockerName } from "../../oci/docker-reference.ts";
import { concat, malformed } from "../../trust/openpgp/packets.ts";
import { KEY_ALGORITHM } from "../../trust/openpgp/public-key-packet.ts";
import {
  encodeHashedPart,
  encodeSignaturePacket,
  readIntegers,
  type SignaturePacket,
  writeInteger,
} from "../../trust/openpgp/signature-packet.ts";
import { derOfP1363, encodeSignature } from "../../trust/signature-encoding.ts";
import { chooseAlgorithm, signatureEncoding } from "../choose-algorithm.ts";
import { orMalformed } from "../malformed.ts";
import { checkOpenPgp } from "./check.ts";
import { decodeMessage, documentOf, encodeMessage, type SignedMessage } from "./message.ts";
import { decodePayload, encodePayload } from "./payload.ts";
import { digestOf, encodeSignedPart, presentedOf, readSignedPart } from "./signed-part.ts";
import { decodeText } from "./text-forms.ts";

/** The hash that belongs to the curve, as gpg has it; SHA-256 for the rest. */
const preferred: readonly Algorithm[] = [
  "ecdsa-p256-sha256",
  "ecdsa-p384-sha384",
  "ecdsa-p521-sha512",
  "rsa-pkcs1-sha256",
  "ed25519",
];

/** Atomic container signatures (containers/image): one OpenPGP message around a JSON payload. */
export const openPgpFormat: Format = {
  name: "openpgp",
  signsReference: true,
  recognises: ({ descriptor }) => descriptor.mediaType === OPENPGP_SIGNATURE,
  signedBytes() {
    throw new CountersignError("E_USAGE", "the bytes of an OpenPGP signature name its key and time", {
      hint: "name the certificate of the key that is to sign with --gpg-key, and the key with --public-key where it has several",
    });
  },
  readSignedBytes: (bytes) => decodePayload(readSignedPart(bytes).literal),
  presented: (bytes) => presentedOf(bytes, readSignedPart(bytes).attributes),
  prepare(subject, material, { reference, annotations, at, agent, algorithm: requested }) {
    const { key } = certified(material);
    if (at === undefined) throw new CountersignError("E_BUG", "an OpenPGP signature is prepared without a time");
    if (digestAlgorithm(subject.digest) !== "sha256") {
      throw new CountersignError("E_FORMAT_UNSUPPORTED", `the openpgp format cannot name ${subject.digest}`, {
        hint: "sign an image with a sha256 digest, or use the bundle format",
        exit: 2,
      });
    }
    const signable = key.publicKey.algorithms.filter((each) => !each.startsWith("rsa-pss-"));
    const offered = material.publicKey.algorithms.filter((each) => signable.includes(each));
    const algorithm = chooseAlgorithm("openpgp", { ...key.publicKey, algorithms: offered }, preferred, requested);
    const literal = encodePayload({
      reference: reference ?? `${dockerName(subject.repository)}@${subject.digest}`,
      digest: subject.digest,
      creator: (agent ?? "countersign").replace("/", " "),
      at,
      annotations,
    });
    const { fingerprint, algorithm: keyAlgorithm } = key;
    const bytes = encodeSignedPart(
      literal,
      encodeHashedPart({ keyAlgorithm, hash: hashFor(algorithm), fingerprint, at }),
    );
    const presented = presentedOf(bytes, readSignedPart(bytes).attributes);
    return {
      format: "openpgp",
      subject: subject.digest,
      bytes,
      ...(presented && { presented }),
      algorithm,
      encoding: signatureEncoding(algorithm),
    };
  },
  assemble(prepared, signature, material) {
    const { key } = certified(material);
    const { literal, hashed, attributes } = readSignedPart(prepared.bytes);
    const values = encodeValues(attributes.keyAlgorithm, signature, material);
    const leftBits = digestOf(prepared.bytes, attributes).subarray(0, 2);
    const packet = encodeSignaturePacket(hashed, key.keyId, leftBits, values);
    const bytes = encodeMessage(literal, packet, key.keyId);
    return { format: "openpgp", mediaType: OPENPGP_SIGNATURE, bytes, annotations: {} };
  },
  read: (stored) => orMalformed("openpgp", stored, () => decode(stored)),
  restates,
  check: checkOpenPgp,
};

function certified({ publicKey, openpgp }: PublicMaterial): NonNullable<PublicMaterial["openpgp"]> {
  if (openpgp !== undefined) return openpgp;
  throw new CountersignError("E_ALGORITHM_UNSUPPORTED", `the key ${publicKey.fingerprint} has no OpenPGP certificate`, {
    hint: "hand over the public key block that it belongs to with --gpg-key, or sign with an OpenPGP secret key",
  });
}

function hashFor(algorithm: Algorithm): HashName {
  const hash = /sha(?:256|384|512)$/.exec(algorithm)?.[0];
  return hash === "sha384" || hash === "sha512" ? hash : "sha256";
}

/** The same claims but for the time, by the same key of the same kind. */
function restates({ claims, openpgp }: Evidence, prepared: Prepared, material: PublicMaterial): boolean {
  const key = material.openpgp?.key;
  if (openpgp === undefined || key === undefined) return false;
  const own = readSignedPart(prepared.bytes);
  const sameKey =
    (openpgp.issuerFingerprint ?? key.fingerprint) === key.fingerprint &&
    (openpgp.issuerKeyId ?? key.keyId) === key.keyId &&
    openpgp.keyAlgorithm === own.attributes.keyAlgorithm;
  return sameKey && openpgp.expiresAt === undefined && told(claims) === told(decodePayload(own.literal));
}

function told({ digests, reference, annotations, type }: Claims): string {
  const sorted = Object.entries(annotations).sort(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify([digests, reference, sorted, type]);
}

/** The algorithm's own part of a signature packet (RFC 9580 5.2.3). */
function encodeValues(keyAlgorithm: number, signature: Uint8Array, { publicKey }: PublicMaterial): Uint8Array {
  if (keyAlgorithm === KEY_ALGORITHM.ed25519) return signature;
  if (keyAlgorithm === KEY_ALGORITHM.ecdsa) return halves(encodeSignature(signature, "p1363", publicKey));
  return keyAlgorithm === KEY_ALGORITHM.eddsaLegacy ? halves(signature) : writeInteger(signature);
}

function halves(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2;
  return concat([writeInteger(signature.subarray(0, half)), writeInteger(signature.subarray(half))]);
}

function decode({ place, bytes }: Stored): Evidence {
  return evidenceOf(place, decodeText(bytes) ?? decodeMessage(bytes));
}

function evidenceOf(place: Stored["place"], message: SignedMessage): Evidence {
  const { literal, packet, lapses } = message;
  const signed = encodeSignedPart(documentOf(message), packet.hashed);
  const { attributes } = packet;
  const presented = presentedOf(signed, attributes);
  return {
    format: "openpgp",
    place,
    signed,
    ...(presented && { presented }),
    ...decodeValues(packet),
    certificates: [],
    claims: decodePayload(literal),
    openpgp: attributes,
    ...(lapses.length > 0 && { lapses }),
  };
}

function decodeValues({ attributes, values }: SignaturePacket): Pick<Evidence, "signature" | "encoding"> {
  switch (attributes.keyAlgorithm) {
    case KEY_ALGORITHM.rsa:
    case KEY_ALGORITHM.rsaSign:
      return { signature: readIntegers(values, 1)[0] ?? values, encoding: "number" };
    case KEY_ALGORITHM.ecdsa:
      return { signature: derOfP1363(concat(readIntegers(values, 2).map((number) => padded(number, LONGEST)))) };
    case KEY_ALGORITHM.eddsaLegacy:
      return { signature: concat(readIntegers(values, 2).map((number) => padded(number, 32))) };
    case KEY_ALGORITHM.ed25519:
      return { signature: values };
    default:
      throw new CountersignError(
        "E_KEY_UNSUPPORTED",
        `the signature is by a key of algorithm ${attributes.keyAlgorithm}, which is not supported`,
      );
  }
}

/** Octets of a number on the longest curve, P-521. */
const LONGEST = 66;

function padded(number: Uint8Array, size: number): Uint8Array {
  if (number.length > size) throw malformed("a number of the signature is longer than its curve has them");
  return concat([new Uint8Array(size - number.length), number]);
}
