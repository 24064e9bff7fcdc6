const standard = /^[A-Za-z0-9+/]*={0,2}$/;
const urlSafe = /^[A-Za-z0-9_-]*={0,2}$/;

/**
 * The bytes of a base64 text, undefined when it is none. Line ends are passed over, as Go's decoder does. Padding must be
 * whole and left-over bits zero, so that one text has one reading.
 *
 * `lenient` takes the URL-safe alphabet and missing padding too, as protobuf's JSON mapping has it.
 */
export function decodeBase64(text: string, options: { readonly lenient?: boolean } = {}): Uint8Array | undefined {
  const compact = text.replace(/[\r\n]/g, "");
  if (!standard.test(compact) && !(options.lenient && urlSafe.test(compact))) return undefined;
  const bare = compact.replace(/=+$/, "");
  const padding = compact.length - bare.length;
  const whole = compact.length % 4 === 0;
  if (!whole && !(options.lenient && padding === 0)) return undefined;
  const bytes = Buffer.from(bare, "base64");
  const canonical = bytes.toString("base64").replace(/=+$/, "");
  return canonical === bare.replaceAll("-", "+").replaceAll("_", "/") ? new Uint8Array(bytes) : undefined;
}

export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
