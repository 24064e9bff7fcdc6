import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { annotationsOf, globMatcher } from "../../src/cli/arguments.ts";
import { formatsOf } from "../../src/cli/format-names.ts";
import { isAttachmentTag, parseImageList } from "../../src/operations/targets.ts";

const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`));

describe("a tag that carries signatures", () => {
  it("is told by its name: the digest, alone or with cosign's endings", () => {
    const tag = fc.oneof(fc.tuple(fc.constant("sha256-"), hex(64)), fc.tuple(fc.constant("sha512-"), hex(128)));
    fc.assert(
      fc.property(tag, fc.constantFrom("", ".sig", ".att", ".sbom"), ([name, digits], ending) => {
        expect(isAttachmentTag(`${name}${digits}${ending}`)).toBe(true);
      }),
    );
  });

  it.each([
    "latest",
    "1.2.sig",
    `sha256-${"0".repeat(63)}.sig`,
    `sha256-${"0".repeat(64)}.tar`,
    `sha256-${"A".repeat(64)}.sig`,
    `v-sha256-${"0".repeat(64)}`,
    `sha256-${"0".repeat(64)}.sig.sig`,
  ])("is not %s", (tag) => expect(isAttachmentTag(tag)).toBe(false));
});

describe("a list of images", () => {
  it("is a reference a line; blanks and comments are passed over, and white space around", () => {
    expect(parseImageList("# all\r\n\r\n a:1\t\r\nb:2\n\n#c:3\n  # d\ne:5")).toEqual(["a:1", "b:2", "e:5"]);
    expect(parseImageList("")).toEqual([]);
  });

  it("keeps every line that is none of these as it stands", () => {
    const line = fc.stringMatching(/^[a-z0-9./:@-]{1,40}$/);
    fc.assert(
      fc.property(fc.array(line), fc.constantFrom("\n", "\r\n"), (lines, end) => {
        expect(parseImageList(lines.join(end))).toEqual(lines);
      }),
    );
  });
});

describe("a pattern of tags", () => {
  it.each([
    ["v*", "v1.2", true],
    ["v*", "xv1", false],
    ["*", "", true],
    ["v1.?", "v1.2", true],
    ["v1.?", "v1.22", false],
    ["v1.2", "v1x2", false],
    ["a+b", "aab", false],
    ["[ab]", "a", false],
    ["(a|b)", "a", false],
    ["^a$", "a", false],
    ["**.*", "1.2", true],
  ])("%s and %s: %s", (pattern, tag, expected) => {
    expect(globMatcher([pattern])(tag)).toBe(expected);
  });

  it("without wildcards matches itself alone", () => {
    const tag = fc.stringMatching(/^[A-Za-z0-9_.+^$|()[\]{}\\-]{1,30}$/);
    fc.assert(
      fc.property(tag, tag, (one, other) => {
        expect(globMatcher([one])(one)).toBe(true);
        expect(globMatcher([one])(other)).toBe(one === other);
      }),
    );
  });

  it("matches whatever its stars stand for", () => {
    const text = fc.stringMatching(/^[ab.]{0,8}$/);
    fc.assert(
      fc.property(
        fc.array(text, { minLength: 2, maxLength: 5 }),
        fc.array(text, { minLength: 5, maxLength: 5 }),
        (parts, fill) => {
          const tag = parts.map((part, at) => (at === 0 ? part : `${fill[at]}${part}`)).join("");
          expect(globMatcher([parts.join("*")])(tag)).toBe(true);
        },
      ),
    );
  });

  it("matches as a regular expression would", () => {
    const pattern = fc.stringMatching(/^[ab*?]{0,6}$/);
    fc.assert(
      fc.property(pattern, fc.stringMatching(/^[ab]{0,8}$/), (glob, tag) => {
        const expression = new RegExp(`^${glob.replaceAll("*", ".*").replaceAll("?", ".")}$`);
        expect(globMatcher([glob])(tag)).toBe(expression.test(tag));
      }),
    );
  });

  it("of many matches when one of them does", () => {
    const matches = globMatcher(["v1.*", "latest"]);
    expect(["v1.0", "latest", "v2.0"].map(matches)).toEqual([true, true, false]);
  });

  it("with many wildcards answers at once", () => {
    expect(globMatcher([`${"*a".repeat(20)}b`])("a".repeat(128))).toBe(false);
  });
});

describe("values of flags", () => {
  it("annotations split at the first equals sign, and no name is special", () => {
    expect(annotationsOf(["a=b=c", "d=", "a=b=c"])).toEqual({ a: "b=c", d: "" });
    const special = annotationsOf(["__proto__=x", "constructor=y"]);
    expect(Object.keys(special).sort()).toEqual(["__proto__", "constructor"]);
  });

  it("formats come by comma, each once, in order", () => {
    expect(formatsOf("bundle, cosign,bundle").map(({ name }) => name)).toEqual(["bundle", "cosign"]);
  });
});
