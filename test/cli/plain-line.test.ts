import { Command, CommanderError } from "commander";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withOwnSpelling } from "../../src/cli/cosign-flags.ts";
import { optionsOf } from "../../src/cli/option-list.ts";
import { type PlainLine, readPlainLine } from "../../src/cli/plain-line.ts";
import { verifyVerb } from "../../src/cli/verify-command.ts";
import { isCountersignError } from "../../src/model/errors.ts";

/** What commander makes of a line, under the program as in it; undefined where it refuses the line or answers with help. */
function byCommander(words: readonly string[]): PlainLine | undefined {
  const program = new Command("countersign")
    .version("countersign 1.2.3", "-V, --version")
    .helpCommand(true)
    .configureOutput({ writeOut: () => {}, writeErr: () => {} })
    .exitOverride();
  const command = program.command("verify");
  command.copyInheritedSettings(program);
  verifyVerb.define(command);
  let read: PlainLine | undefined;
  command.action((...parameters: unknown[]) => {
    read = { images: command.args, options: { ...(parameters.at(-2) as Record<string, unknown>) } };
  });
  try {
    program.parse(["verify", ...words], { from: "user" });
    return read;
  } catch (error) {
    if (error instanceof CommanderError) return undefined;
    throw error;
  }
}

const plainly = (words: readonly string[]) => readPlainLine(verifyVerb.define, words);

/** What `read` returns, or the code that it throws. */
function outcome(read: () => PlainLine | undefined): PlainLine | string | undefined {
  try {
    return read();
  } catch (error) {
    if (isCountersignError(error)) return error.code;
    throw error;
  }
}

const IMAGE = "registry.example.com/app:1.2";

describe("a line of the simplest spelling", () => {
  it.each<readonly [string, readonly string[]]>([
    ["a key and an image", ["--key", "cosign.pub", IMAGE]],
    ["values behind =", ["--key=cosign.pub", "--output=json", IMAGE]],
    ["short names", ["-o", "json", "-r", "-a", "env=prod", "-v", IMAGE]],
    ["repeated options", ["--key", "a", "--key", "b", "-a", "x=1", "--annotation", "y=2", IMAGE]],
    ["standard input", ["--key", "-", "--images", "-", "-"]],
    ["images behind --", ["--key", "cosign.pub", "--", IMAGE, "-"]],
    ["options behind images", [IMAGE, "--ca-roots", "root.pem", IMAGE, "--all"]],
    ["cosign's booleans", ["--insecure-ignore-tlog", "--new-bundle-format=true", "--key", "k", IMAGE]],
    ["a value that looks like an option behind =", ["--key=--all", IMAGE]],
    ["empty words", ["--tags=", "--key", "", ""]],
    ["nothing", []],
  ])("is read as commander reads it: %s", (_, words) => {
    const spelt = withOwnSpelling(words);
    expect(plainly(spelt)).toBeDefined();
    expect(plainly(spelt)).toEqual(byCommander(spelt));
  });

  it("has the defaults of what it does not name", () => {
    expect(plainly([])?.options).toEqual(byCommander([])?.options);
    expect(plainly([])?.options).toMatchObject({ output: "text", requireReference: "none", concurrency: "128" });
  });

  it("can name every option of verify", () => {
    for (const { flags, argChoices } of optionsOf(verifyVerb.define)) {
      const [, long = "", value] = /(--\S+)(?: (<.+>))?$/.exec(flags) ?? [];
      const words = value === undefined ? [long] : [long, argChoices?.[0] ?? "true"];
      expect(
        outcome(() => plainly(words)),
        flags,
      ).toBeDefined();
    }
  });
});

describe("any other line", () => {
  it.each<readonly [string, readonly string[]]>([
    ["help", ["--help"]],
    ["help, by its short name", ["-h"]],
    ["the version", ["--version"]],
    ["an unknown option", ["--keys", "k", IMAGE]],
    ["a shortened option", ["--ke", "k", IMAGE]],
    ["short options in one word", ["-rv", IMAGE]],
    ["a short option and its value in one word", ["-ojson", IMAGE]],
    ["a value that is missing", ["--key"]],
    ["an option where a value belongs", ["--key", "--version", IMAGE]],
    ["a value for a switch", ["--all=true", IMAGE]],
    ["a choice that there is not", ["--output", "xml", IMAGE]],
    ["a wrong value before a call for help", ["--offline", "perhaps", "--help"]],
    ["a dash before an image behind --", ["--", "-image"]],
  ])("is left to commander: %s", (_, words) => {
    expect(plainly(words)).toBeUndefined();
  });
});

describe("any line of the words of verify", () => {
  const vocabulary = [
    ...optionsOf(verifyVerb.define).flatMap(({ flags }) => flags.match(/(?<![\w-])--?[A-Za-z][\w-]*/g) ?? []),
    ...[
      "-",
      "--",
      "-x",
      "--no-all",
      "help",
      "verify",
      "--help",
      "-h",
      "-V",
      "--version",
      "",
      IMAGE,
      "=",
      "json",
      "true",
    ],
    ...["exact", "notation", "files", "--key=", "--key=x", "--all=", "-o=json", "--output=json", "-1", "a=b"],
  ];

  it("is left to commander, or read as commander reads it", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...vocabulary), { maxLength: 7 }), (words) => {
        const plain = outcome(() => plainly(words));
        if (plain !== undefined) expect(plain).toEqual(outcome(() => byCommander(words)));
      }),
      { numRuns: 500 },
    );
  });
});
