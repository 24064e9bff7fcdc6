import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { annotations } from "../../src/reports/annotations.ts";
import { carryText } from "../../src/reports/carry-text.ts";
import { jsonText } from "../../src/reports/json.ts";
import { listText } from "../../src/reports/list-text.ts";
import { payloadText } from "../../src/reports/payload-text.ts";
import { pkiCheckText, pkiText } from "../../src/reports/pki-text.ts";
import { policyLintText } from "../../src/reports/policy-text.ts";
import { promoteText } from "../../src/reports/promote-text.ts";
import type { Report } from "../../src/reports/report.ts";
import { viewOf } from "../../src/reports/rows.ts";
import { signText } from "../../src/reports/sign-text.ts";
import { oneLine } from "../../src/reports/terminal.ts";
import { verifyText } from "../../src/reports/verify-text.ts";
import type { ReportView, Row } from "../../src/reports/view.ts";
import { workflowCommand } from "../../src/reports/workflow-command.ts";
import { hasAgentCommand, runnerCommands } from "./support/read-workflow-commands.ts";
import { hostileText, reportsWith } from "./support/reports.ts";

describe("text from outside, in a workflow command", () => {
  it("is title and message of that command to GitHub's runner, and nothing more", () => {
    fc.assert(
      fc.property(hostileText, hostileText, (title, text) => {
        const commands = runnerCommands(workflowCommand("error", { title, lines: [text, "end"] }));
        expect(commands).toEqual([
          {
            name: "error",
            properties: title === "" ? { title: "" } : { title: oneLine(title, 200) },
            message: `${oneLine(text, 1000)}\nend`,
          },
        ]);
      }),
    );
  });
});

describe("the annotations of a report", () => {
  const plain = reportsWith("plain").map((report) => runnerCommands(annotations(viewOf(report), 10)));

  it("are the same commands whatever others wrote", () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        for (const [index, report] of reportsWith(text).entries()) {
          const log = annotations(viewOf(report), 10);
          expect(runnerCommands(log).map((command) => command?.name)).toEqual(
            plain[index]?.map((command) => command?.name),
          );
          expect(hasAgentCommand(log)).toBe(false);
        }
      }),
    );
  });

  const row = (name: string, given: Partial<Row>): Row => ({
    name,
    reference: name,
    digest: null,
    outcome: "refused",
    state: "untrusted",
    signatures: [],
    reasons: [],
    ...given,
  });
  const reason = (code: string) => ({ code, message: "why", hint: "mend it", place: null, ofSignature: false });
  const view = (rows: readonly Row[], warnings: readonly string[] = []): ReportView => {
    return { operation: "verify", verdict: "untrusted", noun: "image", rows, warnings };
  };
  const messages = (given: ReportView, limit: number) =>
    runnerCommands(annotations(given, limit)).map((command) => [
      command?.name,
      command?.properties["title"],
      command?.message,
    ]);

  it("are one for each reason that images share, refusals first, with the mend", () => {
    const rows = [
      row("app:1", { outcome: "undetermined", reasons: [reason("E_NETWORK")] }),
      row("app:2", { reasons: [reason("E_KEY_WEAK"), reason("E_NETWORK")] }),
      row("app:3", { reasons: [reason("E_KEY_WEAK")] }),
      row("app:4", { state: "unsigned" }),
      row("app:5", { outcome: "ok", reasons: [reason("E_TIMEOUT"), { ...reason("E_KEY_WEAK"), ofSignature: true }] }),
      row("app:6", { outcome: "skipped" }),
    ];
    expect(messages(view(rows, ["no identity is asked for"]), 10)).toEqual([
      ["error", "countersign verify: refused", "E_KEY_WEAK: why\napp:2\napp:3\nmend: mend it"],
      ["error", "countersign verify: refused", "unsigned\napp:4"],
      ["error", "countersign verify: could not tell", "E_NETWORK: why\napp:1\nmend: mend it"],
      ["warning", "countersign verify: E_TIMEOUT", "E_TIMEOUT: why\napp:5\nmend: mend it"],
      ["warning", "countersign verify", "no identity is asked for"],
    ]);
  });

  it("name twenty images and say how many more there are", () => {
    const rows = Array.from({ length: 25 }, (_, index) => row(`app:${index}`, { state: "unsigned" }));
    expect(messages(view(rows), 10)).toEqual([
      [
        "error",
        "countersign verify: refused",
        expect.stringMatching(/^unsigned\napp:0\n[\s\S]*app:19\nand 5 more images$/),
      ],
    ]);
  });

  it("are at most as many of a kind as are shown, the last saying how many more there are", () => {
    const rows = Array.from({ length: 25 }, (_, index) => row("app", { reasons: [reason(`E_${index}`)] }));
    const warnings = Array.from({ length: 12 }, (_, index) => `warning ${index}`);
    const all = messages(view(rows, warnings), 10);
    expect(all.map(([level]) => level)).toEqual([...Array(10).fill("error"), ...Array(10).fill("warning")]);
    expect(all[9]?.[2]).toBe("16 more reasons: see the summary or the report");
    expect(all[19]?.[2]).toBe("3 more warnings: see the summary or the report");
  });
});

describe("what is printed into the log of a CI job", () => {
  function textOf(report: Report): string {
    switch (report.operation) {
      case "verify":
        return verifyText(report);
      case "sign":
      case "attach":
        return signText(report);
      case "list":
        return listText(report);
      case "payload":
        return payloadText(report);
      case "pki check":
        return pkiCheckText(report);
      case "policy lint":
        return policyLintText(report);
      case "promote":
        return promoteText(report);
      case "save":
      case "load":
        return carryText(report);
      default:
        return pkiText(report);
    }
  }
  /** Nobody can name an image so: references do not start with colons. */
  const caller = /^\s*::/;

  it("holds no command for GitHub's runner or Azure's agent, as text or as JSON", () => {
    fc.assert(
      fc.property(
        hostileText.filter((text) => !caller.test(text)),
        (text) => {
          for (const report of reportsWith(text)) {
            for (const log of [textOf(report), jsonText(report)]) {
              expect(runnerCommands(log).filter((command) => command !== undefined)).toEqual([]);
              expect(hasAgentCommand(log)).toBe(false);
            }
          }
        },
      ),
    );
  });

  it("shows the mark that would have made one", () => {
    expect(oneLine("a ##[add-mask]b ##vso[x]")).toBe("a \\u{23}#[add-mask]b \\u{23}#vso[x]");
    expect(JSON.parse(jsonText({ text: "##[group]" }))).toEqual({ text: "##[group]" });
  });
});
