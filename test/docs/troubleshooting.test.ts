import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ERROR_CODES, type ErrorCode } from "../../src/model/error-codes.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const codes = Object.keys(ERROR_CODES) as ErrorCode[];
const page = readFileSync(join(root, "docs", "troubleshooting.md"), "utf8");
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")).trim(), section.slice(section.indexOf("\n"))]),
);

const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.endsWith("error-codes.ts"))
  .map((name) => readFileSync(join(root, "src", name), "utf8"));

describe("docs/troubleshooting.md", () => {
  it("has a section for each code, and for nothing else, in order", () => {
    expect([...sections.keys()]).toEqual([...codes].sort());
  });

  it.each(codes)("says of %s how it ends, what it looks like, and what mends it", (code) => {
    const section = sections.get(code) ?? "";
    const { exit, retry } = ERROR_CODES[code];
    expect(section).toMatch(
      new RegExp(`^Exit ${exit}, .+; trying again ${retry ? "can help" : "does not help"}\\.$`, "m"),
    );
    expect(section).toMatch(/^> `.+`$/m);
    const [, , , ...mend] = section.trim().split("\n");
    expect(mend.join(" ").trim().length).toBeGreaterThan(60);
  });

  it.each(codes)("quotes for %s a message that the program says", (code) => {
    const quote = /^> (`+) ?(.+?) ?\1$/m.exec(sections.get(code) ?? "")?.[2] ?? "";
    const words = [...new Set(quote.match(/[A-Za-z]{4,}/g))];
    const wanted = Math.min(2, words.length);
    const said = sources
      .filter((source) => source.includes(`"${code}"`))
      .map((source) => words.filter((word) => source.includes(word)));
    expect(Math.max(...said.map(({ length }) => length)), quote).toBeGreaterThanOrEqual(wanted);
  });
});

describe("the table of codes", () => {
  it.each(codes)("%s is said somewhere", (code) => {
    expect(sources.some((source) => new RegExp(`\\b${code}\\b`).test(source.replace(/\/\*\*[\s\S]*?\*\//g, "")))).toBe(
      true,
    );
  });
});
