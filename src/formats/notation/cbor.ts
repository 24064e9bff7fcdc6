import { decode, encode, Tag } from "cbor2";
import { malformed } from "./attributes.ts";

/** What an envelope can hold, decoded. Maps keep their labels; a tag stays a tag. */
export type Cbor = unknown;

export { Tag };

const strict = {
  preferMap: true,
  rejectStreaming: true,
  rejectDuplicateKeys: true,
  rejectFloats: true,
  rejectSimple: true,
  rejectUndefined: true,
  ignoreGlobalTags: true,
  tags: new Map(),
  maxDepth: 16,
} as const;

/**
 * One CBOR item (RFC 8949), strictly: definite lengths, no label twice, nothing behind it, no floats. `longer`: whether a number is
 * written longer than it must be, which go-cose lets pass.
 * @throws E_SIGNATURE_MALFORMED
 */
export function decodeCbor(source: Uint8Array, what: string): { readonly value: Cbor; readonly longer: boolean } {
  // Byte strings are views of what they stand in, and one of a Buffer is encoded as something else.
  const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  try {
    return { value: decode(bytes, { ...strict, requirePreferred: true }), longer: false };
  } catch {
    try {
      return { value: decode(bytes, { ...strict, requirePreferred: false }), longer: true };
    } catch (cause) {
      const why = cause instanceof Error ? cause.message.slice(0, 120) : "unreadable";
      throw malformed(`${what} is not CBOR as it belongs there: ${why}`);
    }
  }
}

/** Deterministic encoding (RFC 8949 4.2.1): the same value gives the same bytes. */
export function encodeCbor(value: Cbor): Uint8Array {
  return encode(value, { cde: true });
}
