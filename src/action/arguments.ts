import { CountersignError } from "../model/errors.ts";
import { INPUTS, type InputName } from "./input-table.ts";
import { type ActionInputs, booleanOf, linesOf } from "./inputs.ts";
import { isMaterialText } from "./secrets.ts";

/** What the command line is started with. */
export interface CommandLine {
  readonly args: readonly string[];
  /** Variables that the arguments name by `env://`: what is secret stands in no argument, and in no file. */
  readonly env: Readonly<Record<string, string>>;
}

/** A token that the runner is asked for, rather than one that is given. */
const GITHUB_TOKEN = "github-actions";

/**
 * The inputs as arguments of the command line, then `images` behind `--`, so that none of them can be read as a flag.
 *
 * @param own flags that the action adds itself
 * @throws E_USAGE.
 */
export function commandLineOf(
  { command, given, extraArguments }: Pick<ActionInputs, "command" | "given" | "extraArguments">,
  images: readonly string[],
  own: readonly string[] = [],
): CommandLine {
  const env: Record<string, string> = {};
  const handOver = (name: InputName, value: string) => {
    const variable = `INPUT_${name.toUpperCase().replaceAll("-", "_")}`;
    env[variable] = value;
    return `env://${variable}`;
  };
  const flags: string[] = [];
  for (const [name, value] of given) {
    const rule = INPUTS[name];
    const flag = "flag" in rule ? rule.flag : `--${name}`;
    const add = (text: string) => flags.push(`${flag}=${text}`);
    switch (rule.kind) {
      case "own":
        break;
      case "text":
        add(oneLineOf(name, value));
        break;
      case "lines":
        linesOf(value).forEach(add);
        break;
      case "switch":
        if (booleanOf(name, value, false)) flags.push(flag);
        break;
      case "secret":
        add(value === GITHUB_TOKEN || isVariable(value) ? value : handOver(name, value));
        break;
      case "material":
        add(isMaterialText(value) ? handOver(name, value) : sourceOf(name, value));
        break;
      case "materials":
        if (isMaterialText(value)) add(handOver(name, value));
        else if (command === "sign") add(sourceOf(name, value));
        else for (const line of linesOf(value)) add(sourceOf(name, line));
        break;
    }
  }
  return { args: [command, ...own, ...flags, ...extraArguments, "--", ...images], env };
}

function isVariable(value: string): boolean {
  return value.startsWith("env://");
}

function oneLineOf(name: InputName, value: string): string {
  if (!/[\r\n]/.test(value)) return value;
  throw new CountersignError("E_USAGE", `${name} takes one line`, {
    hint: `write ${name}: VALUE on one line; "|" and ">" after the colon begin several`,
  });
}

/** A path or `env://NAME`; standard input is no source here, as a step has none. */
function sourceOf(name: InputName, value: string): string {
  if (value === "-") {
    throw new CountersignError("E_USAGE", `${name}: - would read standard input, which a step does not have`, {
      hint: `write ${name}: with a path, env://NAME or the PEM text`,
    });
  }
  return oneLineOf(name, value);
}
