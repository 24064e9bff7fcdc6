import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { COMMANDS, INPUTS, type InputRule, UNSET } from "../../src/action/input-table.ts";
import { action } from "./support/step.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs", "github.md"), "utf8");
const rules: Readonly<Record<string, InputRule>> = INPUTS;

/** Table rows of a section of the page, as cells. */
function rowsOf(heading: string): readonly (readonly string[])[] {
  const section = page.split(`\n## ${heading}\n`)[1]?.split(/\n## /)[0] ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.replaceAll("\\|", "\u0000").split("|").slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim().replaceAll("\u0000", "|")));
}

describe("action.yml", () => {
  it("declares the inputs that the program reads, in the same order, and no other", () => {
    expect(Object.keys(action.inputs)).toEqual(["command", ...Object.keys(INPUTS)]);
  });

  it("tells an input that is left out from one that is empty", () => {
    const { command, "github-token": token, ...others } = action.inputs;
    expect(command).toMatchObject({ required: true });
    expect(token?.default).toBe(`\${{ github.token }}`);
    expect(others).not.toHaveProperty("command");
    for (const [name, input] of Object.entries(others)) {
      const value = { summary: "true", "allow-untrusted-events": "false" }[name] ?? UNSET;
      expect(input.default, name).toBe(value);
    }
  });

  it("runs what is shipped, on Node.js 24", () => {
    expect(action.runs.using).toBe("node24");
    for (const file of [action.runs.main, action.runs.post]) expect(existsSync(join(root, file)), file).toBe(true);
  });

  it("says in one sentence what each input and output is", () => {
    for (const { description } of [...Object.values(action.inputs), ...Object.values(action.outputs)]) {
      expect(description).toMatch(/^[A-Za-z0-9].{10,160}[^.]$/);
    }
  });
});

describe("docs/github.md", () => {
  it("has every input in its table, with the commands that take it", () => {
    expect(rowsOf("Inputs")).toEqual(
      Object.entries(action.inputs).map(([name, { description }]) => [
        `\`${name}\``,
        name === "command" || rules[name]?.commands.length === COMMANDS.length
          ? "all"
          : (rules[name]?.commands.join(", ") ?? ""),
        description,
      ]),
    );
  });

  it("has every output in its table", () => {
    expect(rowsOf("Outputs")).toEqual(
      Object.entries(action.outputs).map(([name, { description }]) => [`\`${name}\``, description]),
    );
  });
});
