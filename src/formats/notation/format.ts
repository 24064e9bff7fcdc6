import { createHash } from "node:crypto";
import { CountersignError } from "../../model/errors.ts";
import type { Format, SigningOptions } from "../../model/format.ts";
import { NOTATION_SIGNATURE, NOTATION_THUMBPRINTS, OCI_CREATED, OCI_MANIFEST } from "../../model/media-types.ts";
import type { Artefact, Claims, Evidence, PublicMaterial, Stored } from "../../model/signature.ts";
import { parseCertificate } from "../../trust/certificate.ts";
import { signatureEncoding } from "../choose-algorithm.ts";
import { orMalformed } from "../malformed.ts";
import { signingAlgorithm } from "./algorithms.ts";
import { lapses } from "./attributes.ts";
import { checkNotary } from "./check.ts";
import { coseCodec } from "./cose.ts";
import { type EnvelopeCodec, notaryAttributes, type SignedPart } from "./envelope.ts";
import { finishedEnvelopes } from "./finished.ts";
import { jwsCodec } from "./jws.ts";
import { decodePayload, encodePayload } from "./payload.ts";
import { ensureSigningChain, ensureValidAt } from "./signing-chain.ts";
import { instantOf, wholeSeconds } from "./times.ts";

/** JWS and COSE have ECDSA as r‖s. */
const ECDSA = { ecdsa: "p1363" } as const;
const codecs: readonly EnvelopeCodec[] = [jwsCodec, coseCodec];

/** Notary Project signatures (signature-specification.md) in JWS. */
export const notationFormat: Format = formatOf(jwsCodec);

/** Notary Project signatures in COSE. */
export const notationCoseFormat: Format = formatOf(coseCodec);

/** The notation format whose bytes to sign these are; undefined when they are of neither. */
export function notationFormatOf(signed: Uint8Array): Format | undefined {
  if (jwsCodec.claims(signed)) return notationFormat;
  return coseCodec.claims(signed) ? notationCoseFormat : undefined;
}

/**
 * Which of the two an entry is its blob alone tells, so that each reads both. The bytes to sign name algorithm and time: signing
 * again is told by what they say, not by the bytes.
 */
function formatOf(codec: EnvelopeCodec): Format {
  const { format: name } = codec;
  return {
    name,
    ...ECDSA,
    recognises: ({ descriptor: { artifactType, mediaType } }) =>
      mediaType === OCI_MANIFEST && (artifactType === undefined || artifactType === NOTATION_SIGNATURE),
    holds: ({ mediaType }) => mediaType === codec.mediaType,
    signedBytes(subject, options) {
      if (options.algorithm === undefined) {
        throw new CountersignError("E_USAGE", `what is signed in the ${name} format names how it is signed`, {
          hint: "name the key that will sign by --certificate and --certificate-chain",
        });
      }
      const { at = new Date(0), lifetime } = options;
      const signingTime = wholeSeconds(at);
      return codec.signedBytes({
        algorithm: options.algorithm,
        signingTime,
        expiry: lifetime === undefined ? undefined : new Date(signingTime.getTime() + lifetime),
        payload: encodePayload(subject, options.annotations, codec.payloadOrder),
      });
    },
    readSignedBytes(bytes) {
      const found = lapses();
      const part = codec.readSigned(bytes);
      const claims = decodePayload(part.payload, found.add);
      const [lapse] = [...part.lapses, ...found.found];
      if (lapse !== undefined) throw new CountersignError(lapse.code, lapse.message);
      return claims;
    },
    prepare(subject, material, options) {
      const algorithm = signingAlgorithm(name, material.publicKey, options.algorithm);
      ensureSigningChain(name, material);
      if (options.at !== undefined) ensureValidAt(name, material.chain, options.at);
      const bytes = this.signedBytes(subject, { ...options, algorithm });
      return { format: name, subject: subject.digest, bytes, algorithm, encoding: signatureEncoding(algorithm, ECDSA) };
    },
    assemble(prepared, signature, material, options, testimony = []) {
      ensureSigningChain(name, material);
      const { chain } = material;
      const { agent = "countersign" } = options;
      const { attributes } = codec.readSigned(prepared.bytes);
      const certificates = chain.map(({ der }) => der);
      const bytes = codec.assemble(prepared.bytes, { signature, certificates, timestamp: testimony[0]?.token }, agent);
      return artefactOf(codec, bytes, { certificates, ...attributes }, options);
    },
    finished: finishedEnvelopes(codec, ({ bytes, annotations }, options) => {
      const { certificates, attributes } = codec.read(bytes);
      const artefact = artefactOf(codec, bytes, { certificates, ...attributes }, options);
      return { ...artefact, annotations: { ...annotations, ...artefact.annotations } };
    }),
    read: (stored) => orMalformed(named(stored) ?? name, stored, () => decode(stored)),
    restates(evidence, prepared, material) {
      if (evidence.format !== name || (evidence.lapses ?? []).length > 0) return false;
      const wanted = codec.readSigned(prepared.bytes);
      const claims = decodePayload(wanted.payload, () => {});
      return sameChain(evidence, material) && sameClaims(evidence.claims, claims) && lastsAsLong(evidence, wanted);
    },
    check: checkNotary,
  };
}

/** An envelope with what its manifest says of it. */
function artefactOf(
  codec: EnvelopeCodec,
  bytes: Uint8Array,
  { certificates, signingTime }: { readonly certificates: readonly Uint8Array[]; readonly signingTime: Date },
  options: SigningOptions,
): Artefact {
  return {
    format: codec.format,
    mediaType: codec.mediaType,
    artifactType: NOTATION_SIGNATURE,
    typedByConfig: !options.artifactManifest,
    bytes,
    annotations: {
      [NOTATION_THUMBPRINTS]: JSON.stringify(certificates.map(thumbprint)),
      [OCI_CREATED]: instantOf(signingTime),
    },
  };
}

function named({ mediaType }: Stored) {
  return codecs.find((codec) => codec.mediaType === mediaType)?.format;
}

function decode(stored: Stored): Evidence {
  const codec = codecs.find(({ mediaType }) => mediaType === stored.mediaType);
  if (codec === undefined) {
    const type = JSON.stringify(stored.mediaType.slice(0, 120));
    throw new CountersignError("E_FORMAT_UNSUPPORTED", `a blob of type ${type} is no Notary signature`);
  }
  const envelope = codec.read(stored.bytes);
  const { found, add } = lapses();
  const claims = decodePayload(envelope.payload, add);
  return {
    format: codec.format,
    place: stored.place,
    signed: envelope.signed,
    signature: envelope.signature,
    encoding: signatureEncoding(envelope.algorithm, ECDSA),
    certificates: envelope.certificates.map(parseCertificate),
    ...(envelope.timestamp !== undefined && { timestamps: [envelope.timestamp] }),
    claims,
    notary: notaryAttributes(envelope, claims.annotations),
    lapses: [...envelope.lapses, ...found],
  };
}

function thumbprint(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("hex");
}

function sameChain({ certificates }: Evidence, { chain }: PublicMaterial): boolean {
  const [found, own] = [certificates, chain].map((each) => each.map(({ fingerprint }) => fingerprint).join());
  return found === own;
}

function sameClaims(found: Claims, wanted: Claims): boolean {
  const told = ({ digests, manifest, annotations }: Claims) =>
    JSON.stringify([digests, manifest?.mediaType, manifest?.size, Object.entries(annotations).sort()]);
  return told(found) === told(wanted);
}

/** One that is to last for a time has been there only while half of that time is left. */
function lastsAsLong({ notary }: Evidence, { attributes }: SignedPart): boolean {
  const { expiry, signingTime } = attributes;
  if (expiry === undefined || notary?.expiry === undefined) return expiry === notary?.expiry;
  const half = (expiry.getTime() - signingTime.getTime()) / 2;
  return notary.expiry.getTime() - signingTime.getTime() >= half;
}
