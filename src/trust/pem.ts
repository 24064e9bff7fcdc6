import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";

/** One encapsulated message of a PEM text: its label, its RFC 1421 headers if any, its bytes. */
export interface PemBlock {
  readonly label: string;
  /** In their order; names as written. Only traditional encrypted keys have any. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly der: Uint8Array;
}

export type PemCode = "E_CERTIFICATE_INVALID" | "E_KEY_INVALID";

class MalformedPem extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

const boundary = /^-----(BEGIN|END) ([\x21-\x2c\x2e-\x7e](?:[- ]?[\x21-\x2c\x2e-\x7e])*)-----$/;
const header = /^([!-9;-~]+):[ \t]*(.*)$/;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * Every block of a PEM text (RFC 7468 section 3, lax about white space; with the headers of RFC 1421 for traditional
 * encrypted keys), in its order. Text outside blocks is explanatory and skipped. No block at all is an empty list.
 * @param limit how many blocks are read at most
 * @param code what the caller is reading: a key or certificates
 * @throws `code` for a block without its end, inside another, with a body that is not base64, or one too many.
 */
export function parsePem(
  text: string | Uint8Array,
  limit: number = LIMITS.certificates,
  code: PemCode = "E_CERTIFICATE_INVALID",
): PemBlock[] {
  try {
    return readBlocks(text, limit);
  } catch (error) {
    if (!(error instanceof MalformedPem)) throw error;
    throw new CountersignError(code, `malformed PEM: ${error.message}`, { hint: error.hint });
  }
}

function readBlocks(text: string | Uint8Array, limit: number): PemBlock[] {
  const lines = (typeof text === "string" ? text : Buffer.from(text).toString("latin1")).split(/\r\n|\n|\r/);
  const blocks: PemBlock[] = [];
  let open: { label: string; line: number; body: string[] } | undefined;
  for (const [index, raw] of lines.entries()) {
    const line = raw.trim();
    const mark = line.startsWith("-----") ? boundary.exec(line) : null;
    if (mark === null) {
      if (open !== undefined) open.body.push(raw);
      else if (line.startsWith("-----BEGIN ")) {
        throw malformed(
          `line ${index + 1} is not a whole BEGIN line`,
          "keep the line breaks: a CI variable of type file, or the base64 of the PEM, does",
        );
      }
      continue;
    }
    const [, kind, label = ""] = mark;
    if (kind === "BEGIN") {
      if (open !== undefined) {
        throw malformed(`${name(open.label)} on line ${open.line} has no END line before the next BEGIN`);
      }
      if (blocks.length >= limit) throw malformed(`more than ${limit} blocks`, "hand over fewer in one file");
      open = { label, line: index + 1, body: [] };
    } else if (open === undefined) {
      throw malformed(`END ${label} on line ${index + 1} has no BEGIN line`);
    } else if (open.label !== label) {
      throw malformed(`${name(open.label)} on line ${open.line} ends as ${name(label)}`);
    } else {
      blocks.push(decodeBlock(open));
      open = undefined;
    }
  }
  if (open !== undefined) throw malformed(`${name(open.label)} on line ${open.line} has no END line`);
  return blocks;
}

/** One PEM block, lines of 64, with a line feed at its end (RFC 7468 section 3). */
export function encodePem(label: string, der: Uint8Array): string {
  const body = Buffer.from(der)
    .toString("base64")
    .replace(/.{1,64}/g, "$&\n");
  return `-----BEGIN ${label}-----\n${body}-----END ${label}-----\n`;
}

function decodeBlock(open: { label: string; line: number; body: readonly string[] }): PemBlock {
  const { headers, rest } = readHeaders(open.body);
  const body = rest.join("").replace(/[ \t\v\f]/g, "");
  if (!base64.test(body) || body.length % 4 !== 0) {
    throw malformed(`the body of ${name(open.label)} on line ${open.line} is not base64`);
  }
  const der = Buffer.from(body, "base64");
  if (der.length === 0) throw malformed(`${name(open.label)} on line ${open.line} is empty`);
  // Bits left over in the last digit must be zero, or two texts would mean one certificate.
  if (der.toString("base64") !== body) {
    throw malformed(`the body of ${name(open.label)} on line ${open.line} is not canonical base64`);
  }
  return { label: open.label, headers, der: new Uint8Array(der) };
}

function readHeaders(body: readonly string[]): { headers: PemBlock["headers"]; rest: readonly string[] } {
  const headers: { name: string; value: string }[] = [];
  let at = 0;
  while (at < body.length && (body[at] ?? "").trim() === "") at += 1;
  for (; at < body.length; at += 1) {
    const line = body[at] ?? "";
    const found = header.exec(line.trimEnd());
    const last = headers.at(-1);
    if (found !== null) headers.push({ name: found[1] ?? "", value: found[2] ?? "" });
    else if (last !== undefined && /^[ \t]+\S/.test(line)) last.value += line.trim();
    else break;
  }
  return { headers, rest: body.slice(at) };
}

/** A label as messages show it; a foreign file decides its length. */
function name(label: string): string {
  return label.length > 64 ? `${label.slice(0, 64)}…` : label;
}

function malformed(
  what: string,
  hint = "hand over the text as its program wrote it: BEGIN line, lines of base64, END line",
): MalformedPem {
  return new MalformedPem(what, hint);
}
