/**
 * What a verb says of its argument and options, once for both who read them: commander, whose Command is such a list, and
 * readPlainLine, which does without it.
 */
export interface OptionList {
  argument(name: string, description: string): this;
  /** The heading of the options that follow, in `--help`. */
  optionsGroup(heading: string): this;
  option(flags: string, description: string, defaultValue?: string): this;
  option<T>(flags: string, description: string, read: (value: string, before: T) => T): this;
  createOption(flags: string, description?: string): ListedOption;
  addOption(option: ListedOption): this;
  addHelpText(position: "after", text: string): this;
}

/** One option; commander's Option is one. */
export interface ListedOption {
  /** As commander takes them: `-a, --annotation <key=value>`. */
  readonly flags: string;
  readonly argChoices?: readonly string[] | undefined;
  readonly defaultValue?: unknown;
  /** Makes a value of the text, and of the value before it. */
  readonly parseArg?: ((value: string, before: never) => unknown) | undefined;
  choices(values: readonly string[]): this;
  default(value: unknown): this;
  argParser<T>(read: (value: string, before: T) => T): this;
  hideHelp(): this;
}

/** The options that `define` lists. */
export function optionsOf(define: (list: OptionList) => unknown): readonly ListedOption[] {
  const options: ListedOption[] = [];
  const list: OptionList = {
    argument: () => list,
    optionsGroup: () => list,
    option<T>(flags: string, _: string, last?: string | ((value: string, before: T) => T)) {
      const option = createOption(flags);
      return list.addOption(typeof last === "function" ? option.argParser(last) : option.default(last));
    },
    createOption,
    addOption(option) {
      options.push(option);
      return list;
    },
    addHelpText: () => list,
  };
  define(list);
  return options;
}

function createOption(flags: string): ListedOption {
  let choices: readonly string[] | undefined;
  let defaultValue: unknown;
  let parseArg: ListedOption["parseArg"];
  const option: ListedOption = {
    flags,
    get argChoices() {
      return choices;
    },
    get defaultValue() {
      return defaultValue;
    },
    get parseArg() {
      return parseArg;
    },
    choices(values) {
      choices = values;
      return option;
    },
    default(value) {
      defaultValue = value;
      return option;
    },
    argParser(read) {
      parseArg = read;
      return option;
    },
    hideHelp: () => option,
  };
  return option;
}
