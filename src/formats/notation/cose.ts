import { CountersignError } from "../../model/errors.ts";
import { LIMITS } from "../../model/limits.ts";
import { COSE_ENVELOPE, NOTATION_PAYLOAD } from "../../model/media-types.ts";
import { algorithmNumbered, notaryAlgorithm } from "./algorithms.ts";
import { LABEL, lapses, malformed, readAttributes, shown } from "./attributes.ts";
import { decodeCbor, encodeCbor, Tag } from "./cbor.ts";
import type { Envelope, EnvelopeCodec, SignedPart } from "./envelope.ts";

/** Labels of RFC 9052 and RFC 9360. */
const ALG = 1;
const CRIT = 2;
const CONTENT_TYPE = 3;
const X5CHAIN = 33;
/** COSE_Sign1 (RFC 9052 4.2), and seconds since 1970 (RFC 8949 3.4.2). */
const SIGN1 = 18;
const EPOCH = 1;
/** Year 9999. */
const MAX_SECONDS = 253_402_300_799;

/**
 * Notary signatures as COSE_Sign1, tagged (signature-envelope-cose.md, RFC 9052). What is signed is the Sig_structure
 * ["Signature1", protected, h'', payload].
 */
export const coseCodec: EnvelopeCodec = {
  format: "notation-cose",
  mediaType: COSE_ENVELOPE,
  payloadOrder: "descriptor",
  claims: (signed) => Buffer.from(signed.subarray(0, PREFIX.length)).equals(PREFIX),
  signedBytes({ algorithm, signingTime, expiry, payload }) {
    const header = new Map<string | number, unknown>([
      [ALG, notaryAlgorithm(algorithm)?.cose],
      [CRIT, [LABEL.scheme, ...(expiry === undefined ? [] : [LABEL.expiry])]],
      [CONTENT_TYPE, NOTATION_PAYLOAD],
      [LABEL.scheme, "notary.x509"],
      [LABEL.signingTime, epoch(signingTime)],
      ...(expiry === undefined ? [] : ([[LABEL.expiry, epoch(expiry)]] as const)),
    ]);
    return encodeCbor(["Signature1", encodeCbor(header), new Uint8Array(), plain(payload)]);
  },
  readSigned(signed) {
    const { value, longer } = decodeCbor(signed, "the Sig_structure");
    const [context, header, external, payload] = Array.isArray(value) && value.length === 4 ? value : [];
    const isOurs = context === "Signature1" && isBytes(external) && external.length === 0 && !longer;
    if (!isOurs || !isBytes(header) || !isBytes(payload)) throw malformed("it is no Sig_structure of a COSE_Sign1");
    return readHeader(header, payload);
  },
  assemble(signed, { signature, certificates, timestamp }, agent) {
    const [, header, , payload] = decodeCbor(signed, "the Sig_structure").value as readonly unknown[];
    const unprotected = new Map<string | number, unknown>([
      [X5CHAIN, certificates.map(plain)],
      ...(timestamp === undefined ? [] : ([[LABEL.timestamp, plain(timestamp)]] as const)),
      [LABEL.agent, agent],
    ]);
    return encodeCbor(new Tag(SIGN1, [header, unprotected, payload, plain(signature)]));
  },
  read,
};

const PREFIX = Buffer.concat([Buffer.of(0x84, 0x6a), Buffer.from("Signature1")]);

function read(bytes: Uint8Array): Envelope {
  if (bytes.length > LIMITS.bundle) {
    throw new CountersignError("E_TOO_LARGE", `the envelope has ${bytes.length} bytes, more than ${LIMITS.bundle}`);
  }
  const { found, add } = lapses();
  const { value, longer } = decodeCbor(bytes, "the envelope");
  if (longer) add("E_SIGNATURE_MALFORMED", longerThanItMust("the envelope"));
  if (!(value instanceof Tag) || Number(value.tag) !== SIGN1) throw malformed("it is no tagged COSE_Sign1");
  const parts: unknown = value.contents;
  const [header, unprotected, payload, signature] = Array.isArray(parts) && parts.length === 4 ? parts : [];
  if (!isBytes(header) || !(unprotected instanceof Map) || !isBytes(payload) || !isBytes(signature)) {
    throw malformed("its parts are not those of a COSE_Sign1 with its payload inside");
  }
  const part = readHeader(header, payload);
  const chain: unknown = unprotected.get(X5CHAIN);
  // RFC 9360 has a single certificate as plain bytes; the specification wants an array in any case.
  if (!Array.isArray(chain) || chain.length === 0 || chain.length > LIMITS.certificates || !chain.every(isBytes)) {
    throw malformed("x5chain is no array of certificates");
  }
  const timestamp: unknown = unprotected.get(LABEL.timestamp);
  if (timestamp !== undefined && !isBytes(timestamp)) throw malformed(`${LABEL.timestamp} is ${shown(timestamp)}`);
  return {
    ...part,
    signed: encodeCbor(["Signature1", header, new Uint8Array(), payload]),
    signature: plain(signature),
    certificates: chain.map(plain),
    ...(timestamp !== undefined && { timestamp: plain(timestamp) }),
    lapses: [...part.lapses, ...found],
  };
}

const registered: ReadonlySet<number> = new Set([ALG, CRIT, CONTENT_TYPE, 4, 5, 6]);

function readHeader(bytes: Uint8Array, payload: Uint8Array): SignedPart {
  const { found, add } = lapses();
  const { value: header, longer } = decodeCbor(bytes, "the protected header");
  if (longer) add("E_SIGNATURE_MALFORMED", longerThanItMust("the protected header"));
  if (!(header instanceof Map)) throw malformed("the protected header is no map");
  const labels: readonly unknown[] = [...header.keys()];
  if (!labels.every((label) => typeof label === "string" || typeof label === "number")) {
    throw malformed("the protected header has a label that is neither text nor number");
  }
  const alg: unknown = header.get(ALG);
  const algorithm = typeof alg === "number" ? algorithmNumbered(alg) : undefined;
  if (algorithm === undefined) throw malformed(`alg is ${shown(alg)}, which the specification does not have`);
  const type: unknown = header.get(CONTENT_TYPE);
  if (type !== NOTATION_PAYLOAD) {
    throw new CountersignError("E_PAYLOAD_TYPE", `the envelope holds ${shown(type)}, not a Notary payload`);
  }
  const named = [...header].filter((member): member is [string, unknown] => typeof member[0] === "string");
  const attributes = readAttributes(
    {
      members: new Map(named),
      critical: header.get(CRIT),
      has: (label) => header.has(label),
      registered,
      time: readEpoch,
    },
    add,
  );
  return { algorithm, attributes, payload: plain(payload), lapses: found };
}

function epoch(at: Date): Tag {
  return new Tag(EPOCH, Math.floor(at.getTime() / 1000));
}

function readEpoch(value: unknown): Date | undefined {
  if (!(value instanceof Tag) || Number(value.tag) !== EPOCH || typeof value.contents !== "number") return undefined;
  const seconds = value.contents;
  return Number.isInteger(seconds) && seconds >= 0 && seconds <= MAX_SECONDS ? new Date(seconds * 1000) : undefined;
}

/** A Buffer would be encoded by its own rules. */
function plain(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

function longerThanItMust(what: string): string {
  return `${what} writes a number longer than it must`;
}
