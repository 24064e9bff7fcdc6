import { CountersignError } from "../model/errors.ts";

/** Makes a value of what commander read for one option. @throws E_USAGE; `flag` is the option as it is written. */
export type OptionReader<T> = (value: unknown, flag: string) => T;

export type OptionReaders = Readonly<Record<string, OptionReader<unknown>>>;

/** What `readOptions` makes with these readers. */
export type OptionValues<Readers extends OptionReaders> = {
  readonly [Name in keyof Readers]: ReturnType<Readers[Name]>;
};

/**
 * Options as commander read them, by their camel-case names, held against a reader each. Written by hand: on the way to the first
 * request a schema library takes longer to load than everything else together.
 *
 * @throws E_USAGE naming the first that does not fit.
 */
export function readOptions<Readers extends OptionReaders>(readers: Readers, raw: unknown): OptionValues<Readers> {
  const given = new Map(Object.entries(raw ?? {}));
  const values = Object.entries(readers).map(([name, read]) => [name, read(given.get(name), flagOf(name))]);
  return Object.fromEntries(values) as OptionValues<Readers>;
}

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export const text: OptionReader<string | undefined> = (value, flag) => {
  if (value === undefined || typeof value === "string") return value;
  throw unfit(flag, "takes one text");
};

/** Of an option that may be repeated. */
export const texts: OptionReader<readonly string[] | undefined> = (value, flag) => {
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
  throw unfit(flag, "takes texts");
};

export const switched: OptionReader<boolean | undefined> = (value, flag) => {
  if (value === undefined || typeof value === "boolean") return value;
  throw unfit(flag, "takes no value");
};

/** One of `names`; commander has filled in the default. */
export function oneOf<const Name extends string>(names: readonly Name[]): OptionReader<Name> {
  return (value, flag) => {
    const name = names.find((candidate) => candidate === value);
    if (name === undefined) throw unfit(flag, `is one of ${names.join(", ")}`);
    return name;
  };
}

/** A number from `least` to `most`, written as digits; commander has filled in the default. */
export function number(least: number, most: number, kind: "whole number" | "number"): OptionReader<number> {
  return (written, flag) => {
    const value = typeof written === "string" && written.trim() !== "" ? Number(written) : Number.NaN;
    if (value >= least && value <= most && (kind === "number" || Number.isInteger(value))) return value;
    throw unfit(flag, `${JSON.stringify(written)} is no ${kind} from ${least} to ${most}`);
  };
}

function unfit(flag: string, message: string): CountersignError {
  return new CountersignError("E_USAGE", `${flag}: ${message}`, { hint: "see --help" });
}
