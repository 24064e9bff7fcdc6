import { CountersignError } from "../../model/errors.ts";

/** One armored block (RFC 9580 6.2). */
export interface ArmorBlock {
  /** `PGP PUBLIC KEY BLOCK`, `PGP MESSAGE`. */
  readonly label: string;
  readonly bytes: Uint8Array;
}

/** Blocks of one file. */
const MAX_BLOCKS = 1000;

export function isArmored(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 64 * 1024)).includes("-----BEGIN PGP ");
}

/**
 * Every armored block of a text, in its order; text around them is skipped. Lax about line breaks, which variables in CI lose; a
 * checksum that is there must be right.
 * @throws E_KEY_INVALID for a block without its end, that is not base64 or that its checksum denies.
 */
export function readArmor(text: Uint8Array): readonly ArmorBlock[] {
  const whole = Buffer.from(text).toString("latin1");
  const blocks: ArmorBlock[] = [];
  for (const { 0: begin, 1: label = "", index } of whole.matchAll(/-----BEGIN (PGP [A-Z ,/0-9]{1,64}?)-----/g)) {
    if (blocks.length >= MAX_BLOCKS) throw damaged(`there are more than ${MAX_BLOCKS} blocks`);
    const start = index + begin.length;
    const end = whole.indexOf(`-----END ${label}-----`, start);
    if (end < 0) throw damaged(`the block ${label} has no end`);
    blocks.push({ label, bytes: decodeBody(label, whole.slice(start, end)) });
  }
  return blocks;
}

function decodeBody(label: string, body: string): Uint8Array {
  // Lines such as "Comment: …" stand in front; a base64 digit never has a colon behind it.
  const lines = body.split(/\r\n|\n|\r/).filter((line) => !/^[A-Za-z][A-Za-z0-9-]*: /.test(line.trim()));
  const packed = lines.join("").replace(/\s+/g, "");
  const parts = /^((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)(?:=([A-Za-z0-9+/]{4}))?$/.exec(
    packed,
  );
  if (parts === null || !parts[1]) throw damaged(`the block ${label} is not base64`);
  const bytes = new Uint8Array(Buffer.from(parts[1], "base64"));
  if (parts[2] !== undefined && Buffer.from(parts[2], "base64").readUIntBE(0, 3) !== checksum(bytes)) {
    throw damaged(`the block ${label} is not what its checksum says`);
  }
  return bytes;
}

/** CRC-24 (RFC 9580 6.1). */
function checksum(bytes: Uint8Array): number {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc << 1) ^ ((crc & 0x800000) === 0 ? 0 : 0x1864cfb);
  }
  return crc & 0xffffff;
}

function damaged(what: string): CountersignError {
  return new CountersignError("E_KEY_INVALID", `malformed OpenPGP armor: ${what}`, {
    hint: "hand over the text as gpg --armor wrote it: BEGIN line, empty line, base64, checksum, END line",
  });
}
