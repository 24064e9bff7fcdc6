import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { anything, listOf, objectOf, readShape } from "../model/shape.ts";
import { readBody } from "../platform/body.ts";
import type { HttpResponse } from "../platform/exchange.ts";
import { printable, withoutSecrets } from "../platform/server-words.ts";

/** What a registry says went wrong (distribution-spec, error codes). */
export interface RegistryFault {
  readonly status: number;
  /** `MANIFEST_UNKNOWN`, …; empty when the body is not the specification's. */
  readonly codes: readonly string[];
  /** For a sentence: status, codes and message in one printable line of bounded length. */
  readonly text: string;
}

const refusal = objectOf({ errors: listOf(objectOf({ code: anything, message: anything }), 1) });

/**
 * Reads the body of a refusal, whatever it is. Never throws: that it cannot be read changes nothing about the refusal.
 *
 * @param shown secrets that the request held, which the server may quote; see `withoutSecrets`.
 */
export async function readFault(
  response: HttpResponse,
  shown: readonly (string | undefined)[] = [],
): Promise<RegistryFault> {
  const { status } = response;
  const bytes = await readBody(response, LIMITS.errorBody).catch(() => new Uint8Array());
  return { status, ...decode(status, new TextDecoder().decode(bytes), shown) };
}

function decode(
  status: number,
  body: string,
  shown: readonly (string | undefined)[],
): { codes: readonly string[]; text: string } {
  const parsed = readShape(refusal, parseJson(body));
  if ("unfit" in parsed) return { codes: [], text: String(status) };
  const errors = parsed.value.errors.map(({ code, message }) => ({ code: textOf(code), message: textOf(message) }));
  const codes = errors.map(({ code }) => code).filter((code) => /^[A-Z][A-Z0-9_]{0,63}$/.test(code));
  const first = errors[0];
  const hide = (text: string) => withoutSecrets(text, shown);
  const said = [codes[0] && hide(codes[0]), first?.message && printable(hide(first.message))]
    .filter(Boolean)
    .join(": ");
  return { codes, text: said === "" ? String(status) : `${status} ${said}` };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The error that a passing status ends in when it does not pass: E_REGISTRY_THROTTLED for 429, else E_REGISTRY_FAILING. */
export function passingError(host: string, fault: RegistryFault): CountersignError {
  if (fault.status === 429) {
    return new CountersignError("E_REGISTRY_THROTTLED", `${host} throttles: ${fault.text}`, {
      hint: "wait, log in to it (anonymous limits are lower), or lower --connections",
    });
  }
  return new CountersignError("E_REGISTRY_FAILING", `${host} fails: ${fault.text}`, {
    hint: "try again later; the fault is the registry's or of a proxy before it",
  });
}

/** What any other status that was not expected ends in: E_REGISTRY_ANSWER. */
export function unexpectedAnswer(host: string, what: string, fault: RegistryFault): CountersignError {
  return new CountersignError("E_REGISTRY_ANSWER", `${host} refuses ${what}: ${fault.text}`, {
    hint: "check that the address is a registry's, and what this registry permits",
    retry: false,
  });
}
