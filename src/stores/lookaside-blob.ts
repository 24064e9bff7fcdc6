import { LOOKASIDE_SIGSTORE, OPENPGP_SIGNATURE } from "../model/media-types.ts";

/** What a lookaside file holds: a signature by its media type, or why it can be none. */
export type LookasideBlob =
  | { readonly mediaType: string; readonly bytes: Uint8Array }
  | { readonly fault: string; readonly bytes: Uint8Array };

/** First bytes of OpenPGP packets that containers/image takes for a simple signature (internal/signature/signature.go). */
const FIRST_BYTES = new Set([
  ...[0x88, 0x89, 0x8a, 0x8b, 0x90, 0x91, 0x92],
  ...[0xa0, 0xa1, 0xa2, 0xa3, 0xc2, 0xc4, 0xc8],
]);
const LONGEST_NAME = 64;
const SIMPLE = "simple-signing";
const SIGSTORE = "sigstore-json";

/**
 * Tells apart what may stand in a lookaside file: a bare OpenPGP message, or a zero byte, the name of a format in ASCII, a line feed, and
 * what is in that format. Nothing else is guessed at: containers/image refuses it as well.
 */
export function readLookasideBlob(bytes: Uint8Array): LookasideBlob {
  const [first] = bytes;
  if (first === undefined) return { fault: "it is empty", bytes };
  if (FIRST_BYTES.has(first)) return { mediaType: OPENPGP_SIGNATURE, bytes };
  if (first !== 0) {
    const written = `0x${first.toString(16).padStart(2, "0")}`;
    return { fault: `it begins with ${written}, as no signature does`, bytes };
  }
  const end = bytes.subarray(0, LONGEST_NAME + 2).indexOf(0x0a);
  const name = end < 0 ? "" : Buffer.from(bytes.subarray(1, end)).toString("latin1");
  if (!/^[a-z0-9-]+$/.test(name)) return { fault: "it names no format", bytes };
  const content = bytes.subarray(end + 1);
  if (name === SIMPLE) return { mediaType: OPENPGP_SIGNATURE, bytes: content };
  if (name === SIGSTORE) return { mediaType: LOOKASIDE_SIGSTORE, bytes: content };
  return { fault: `it is in the format ${name}, which is not known`, bytes: content };
}
