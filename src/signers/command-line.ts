import { CountersignError } from "../model/errors.ts";

/**
 * Splits a command into program and arguments without a shell. Words end at blanks, tabs and line breaks; what touches belongs to
 * one word. Inside '…' everything stands for itself; inside "…" too, but that \" is a quote and \\ a backslash; outside
 * quotes a backslash is a backslash. An empty pair of quotes is an empty word. Nothing is expanded: no variable, glob, tilde,
 * redirection or substitution.
 * @throws E_USAGE for a quote without its end, a NUL, or no word at all. The command is not shown: it may hold a PIN.
 */
export function splitCommand(command: string): readonly [string, ...string[]] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < command.length; at += 1) {
    const character = command.charAt(at);
    if (character === "\0") throw unsplit("holds a NUL character");
    if (quote !== undefined) {
      const next = command.charAt(at + 1);
      if (character === quote) quote = undefined;
      else if (quote === '"' && character === "\\" && (next === '"' || next === "\\")) {
        word = (word ?? "") + next;
        at += 1;
      } else word = (word ?? "") + character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (/[ \t\r\n]/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + character;
  }
  if (quote !== undefined) throw unsplit(`has a quote ${quote} without its end`);
  if (word !== undefined) words.push(word);
  const [program, ...args] = words;
  if (!program) throw unsplit("names no program");
  return [program, ...args];
}

/** Puts values for `{name}` into each word; other braces stand for themselves. Values make no new words and are not searched again. */
export function fillPlaceholders(
  argv: readonly [string, ...string[]],
  values: Readonly<Record<string, string>>,
): readonly [string, ...string[]] {
  const fill = (word: string) =>
    word.replace(/\{([A-Za-z]+)\}/g, (whole, name: string) =>
      Object.hasOwn(values, name) ? (values[name] ?? "") : whole,
    );
  const [program, ...args] = argv;
  return [fill(program), ...args.map(fill)];
}

function unsplit(what: string): CountersignError {
  return new CountersignError("E_USAGE", `the command behind exec: ${what}`, {
    hint: `write --signer 'exec:program argument "with blanks"'; for a shell, say so: exec:sh -c '…'`,
  });
}
