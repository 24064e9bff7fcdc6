import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { attachVerb } from "../../src/cli/attach-command.ts";
import { addCosignFlags, withOwnSpelling } from "../../src/cli/cosign-flags.ts";
import { listVerb } from "../../src/cli/list-command.ts";
import { loadVerb } from "../../src/cli/load-command.ts";
import { payloadVerb } from "../../src/cli/payload-command.ts";
import { promoteVerb } from "../../src/cli/promote-command.ts";
import { quickstartVerb } from "../../src/cli/quickstart-command.ts";
import { saveVerb } from "../../src/cli/save-command.ts";
import { signVerb } from "../../src/cli/sign-command.ts";
import { triangulateVerb } from "../../src/cli/triangulate-command.ts";
import { verifyVerb } from "../../src/cli/verify-command.ts";
import { VERSION } from "../../src/cli/version.ts";
import { createMachine } from "./support/machine.ts";
import { parseReport } from "./support/refusals.ts";

const machine = createMachine();
const verbs = {
  sign: signVerb,
  payload: payloadVerb,
  attach: attachVerb,
  verify: verifyVerb,
  promote: promoteVerb,
  list: listVerb,
  save: saveVerb,
  load: loadVerb,
  triangulate: triangulateVerb,
  quickstart: quickstartVerb,
};
/** cosign's spellings, as documents show them. */
const aliases: Readonly<Record<string, string>> = { generate: "payload", tree: "list" };
const names = Object.keys(verbs) as (keyof typeof verbs)[];

async function helpOf(...args: readonly string[]): Promise<string> {
  const { exit, stdout, stderr } = await machine.run(args);
  expect([exit, stderr]).toEqual([0, ""]);
  return stdout;
}

/** Command lines that a help shows, lines that go on joined. */
function examplesIn(help: string): readonly (readonly string[])[] {
  return [...help.replace(/\\\n\s*/g, "").matchAll(/^\s*\$ countersign (.+)$/gm)].map(([, line = ""]) =>
    [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? ""),
  );
}

/** A verb's command as the program defines it. */
function defined(name: keyof typeof verbs): Command {
  const command = new Command(name);
  verbs[name].define(command);
  return command;
}

/** Defines a verb as the program does, and takes a command line apart with it. */
function parse(name: keyof typeof verbs, args: readonly string[]): Command {
  const command = defined(name)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  command.action(() => {});
  return command.parse([...withOwnSpelling(args)], { from: "user" });
}

describe("help", () => {
  it("of the program names each command, the exit statuses and examples", async () => {
    const help = await helpOf("--help");
    for (const name of names) expect(help).toMatch(new RegExp(`^ {2}${name}\\b`, "m"));
    for (const status of ["0 done", "1 refused", "2 wrong use", "3 could not tell", "70 a bug"]) {
      expect(help).toContain(status);
    }
    for (const [name = "", ...args] of examplesIn(help)) parse(name as keyof typeof verbs, args);
    expect(examplesIn(help).length).toBeGreaterThanOrEqual(3);
  });

  it.each(names)("of %s has examples that can be run as they stand", async (name) => {
    const examples = examplesIn(await helpOf(name, "--help"));
    expect(examples.length).toBeGreaterThan(0);
    for (const [first, ...args] of examples) {
      expect(first).toBe(name);
      expect(() => parse(name, args)).not.toThrow();
    }
  });

  it.each(names)("of %s is the same by the command help", async (name) => {
    expect(await helpOf("help", name)).toBe(await helpOf(name, "--help"));
  });

  it.each(names)("of %s says what each flag does", (name) => {
    for (const option of defined(name).options) {
      if (!option.hidden) expect(option.description, option.flags).not.toBe("");
    }
  });

  it("hides only the flags that are taken for cosign's sake", () => {
    const forCosign = ["yes", "tlog-upload", "use-signing-config", "new-bundle-format", "insecure-ignore-tlog"];
    const others = ["insecure-ignore-sct", "private-infrastructure", "offline", "check-claims"];
    const known = addCosignFlags(new Command(), [...forCosign, ...others]).options.map(({ long }) => long);
    const hidden = names.flatMap((name) => defined(name).options.filter((each) => each.hidden));
    expect([...new Set(hidden.map(({ long }) => long))].sort()).toEqual([...known].sort());
  });
});

describe("documentation", () => {
  const root = new URL("../../", import.meta.url);
  const pages = [
    "README.md",
    "docs/sign.md",
    "docs/verify.md",
    "docs/air-gap.md",
    "docs/external-signing.md",
    "docs/keys.md",
    "docs/registries.md",
    "docs/reports.md",
  ];

  it.each(pages)("%s shows only commands and flags that there are", (page) => {
    const text = readFileSync(fileURLToPath(new URL(page, root)), "utf8").replace(/\\\n\s*/g, "");
    for (const [, line = ""] of text.matchAll(/^countersign (.+?)(?: [|>] .*)?$/gm)) {
      const [word = "", ...args] = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(
        ([, quoted, plain]) => quoted ?? plain ?? "",
      );
      const name = aliases[word] ?? word;
      expect(names, line).toContain(name);
      expect(() => parse(name as keyof typeof verbs, args), line).not.toThrow();
    }
  });
});

describe("a command line that asks for nothing", () => {
  it("alone prints the help and ends in 2", async () => {
    const { exit, stdout } = await machine.run([]);
    expect(exit).toBe(2);
    expect(stdout).toContain("Usage: countersign");
  });

  it.each(["--version", "-V"])("%s prints the version of package.json", async (flag) => {
    const file = fileURLToPath(new URL("../../package.json", import.meta.url));
    const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
    expect(VERSION).toBe(version);
    const { exit, stdout, stderr } = await machine.run([flag]);
    expect([exit, stdout, stderr]).toEqual([0, `countersign ${version}\n`, ""]);
  });
});

describe("a command line that is none", () => {
  it("names what was meant, on one line, with the help that explains it", async () => {
    const command = await machine.run(["verfy", "registry.test/app:1"]);
    expect(command.exit).toBe(2);
    expect(command.stderr).toBe(
      "countersign: E_USAGE: unknown command 'verfy' (Did you mean verify?)\n  mend: see countersign --help\n",
    );
    const flag = await machine.run(["sign", "--certifcate", "x"]);
    expect(flag.exit).toBe(2);
    expect(flag.stderr).toContain("(Did you mean --certificate?)\n  mend: see countersign sign --help\n");
  });

  it.each([["--output", "json"], ["--output=json"], ["-o", "json"], ["-ojson"]])(
    "is one document with %s %s",
    async (...flags) => {
      const { exit, stdout } = await machine.run(["verify", ...flags.filter(Boolean), "--lost"]);
      expect(exit).toBe(2);
      expect(parseReport(stdout)).toMatchObject({
        schemaVersion: 1,
        operation: "verify",
        error: { code: "E_USAGE", retry: false, place: null },
      });
    },
  );
});
