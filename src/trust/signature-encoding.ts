import type { PublicKey, SignatureEncoding } from "../model/signature.ts";
import { decodeDer, integerBytes, sequence } from "./der.ts";

/**
 * How a signature from elsewhere is written down. `raw`: its octets, in whichever encoding the key has; `base64`: the same
 * as base64; `der` and `p1363`: that encoding of an ECDSA signature, as octets or base64; `auto`: any of them.
 */
export const SIGNATURE_OUTPUTS = ["auto", "der", "p1363", "raw", "base64"] as const;
export type SignatureOutput = (typeof SIGNATURE_OUTPUTS)[number];

/** Octets of one coordinate, by OpenSSL's name of the curve. */
const coordinates: Readonly<Record<string, number>> = { prime256v1: 32, secp384r1: 48, secp521r1: 66 };

/**
 * What `written` can mean as a signature by a key like `key`, in the encoding that formats store: ECDSA in DER (RFC 3279
 * 2.2.3), RSA and Ed25519 as plain octets. ECDSA may come as DER or as r‖s (IEEE P1363), each as octets or as base64, also
 * base64url, wrapped or not. Text and octets can be mistaken for one another only by chance: then there are two readings, and
 * verification tells them apart. Empty: it is no signature of such a key.
 */
export function readSignature(written: Uint8Array, key: PublicKey, output: SignatureOutput = "auto"): Uint8Array[] {
  const unwrapped = output === "raw" ? undefined : decodeText(written);
  const octets = output === "base64" ? [] : [written];
  return [...octets, ...(unwrapped === undefined ? [] : [unwrapped])].flatMap((each) => readOctets(each, key, output));
}

function readOctets(octets: Uint8Array, { key }: PublicKey, output: SignatureOutput): readonly Uint8Array[] {
  if (key.asymmetricKeyType === "ec") {
    const size = coordinates[key.asymmetricKeyDetails?.namedCurve ?? ""] ?? 0;
    return [
      ...(output !== "p1363" && isEcdsaDer(octets, size) ? [octets] : []),
      ...(output !== "der" && octets.length === 2 * size ? [derOfP1363(octets)] : []),
    ];
  }
  if (output === "der" || output === "p1363") return [];
  const length =
    key.asymmetricKeyType === "ed25519" ? 64 : Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
  return octets.length === length ? [octets] : [];
}

/** An ECDSA signature r‖s, both as long as the curve's order, as DER. */
export function derOfP1363(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2;
  const body = Buffer.concat([derInteger(signature.subarray(0, half)), derInteger(signature.subarray(half))]);
  return new Uint8Array(Buffer.concat([derHead(0x30, body.length), body]));
}

/**
 * A signature that `verifySignature` takes, written as `encoding` has it.
 * @param signature ECDSA in DER, else plain octets
 */
export function encodeSignature(signature: Uint8Array, encoding: SignatureEncoding, { key }: PublicKey): Uint8Array {
  const size = coordinates[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (encoding !== "p1363" || size === undefined) return signature;
  const halves = sequence(decodeDer(signature, "signature"), "signature").map((member) => {
    const digits = Buffer.from(integerBytes(member, "signature"));
    const unsigned = digits.length > size ? digits.subarray(digits.length - size) : digits;
    return Buffer.concat([Buffer.alloc(size - unsigned.length), unsigned]);
  });
  return new Uint8Array(Buffer.concat(halves));
}

/** A signature of this encoding by a key like `key`, as `verifySignature` takes it; undefined when it cannot be one. */
export function decodeSignature(
  signature: Uint8Array,
  encoding: SignatureEncoding | "number" | undefined,
  { key }: PublicKey,
): Uint8Array | undefined {
  if (encoding === "number") {
    const missing = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8) - signature.length;
    return missing < 0 ? undefined : new Uint8Array(Buffer.concat([Buffer.alloc(missing), signature]));
  }
  if (encoding !== "p1363" || key.asymmetricKeyType !== "ec") return signature;
  const size = coordinates[key.asymmetricKeyDetails?.namedCurve ?? ""];
  return size !== undefined && signature.length === 2 * size ? derOfP1363(signature) : undefined;
}

function derInteger(unsigned: Uint8Array): Buffer {
  const first = unsigned.findIndex((octet) => octet !== 0);
  const digits = first < 0 ? Buffer.of(0) : Buffer.from(unsigned.subarray(first));
  const body = (digits[0] ?? 0) < 0x80 ? digits : Buffer.concat([Buffer.of(0), digits]);
  return Buffer.concat([derHead(0x02, body.length), body]);
}

/** Two coordinates of the longest curve take under 256 octets. */
function derHead(tag: number, length: number): Buffer {
  return length < 0x80 ? Buffer.of(tag, length) : Buffer.of(tag, 0x81, length);
}

function isEcdsaDer(octets: Uint8Array, size: number): boolean {
  if (octets[0] !== 0x30 || octets.length > 2 * size + 9) return false;
  try {
    const members = sequence(decodeDer(octets, "signature"), "signature");
    const [r, s] = members.map((member) => integerBytes(member, "signature"));
    return members.length === 2 && r !== undefined && s !== undefined && r.length <= size + 1 && s.length <= size + 1;
  } catch {
    return false;
  }
}

/** Octets of a base64 or base64url text, white space anywhere; undefined when it is none. */
function decodeText(written: Uint8Array): Uint8Array | undefined {
  const packed = Buffer.from(written)
    .toString("latin1")
    .replace(/[ \t\r\n]+/g, "");
  if (!/^(?:[A-Za-z0-9+/]+|[A-Za-z0-9_-]+)={0,2}$/.test(packed)) return undefined;
  const digits = packed.replace(/=+$/, "").replaceAll("-", "+").replaceAll("_", "/");
  if (packed.includes("=") && packed.length % 4 !== 0) return undefined;
  const octets = Buffer.from(digits, "base64");
  // Bits left over in the last digit must be zero, or two texts would mean one signature.
  return octets.toString("base64").replace(/=+$/, "") === digits ? new Uint8Array(octets) : undefined;
}
