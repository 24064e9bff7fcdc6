import type { ErrorCode } from "./error-codes.ts";
import { CountersignError } from "./errors.ts";

export interface StrictJsonOptions {
  /** Arrays and objects inside one another, at most; 64 unless told. */
  readonly maxDepth?: number;
  /** What a refusal is thrown as; E_PAYLOAD_MALFORMED unless told. */
  readonly code?: ErrorCode;
  /** What the document is, as the subject of the refusal's sentence; "the document" unless told. */
  readonly what?: string;
  /** The mend that goes with the refusal. */
  readonly hint?: string;
  /** Told of each member that is repeated, in place of a refusal; the last one of a name counts. */
  readonly repeated?: (sentence: string) => void;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const loneSurrogate = /\p{Surrogate}/u;

/**
 * Reads one JSON document and refuses what two readers could take for two different documents (I-JSON, RFC 7493 section 2):
 * bytes that are not UTF-8, a byte order mark, a member name twice in one object, half a surrogate pair.
 *
 * Takes the bytes of the document; gives the value that `JSON.parse` gives, a member called `__proto__` being a member
 * like any other. Parse it with a schema: it is foreign.
 *
 * @throws CountersignError with `options.code`.
 */
export function parseStrictJson(bytes: Uint8Array, options: StrictJsonOptions = {}): unknown {
  const refuse = (why: string, cause?: unknown): CountersignError =>
    new CountersignError(
      options.code ?? "E_PAYLOAD_MALFORMED",
      `${options.what ?? "the document"} is not JSON: ${why}`,
      {
        cause,
        hint: options.hint,
      },
    );
  const text = decode(bytes, refuse);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse("it breaks the grammar of RFC 8259", error);
  }
  const fault = findFault(text, options.maxDepth ?? 64, (sentence) => {
    if (options.repeated === undefined) return sentence;
    options.repeated(`${options.what ?? "the document"}: ${sentence}`);
    return undefined;
  });
  if (fault !== undefined) throw refuse(fault);
  return value;
}

function decode(bytes: Uint8Array, refuse: (why: string, cause?: unknown) => CountersignError): string {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch (error) {
    throw refuse("its bytes are not UTF-8", error);
  }
  if (text.startsWith("\uFEFF")) throw refuse("it starts with a byte order mark");
  return text;
}

/** Walks a text that `JSON.parse` has accepted, so only the places of names and brackets have to be told apart. */
function findFault(
  text: string,
  maxDepth: number,
  repeated: (sentence: string) => string | undefined,
): string | undefined {
  /** One entry for each open bracket: the names seen in an object, undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  let nameExpected = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at]) {
      case "{":
      case "[":
        if (open.length >= maxDepth) return `it is nested deeper than ${maxDepth}`;
        nameExpected = text[at] === "{";
        open.push(nameExpected ? new Set() : undefined);
        break;
      case "}":
      case "]":
        open.pop();
        nameExpected = false;
        break;
      case ",":
        nameExpected = open.at(-1) !== undefined;
        break;
      case '"': {
        const end = endOfString(text, at);
        const raw = text.slice(at + 1, end);
        const content = raw.includes("\\") ? String(JSON.parse(`"${raw}"`)) : raw;
        if (loneSurrogate.test(content)) return "a string holds half of a surrogate pair";
        if (nameExpected) {
          const names = open.at(-1);
          const fault = names?.has(content)
            ? repeated(`the member ${JSON.stringify(content.slice(0, 80))} occurs twice`)
            : undefined;
          if (fault !== undefined) return fault;
          names?.add(content);
          nameExpected = false;
        }
        at = end;
        break;
      }
    }
  }
  return undefined;
}

/** The index of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
