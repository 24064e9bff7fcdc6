import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { markdownSummary } from "../../src/reports/markdown.ts";
import { markdownCode, markdownText } from "../../src/reports/markdown-encoder.ts";
import { viewOf } from "../../src/reports/rows.ts";
import { oneLine } from "../../src/reports/terminal.ts";
import type { ReportView, Row } from "../../src/reports/view.ts";
import { oneSpace, readMarkdown } from "./support/read-markdown.ts";
import { digest, hostileText, reportsWith } from "./support/reports.ts";

const MiB = 1024 * 1024;

describe("text from outside, in Markdown", () => {
  it("renders as itself: in a paragraph, a cell, a list, a quote, a folded summary", () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const shown = oneSpace(oneLine(text));
        const encoded = markdownText(text);
        const places = [
          [`x ${encoded} y`, ["p"]],
          [`| a |\n|---|\n| x ${encoded} y |\n`, ["table", "thead", "tr", "th", "tbody", "tr", "td"]],
          [`- x ${encoded} y`, ["ul", "li"]],
          [`> x ${encoded} y`, ["blockquote", "p"]],
          [`<details><summary>x ${encoded} y</summary>\n\nz\n</details>`, ["details", "summary", "p"]],
          [`x ${markdownCode(text)} y`, ["p", "code"]],
        ] as const;
        for (const [markdown, elements] of places) {
          const page = readMarkdown(markdown);
          expect(page.elements).toEqual(elements);
          expect(page.text).toContain(oneSpace(`x ${shown} y`));
        }
      }),
    );
  });

  it("leaves nothing for those who read the rendered page: no mention, issue, address, emoji, formula", () => {
    const acted = /[@#:$!~%&^*][A-Za-z0-9_/]|www\.\S|[A-Za-z]-[0-9]/i;
    fc.assert(
      fc.property(hostileText, (text) => {
        for (const stretch of readMarkdown(`x ${markdownText(text)} y`).texts) expect(stretch).not.toMatch(acted);
      }),
    );
  });

  it("is left legible where it is plain", () => {
    expect(markdownText("registry.example.com/team/app, one (of 2)")).toBe("registry.example.com/team/app, one (of 2)");
    expect(markdownText("release@example.com")).toBe("release&#64;<wbr>example.com");
  });
});

describe("the Markdown summary of a report", () => {
  const plain = reportsWith("plain").map((report) => readMarkdown(markdownSummary(viewOf(report), MiB)));

  it("has the same elements whatever others wrote, and shows what they wrote", () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const shown = oneSpace(oneLine(text));
        for (const [index, report] of reportsWith(text).entries()) {
          const page = readMarkdown(markdownSummary(viewOf(report), MiB));
          expect(page.elements).toEqual(plain[index]?.elements);
          expect(page.text).toContain(shown);
        }
      }),
      { numRuns: 15 },
    );
  });

  it("is a table with a row an image, refused ones first, and what went wrong folded", () => {
    const [verify] = reportsWith("registry.example.com/app");
    if (verify === undefined) throw new Error("no report");
    expect(readMarkdown(markdownSummary(viewOf(verify), MiB)).text.split(/(?=[❌❔✅>])/u)).toMatchInlineSnapshot(`
      [
        "❌ countersign verify: 4 images: 1 ok, 2 refused, 1 undetermined Image Outcome Digest Signatures ",
        "❌ registry.example.com/app untrusted sha256:abababababababababababababababababababababababababababababababab refused: cosign in tag registry.example.com/app, ecdsa-p256-sha256, by registry.example.com/app · registry.example.com/app, vouched for by registry.example.com/app ",
        "❌ registry.example.com/app unsigned sha256:abababababababababababababababababababababababababababababababab ",
        "❔ registry.example.com/app undetermined ",
        "✅ registry.example.com/app trusted sha256:abababababababababababababababababababababababababababababababab trusted: cosign in tag registry.example.com/app, ecdsa-p256-sha256, by registry.example.com/app · registry.example.com/app, vouched for by registry.example.com/apprefused: cosign in tag registry.example.com/app, ecdsa-p256-sha256, by registry.example.com/app · registry.example.com/app, vouched for by registry.example.com/app ⚠️ registry.example.com/app ",
        "❌ registry.example.com/app: untrusted E_IDENTITY_MISMATCH cosign in tag registry.example.com/app: registry.example.com/app ",
        "❔ registry.example.com/app: undetermined E_NETWORK registry.example.com/app: registry.example.com/appmend: registry.example.com/app ",
        "✅ registry.example.com/app: trusted E_NETWORK registry.example.com/app: registry.example.com/appmend: registry.example.com/app",
      ]
    `);
    expect(markdownSummary(viewOf(verify), MiB)).toMatchInlineSnapshot(`
      "### ❌ countersign verify: 4 images: 1 ok, 2 refused, 1 undetermined

      | | Image | Outcome | Digest | Signatures |
      |---|---|---|---|---|
      | ❌ | <code>registry.example.com/app</code> | untrusted | <code>sha256&#58;<wbr>abababababababababababababababababababababababababababababababab</code> | refused: cosign in tag registry.example.com/app, ecdsa-p256-sha256, by registry.example.com/app · registry.example.com/app, vouched for by registry.example.com/app |
      | ❌ | <code>registry.example.com/app</code> | unsigned | <code>sha256&#58;<wbr>abababababababababababababababababababababababababababababababab</code> |  |
      | ❔ | <code>registry.example.com/app</code> | undetermined |  |  |
      | ✅ | <code>registry.example.com/app</code> | trusted | <code>sha256&#58;<wbr>abababababababababababababababababababababababababababababababab</code> | trusted: cosign in tag registry.example.com/app, ecdsa-p256-sha256, by registry.example.com/app · registry.example.com/app, vouched for by registry.example.com/app<br>refused: cosign in tag registry.example.com/app, ecdsa-p256-sha256, by registry.example.com/app · registry.example.com/app, vouched for by registry.example.com/app |

      > ⚠️ registry.example.com/app
      >

      <details><summary>❌ <code>registry.example.com/app</code>: untrusted</summary>

      - <code>E&#95;IDENTITY&#95;MISMATCH</code> cosign in tag registry.example.com/app: registry.example.com/app

      </details>

      <details><summary>❔ <code>registry.example.com/app</code>: undetermined</summary>

      - <code>E&#95;NETWORK</code> registry.example.com/app: registry.example.com/app<br>mend: registry.example.com/app

      </details>

      <details><summary>✅ <code>registry.example.com/app</code>: trusted</summary>

      - <code>E&#95;NETWORK</code> registry.example.com/app: registry.example.com/app<br>mend: registry.example.com/app

      </details>
      "
    `);
  });

  it("says first that a list verifies nothing", () => {
    const list = reportsWith("x").find(({ operation }) => operation === "list");
    if (list === undefined) throw new Error("no report");
    expect(markdownSummary(viewOf(list), MiB)).toContain("nothing here has been verified");
  });
});

describe("a summary of more images than fit", () => {
  const row = (index: number): Row => ({
    name: `registry.example.com/app:${index}`,
    reference: null,
    digest,
    outcome: index === 4999 ? "refused" : "ok",
    state: index === 4999 ? "untrusted" : "trusted",
    signatures: ["cosign"],
    reasons:
      index % 2 === 0
        ? []
        : [{ code: "E_NETWORK", message: "no answer", hint: null, place: "tag x", ofSignature: false }],
  });
  const many: ReportView = {
    operation: "verify",
    verdict: "untrusted",
    noun: "image",
    rows: Array.from({ length: 5000 }, (_, index) => row(index)),
    warnings: Array.from({ length: 5000 }, (_, index) => `warning ${index}`),
  };

  it.each([4096, 65_536])("keeps under %i bytes, shows the refused one, and says what is left out", (limit) => {
    const page = markdownSummary(many, limit);
    expect(Buffer.byteLength(page)).toBeLessThanOrEqual(limit);
    expect(Buffer.byteLength(page)).toBeGreaterThan(limit / 2);
    const { text, elements } = readMarkdown(page);
    expect(text.slice(0, 200)).toContain("5000 images: 4999 ok, 1 refused");
    expect(text.indexOf("❌ registry.example.com/app:4999")).toBeGreaterThan(0);
    const leftOut = text.match(
      /(?:reasons of )?\d+ (?:image|warning)s left out: this page is full; the JSON report has all/g,
    );
    const rows = elements.filter((name) => name === "tr").length - 1;
    expect(leftOut).toEqual([
      expect.stringMatching(`^${5000 - rows} images`),
      expect.stringMatching(/^[0-9]+ warnings/),
      expect.stringMatching(/^reasons of [0-9]+ images/),
    ]);
  });

  it("leaves nothing out where all fits", () => {
    expect(markdownSummary(many, 100 * MiB).includes("left out")).toBe(false);
  });
});
