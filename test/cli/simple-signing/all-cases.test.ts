import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const tables = [
  "message-cases.test.ts",
  "storage-cases.test.ts",
  "policy-cases.test.ts",
  "sigstore-cases.test.ts",
  "../../interop/containers-identity.test.ts",
];

/** The numbers of a case, as rows (`number: 7`, `number: "28, 29"`) and titles (`"42, 43: what …"`, `"43 a page"`) have them. */
const numbered = /number: "?(\d+(?:, \d+)*)\b|["'`]\(?(\d{1,2}(?:, \d{1,2})*)[:)]? [a-z]/g;

it("each of the 60 edge cases of simple signing has a row in one of the tables", () => {
  const sources = tables.map((name) => readFileSync(fileURLToPath(new URL(name, import.meta.url)), "utf8"));
  const found = sources
    .flatMap((source) => [...source.matchAll(numbered)])
    .flatMap(([, row, title]) => (row ?? title ?? "").split(", ").map(Number));
  const missing = Array.from({ length: 60 }, (_, at) => at + 1).filter((number) => !found.includes(number));
  expect(missing).toEqual([]);
});
