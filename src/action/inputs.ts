import { CountersignError } from "../model/errors.ts";
import { COMMANDS, type CommandName, INPUTS, type InputName, isInputName, UNSET } from "./input-table.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface ActionInputs {
  readonly command: CommandName;
  /** Inputs that were given, without white space at their ends; secrets as they are. */
  readonly given: ReadonlyMap<InputName, string>;
  readonly summary: boolean;
  readonly allowUntrustedEvents: boolean;
  /** One argument each, handed to the command line as they are. */
  readonly extraArguments: readonly string[];
}

const PREFIX = "INPUT_";
const DEFAULT_SUMMARY = true;

/**
 * Reads the step's `with:` from the variables `INPUT_NAME` that the runner sets. The only reader of inputs.
 *
 * @throws E_USAGE for a misspelt input, one that the command does not take, or a value that cannot be; E_INPUT_EMPTY for one that
 * is given and empty.
 */
export function loadInputs(env: Environment): ActionInputs {
  const given = readGiven(env);
  const command = commandOf(given.get("command"));
  given.delete("command");
  const inputs = new Map<InputName, string>();
  for (const [name, value] of given) {
    if (!isInputName(name)) throw misspelt(name);
    if (value === UNSET) continue;
    const rule = INPUTS[name];
    if (value === "") {
      if ("mayBeEmpty" in rule) continue;
      throw empty(name);
    }
    // An input with a default of its own is there for every command.
    const everywhere = name === "summary" || name === "allow-untrusted-events";
    if (!everywhere && !rule.commands.some((one) => one === command)) throw notFor(name, command);
    inputs.set(name, value);
  }
  return {
    command,
    given: inputs,
    summary: booleanOf("summary", inputs.get("summary"), DEFAULT_SUMMARY),
    allowUntrustedEvents: booleanOf("allow-untrusted-events", inputs.get("allow-untrusted-events"), false),
    extraArguments: linesOf(inputs.get("extra-args")),
  };
}

function readGiven(env: Environment): Map<string, string> {
  const given = new Map<string, string>();
  for (const [variable, value] of Object.entries(env)) {
    // Windows keeps the letters of a variable's name, and asks for none of them.
    if (value === undefined || !variable.toUpperCase().startsWith(PREFIX)) continue;
    const name = variable.slice(PREFIX.length).toLowerCase();
    const isSecret = isInputName(name) && INPUTS[name].kind === "secret";
    given.set(name, isSecret ? value.replace(/\r?\n$/, "") : value.trim());
  }
  return given;
}

function commandOf(value: string | undefined): CommandName {
  const command = COMMANDS.find((name) => name === value);
  if (command !== undefined) return command;
  throw new CountersignError(
    "E_USAGE",
    value === undefined || value === "" ? "the input command is missing" : `command: ${quoted(value)} is no command`,
    { hint: `write one of ${COMMANDS.join(", ")} for command:` },
  );
}

/** A line each, without white space at its ends; blank ones are passed over. */
export function linesOf(value: string | undefined): readonly string[] {
  return (value ?? "")
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** YAML's booleans, as the runner hands them over. @throws E_USAGE. */
export function booleanOf(name: InputName, value: string | undefined, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (/^true$/i.test(value)) return true;
  if (/^false$/i.test(value)) return false;
  throw new CountersignError("E_USAGE", `${name}: ${quoted(value)} is neither true nor false`, {
    hint: `write ${name}: true or ${name}: false`,
  });
}

function misspelt(name: string): CountersignError {
  const near = nearest(name);
  return new CountersignError("E_USAGE", `there is no input ${quoted(name)}`, {
    hint: `${near === undefined ? "take it out of with:" : `write ${near}:`}; docs/github.md lists every input`,
  });
}

function notFor(name: string, command: CommandName): CountersignError {
  return new CountersignError("E_USAGE", `the input ${name} means nothing to command: ${command}`, {
    hint: `take ${name}: out of with:, or write ${name}: ${UNSET}`,
  });
}

function empty(name: InputName): CountersignError {
  return new CountersignError("E_INPUT_EMPTY", `the input ${name} is given and empty`, { hint: emptyHint(name) });
}

/** What mends an input that holds nothing, by the kind of what belongs into it. */
function emptyHint(name: InputName): string {
  const { kind } = INPUTS[name];
  const leftOut = `or leave it out as ${name}: ${UNSET}`;
  if (kind === "secret" || (kind.startsWith("material") && name.endsWith("key"))) {
    const variable = name.toUpperCase().replaceAll("-", "_");
    return `the secret behind it does not exist here (runs from forks and of Dependabot have none): add ${variable} to the secrets of the repository or of the job's environment and write ${name}: \${{ secrets.${variable} }}; ${leftOut}`;
  }
  return `the variable, output or input behind it is not set: add it to the variables of the repository or of the job's environment, or give the step that puts it out an id:; ${leftOut}`;
}

/** The input whose name differs least, by at most a third of its letters. */
function nearest(name: string): string | undefined {
  const ranked = ["command", ...Object.keys(INPUTS)]
    .map((candidate) => ({ candidate, distance: distanceOf(name.slice(0, 60).replaceAll("_", "-"), candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= best.candidate.length / 3 ? best.candidate : undefined;
}

/** Levenshtein's. */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let at = 1; at <= one.length; at += 1) {
    const next = [at];
    for (let to = 1; to <= other.length; to += 1) {
      const kept = (row[to - 1] ?? 0) + (one[at - 1] === other[to - 1] ? 0 : 1);
      next.push(Math.min(kept, (row[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
