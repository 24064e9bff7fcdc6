import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { junitXml } from "../../src/reports/junit.ts";
import { viewOf } from "../../src/reports/rows.ts";
import { oneLine } from "../../src/reports/terminal.ts";
import { xmlText } from "../../src/reports/xml-encoder.ts";
import { readXml, skeleton, valuesIn } from "./support/read-xml.ts";
import { hostileText, reportsWith } from "./support/reports.ts";

const noCharacter = /[\ufffe\uffff]/g;
const shown = (text: string) => oneLine(text).replace(noCharacter, (one) => `\\u{${one.charCodeAt(0).toString(16)}}`);

describe("text from outside, in XML", () => {
  it("reads back as itself, as text and as a value in quotes of either kind", () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const read = readXml(`<a one="${xmlText(text)}" two='${xmlText(text)}'>${xmlText(text)}</a>`);
        expect(read).toEqual({
          name: "a",
          attributes: { one: shown(text), two: shown(text) },
          text: shown(text),
          children: [],
        });
      }),
    );
  });
});

describe("the JUnit report", () => {
  const plain = reportsWith("plain").map((report) => skeleton(readXml(junitXml(viewOf(report)))));

  it("is well-formed and has the same elements whatever others wrote, and shows what they wrote", () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        for (const [index, report] of reportsWith(text).entries()) {
          const document = readXml(junitXml(viewOf(report)));
          expect(skeleton(document)).toBe(plain[index]);
          expect(valuesIn(document).some((value) => value.includes(shown(text)))).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("is a test case an image: a failure what was refused, an error what could not be told", () => {
    const [verify, sign] = reportsWith("app").map((report) => readXml(junitXml(viewOf(report))));
    expect(verify?.attributes).toEqual({
      name: "countersign verify",
      tests: "4",
      failures: "2",
      errors: "1",
      skipped: "0",
    });
    expect(sign?.attributes).toMatchObject({
      name: "countersign sign",
      tests: "5",
      failures: "1",
      errors: "1",
      skipped: "1",
    });
    const cases = verify?.children[0]?.children.filter(({ name }) => name === "testcase") ?? [];
    expect(cases.map(({ attributes }) => attributes)).toEqual([
      { classname: "countersign.verify", name: "app" },
      { classname: "countersign.verify", name: "app (2)" },
      { classname: "countersign.verify", name: "app (3)" },
      { classname: "countersign.verify", name: "app (4)" },
    ]);
    const results = cases.map(({ children }) => children.find(({ name }) => name !== "system-out"));
    expect(results.map((result) => result && [result.name, result.attributes, result.text])).toEqual([
      undefined,
      [
        "failure",
        { message: "untrusted: app", type: "E_IDENTITY_MISMATCH" },
        "E_IDENTITY_MISMATCH: cosign in tag app: app",
      ],
      ["failure", { message: "unsigned", type: "unsigned" }, ""],
      ["error", { message: "undetermined: app", type: "E_NETWORK" }, "E_NETWORK: app: app\n  mend: app"],
    ]);
  });

  it("counts as many cases, failures and errors as it has", () => {
    for (const report of reportsWith("x")) {
      const { attributes, children } = readXml(junitXml(viewOf(report)));
      const cases = children.flatMap((suite) => suite.children).filter(({ name }) => name === "testcase");
      const count = (kind: string) => cases.filter((one) => one.children.some(({ name }) => name === kind)).length;
      expect(attributes).toMatchObject({
        tests: String(cases.length),
        failures: String(count("failure")),
        errors: String(count("error")),
        skipped: String(count("skipped")),
      });
    }
  });
});
