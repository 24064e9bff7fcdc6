import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

/** Links of a page that lead to another file, or to a heading of one. */
function linksOf(text: string): readonly string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

function headingsOf(path: string): readonly string[] {
  return [...readFileSync(path, "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-"),
  );
}

describe("documentation", () => {
  it.each(pages)("%s links only to what is there", (page) => {
    const text = readFileSync(join(root, page), "utf8");
    const dead = linksOf(text).filter((link) => {
      const [path = "", heading] = link.split("#");
      const target = path === "" ? join(root, page) : resolve(dirname(join(root, page)), path);
      if (!existsSync(target)) return true;
      return heading !== undefined && target.endsWith(".md") && !headingsOf(target).includes(heading);
    });
    expect(dead).toEqual([]);
  });
});
