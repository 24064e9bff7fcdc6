import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fillPlaceholders, splitCommand } from "../../src/signers/command-line.ts";

const word = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"));
/** The three ways to write one word. */
const single = (text: string) =>
  text
    .split("'")
    .map((part) => `'${part}'`)
    .join(`"'"`);
const double = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;
const bare = (text: string) => (/^[^ \t\r\n'"]+$/.test(text) ? text : single(text));
const written = fc
  .tuple(word, fc.constantFrom(single, double, bare))
  .map(([text, write]) => [text, write(text)] as const);
const blank = fc.stringMatching(/^[ \t\r\n]{1,3}$/);

describe("a command behind exec:", () => {
  it("gives back every word that was quoted, whatever is in it", () => {
    fc.assert(
      fc.property(fc.array(written, { minLength: 1 }), blank, (words, gap) => {
        fc.pre(words[0]?.[0] !== "");
        expect(splitCommand(words.map(([, text]) => text).join(gap))).toEqual(words.map(([text]) => text));
      }),
    );
  });

  it.each([
    ["a  b\tc\nd", ["a", "b", "c", "d"]],
    [`a'b c'"d e"f`, ["ab cd ef"]],
    [`a "" ''`, ["a", "", ""]],
    [String.raw`a "\"\\\n" '\"' \x`, ["a", String.raw`"\\n`, String.raw`\"`, String.raw`\x`]],
    [
      `a $HOME ~ * \`b\` $(c) | d > e; f & #g`,
      ["a", "$HOME", "~", "*", "`b`", "$(c)", "|", "d", ">", "e;", "f", "&", "#g"],
    ],
  ])("splits %j as it says, and expands nothing", (command, words) => {
    expect(splitCommand(command)).toEqual(words);
  });

  it.each([
    ["", "names no program"],
    ["  ", "names no program"],
    [`"" a`, "names no program"],
    ["a 'b", "without its end"],
    [`a "b\\"`, "without its end"],
    ["a\0b", "NUL"],
  ])("refuses %j", (command, why) => {
    expect(() => splitCommand(command)).toThrow(
      expect.objectContaining({ code: "E_USAGE", message: expect.stringContaining(why) }),
    );
  });

  it("does not show what it refuses", () => {
    expect(() => splitCommand("a --pin 'geheim")).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("geheim") }),
    );
  });

  it("fills its placeholders, makes no new words of them, and leaves other braces", () => {
    const values = { hash: "sha256", algorithm: "{hash} x" };
    expect(fillPlaceholders(["p", "-{hash}-{hash}", "{algorithm}", "{HASH}", "{}", "{constructor}"], values)).toEqual([
      "p",
      "-sha256-sha256",
      "{hash} x",
      "{HASH}",
      "{}",
      "{constructor}",
    ]);
  });
});
