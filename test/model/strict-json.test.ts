import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCountersignError } from "../../src/model/errors.ts";
import { parseStrictJson } from "../../src/model/strict-json.ts";

const utf8 = new TextEncoder();

function parse(text: string, maxDepth?: number): unknown {
  return parseStrictJson(utf8.encode(text), maxDepth === undefined ? {} : { maxDepth });
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isCountersignError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "accepted";
}

describe("a JSON document from elsewhere", () => {
  it("gives what JSON.parse gives", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, "\t"), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it("refuses whatever JSON.parse refuses, and throws nothing uncoded", () => {
    const fragment = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      "\\",
      "a",
      "1",
      "-",
      "null",
      "\\u0061",
      " ",
      "\n",
    );
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 14 }), (fragments) => {
        const text = fragments.join("");
        const outcome = refusal(() => parse(text));
        try {
          JSON.parse(text);
        } catch {
          expect(outcome).toMatch(/^E_PAYLOAD_MALFORMED: /);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("never throws anything uncoded on arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        refusal(() => parseStrictJson(bytes));
      }),
    );
  });

  it.each([
    ["side by side", '{"a":1,"a":2}'],
    ["the same value twice", '{"a":1,"a":1}'],
    ["one of them escaped", '{"a":1,"\\u0061":2}'],
    ["far apart, around nested values", '{"a":{"b":[{"a":1}]},"c":[1,2],"a":{}}'],
    ["in a nested object", '{"x":[{"y":{"k":1,"k":2}}]}'],
    ["behind an array", '{"a":[],"b":[1],"b":2}'],
    ["__proto__ twice", '{"__proto__":1,"__proto__":2}'],
    ["the empty name", '{"":1,"":2}'],
    ["a name that ends in a backslash", '{"a\\\\":1,"a\\\\":2}'],
  ])("refuses a member name that occurs twice: %s", (_, text) => {
    expect(refusal(() => parse(text))).toMatch(/occurs twice/);
  });

  it("refuses any object once one of its members is repeated", () => {
    const name = fc.string({ maxLength: 5, unit: "grapheme" });
    fc.assert(
      fc.property(
        fc.dictionary(name, fc.jsonValue(), { minKeys: 1, noNullPrototype: true }),
        fc.nat(),
        (object, pick) => {
          const members = Object.entries(object).map(
            ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`,
          );
          expect(parse(`{${members.join(",")}}`)).toEqual(JSON.parse(`{${members.join(",")}}`));
          const repeated = members[pick % members.length];
          expect(refusal(() => parse(`{${[...members, repeated].join(",")}}`))).toMatch(/occurs twice/);
        },
      ),
    );
  });

  it("keeps equal names in different objects, and names equal to values", () => {
    expect(parse('[{"a":"a"},{"a":{"a":"a"}},"a","a"]')).toEqual([{ a: "a" }, { a: { a: "a" } }, "a", "a"]);
  });

  it("keeps __proto__ as a plain member", () => {
    const value = parse('{"__proto__":{"polluted":true}}');
    expect(Object.keys(value as object)).toEqual(["__proto__"]);
    expect((value as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("holds to the depth it is given", () => {
    expect(parse("[[[]]]", 3)).toEqual([[[]]]);
    expect(refusal(() => parse("[[[]]]", 2))).toMatch(/nested deeper than 2/);
    expect(refusal(() => parse('{"a":{"b":{}}}', 2))).toMatch(/nested deeper than 2/);
    expect(refusal(() => parse(`${"[".repeat(500_000)}${"]".repeat(500_000)}`))).toMatch(/nested deeper than 64/);
  });

  it("refuses bytes that are not UTF-8, a byte order mark, and half a surrogate pair", () => {
    expect(refusal(() => parseStrictJson(Uint8Array.of(0x22, 0xff, 0x22)))).toMatch(/not UTF-8/);
    expect(refusal(() => parseStrictJson(Uint8Array.of(0x22, 0xc0, 0xaf, 0x22)))).toMatch(/not UTF-8/);
    expect(refusal(() => parse("\uFEFF{}"))).toMatch(/byte order mark/);
    expect(refusal(() => parse('"\\ud800"'))).toMatch(/surrogate/);
    expect(parse('"\\ud83d\\ude00"')).toBe("😀");
  });

  it("names the document and the code it was told", () => {
    const work = () => parseStrictJson(utf8.encode("{"), { code: "E_MANIFEST_INVALID", what: "the manifest" });
    expect(refusal(work)).toMatch(/^E_MANIFEST_INVALID: the manifest is not JSON/);
  });
});
