import { Command } from "commander";
import { CountersignError } from "../model/errors.ts";
import { type OptionReaders, type OptionValues, readOptions } from "./option-values.ts";

type Define = (command: Command) => Command;

/**
 * Adds the options that `define` defines a second time, each behind `--PREFIX-`: `--key` as `--destination-key`. They
 * stand in the group that is open.
 */
export function addPrefixedOptions(command: Command, prefix: string, define: Define): Command {
  for (const option of define(new Command()).options) {
    if (option.long === undefined || option.hidden) continue;
    const flags = option.flags.replace(/^-\w, /, "").replace(/^--/, `--${prefix}-`);
    const copy = command.createOption(flags, option.description);
    if (option.argChoices !== undefined) copy.choices(option.argChoices);
    else if (option.parseArg !== undefined) copy.argParser(option.parseArg);
    if (option.defaultValue !== undefined) copy.default(option.defaultValue);
    command.addOption(copy);
  }
  return command;
}

/** What was read for options added by `addPrefixedOptions`, under their names without the prefix. @throws E_USAGE. */
export function readPrefixedOptions<Readers extends OptionReaders>(
  readers: Readers,
  prefix: string,
  raw: unknown,
): OptionValues<Readers> {
  const given = new Map(Object.entries(raw ?? {}));
  const plain = Object.fromEntries(Object.keys(readers).map((name) => [name, given.get(prefixed(prefix, name))]));
  return readOptions(readers, plain);
}

/** The flags of a prefix that were given another value than their default. */
export function givenPrefixed(prefix: string, define: Define, raw: unknown): readonly string[] {
  const given = new Map(Object.entries(raw ?? {}));
  return define(new Command()).options.flatMap((option) => {
    const value = given.get(prefixed(prefix, option.attributeName()));
    return value === undefined || value === option.defaultValue ? [] : [`--${prefix}${option.long?.slice(1) ?? ""}`];
  });
}

/** @throws E_USAGE when flags stand without the one that they go with. */
export function refuseStray(flags: readonly string[], without: string, hint: string): void {
  const [first] = flags;
  if (first === undefined) return;
  throw new CountersignError("E_USAGE", `${first} stands without ${without}`, { hint });
}

function prefixed(prefix: string, name: string): string {
  return `${prefix}${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}
