import { type ListedOption, type OptionList, optionsOf } from "./option-list.ts";

export interface PlainLine {
  readonly images: readonly string[];
  /** By camel-case names, with the defaults of options that are not given. */
  readonly options: Readonly<Record<string, unknown>>;
}

interface Spelled {
  readonly name: string;
  readonly takesValue: boolean;
  readonly option: ListedOption;
}

/** One or two spellings, and what stands for a required value. */
const FLAGS = /^(?:(-[A-Za-z]), )?(--[a-z][a-z0-9-]*)(?: (<[^<>.]+>))?$/;

/**
 * Reads the words behind a verb where every one of them is an option or an image of the simplest spelling, which is what pipelines write:
 * to what commander would read, which takes a tenth of the way to the first request to load, hear of all options and read.
 * Undefined for any other line, wrong ones and `--help` too: that is commander's to read, to refuse or to answer.
 */
export function readPlainLine(define: (list: OptionList) => unknown, words: readonly string[]): PlainLine | undefined {
  const known = spellings(optionsOf(define));
  const given: (readonly [Spelled, string | undefined])[] = [];
  const images: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    if (!isDashed(word)) {
      images.push(word);
      continue;
    }
    if (word === "--") {
      const rest = words.slice(at + 1);
      if (rest.some(isDashed)) return undefined;
      images.push(...rest);
      break;
    }
    const end = word.startsWith("--") ? word.indexOf("=") : -1;
    const found = known.get(end < 0 ? word : word.slice(0, end));
    if (found === undefined || (end >= 0 && !found.takesValue)) return undefined;
    if (end < 0 && found.takesValue) at += 1;
    const value = end < 0 ? words[at] : word.slice(end + 1);
    if (found.takesValue && (value === undefined || (end < 0 && isDashed(value)))) return undefined;
    if (found.option.argChoices?.includes(value ?? "") === false) return undefined;
    given.push([found, value]);
  }
  return { images, options: valuesOf(known, given) };
}

/** Only when the whole line is plain: what a reader refuses is not said of a line that asks for help behind it. */
function valuesOf(
  known: ReadonlyMap<string, Spelled>,
  given: readonly (readonly [Spelled, string | undefined])[],
): PlainLine["options"] {
  const options: Record<string, unknown> = {};
  for (const { name, option } of known.values()) {
    if (option.defaultValue !== undefined) options[name] = option.defaultValue;
  }
  for (const [{ name, takesValue, option }, value = ""] of given) {
    const read = option.parseArg ?? ((text: string) => text);
    options[name] = takesValue ? read(value, options[name] as never) : true;
  }
  return options;
}

/** What commander might take for an option, whatever stands before it. */
function isDashed(word: string): boolean {
  return word.startsWith("-") && word !== "-";
}

/** Options by each spelling; those of another kind are left out, and so is every line that has one. */
function spellings(options: readonly ListedOption[]): ReadonlyMap<string, Spelled> {
  const known = new Map<string, Spelled>();
  for (const option of options) {
    const [, short, long, value] = FLAGS.exec(option.flags) ?? [];
    if (long === undefined || long.startsWith("--no-")) continue;
    const name = long.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    const spelled = { name, takesValue: value !== undefined, option };
    known.set(long, spelled);
    if (short !== undefined) known.set(short, spelled);
  }
  return known;
}
