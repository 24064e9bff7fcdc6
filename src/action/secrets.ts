import type { Host } from "../platform/host.ts";
import { INPUTS, type InputName } from "./input-table.ts";
import type { ActionInputs } from "./inputs.ts";

const ENV = "env://";
/** Words that stand in an input of secrets and are none. */
const WORDS: ReadonlySet<string> = new Set(["github-actions"]);

/**
 * Whether an input holds text of a key or certificate rather than where one is: PEM, or so much base64 that it is no path. DER
 * begins with 0x30, `MI` in base64 where it is longer than 255 octets, PEM with dashes, `LS0t`.
 */
export function isMaterialText(value: string): boolean {
  return value.includes("-----BEGIN ") || /^(?:LS0t|MI)[A-Za-z0-9+/=\s]{96,}$/.test(value);
}

/**
 * Every text that must not be seen in the log, in the pieces that a log may show it in: each secret and private key whole, and each
 * line of one that has several. What stands behind `env://NAME` too.
 */
export function secretsOf({ given, command }: Pick<ActionInputs, "given" | "command">, env: Host["env"]): string[] {
  const found: string[] = [];
  for (const [name, value] of given) {
    for (const text of held(value, env)) {
      if (isSecret(name, command, text) && !WORDS.has(text)) found.push(...piecesOf(text));
    }
  }
  const token = given.get("github-token");
  return [...new Set([...found, ...(token === undefined ? [] : [token])])];
}

function held(value: string, env: Host["env"]): readonly string[] {
  return value.split(/\r?\n/).some((line) => line.startsWith(ENV))
    ? value.split(/\r?\n/).map((line) => env[line.trim().slice(ENV.length)] ?? "")
    : [value];
}

/** The only private keys are those that sign, and those of client certificates. */
function isSecret(name: InputName, command: ActionInputs["command"], text: string): boolean {
  if (INPUTS[name].kind === "secret") return text !== "";
  if (text.includes("PRIVATE KEY")) return true;
  const isKey = (name === "key" && command === "sign") || name === "resign-key" || name === "signer-client-key";
  return isKey && isMaterialText(text);
}

/** The armour of PEM is no secret, and would be hidden in every certificate too. */
function piecesOf(text: string): readonly string[] {
  const lines = text
    .split(/\r?\n|\\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("-----") && !/^(?:Proc-Type|DEK-Info):/.test(line));
  return lines.length === 1 && lines[0] === text ? [text] : [text, ...lines];
}
