import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dotenvText } from "../../src/reports/dotenv.ts";
import { dotenvLine } from "../../src/reports/dotenv-encoder.ts";
import { viewOf } from "../../src/reports/rows.ts";
import type { ReportView } from "../../src/reports/view.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { digest, hostileText, reportsWith } from "./support/reports.ts";

const grammar = /^(?:COUNTERSIGN_[A-Z]+=[A-Za-z0-9._:/@+,-]+\n)+$/;

function viewNamed(reference: string): ReportView {
  const [verify] = reportsWith(reference);
  if (verify === undefined) throw new Error("no report");
  return viewOf(verify);
}

describe("a value from outside, in a dotenv file", () => {
  it("is one line as it is, or none at all", () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const line = dotenvLine("COUNTERSIGN_X", text);
        return line === undefined || (line === `COUNTERSIGN_X=${text}\n` && grammar.test(line));
      }),
    );
  });

  it("is left out when it is longer than any reference", () => {
    expect(dotenvLine("COUNTERSIGN_X", "a".repeat(1025))).toBeUndefined();
  });

  it("stands behind no name that a shell would not take", () => {
    expect(() => dotenvLine("A B", "x")).toThrow(RangeError);
  });
});

describe("the dotenv report", () => {
  it("holds no line but names and plain values, within GitLab's limits, whatever others wrote", () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        for (const report of reportsWith(text)) {
          const file = dotenvText(viewOf(report), 1);
          const names = file.split("\n").map((line) => line.split("=")[0]);
          if (!grammar.test(file) || file.length > 5 * 1024 || names.length > 20) return false;
          if (new Set(names).size !== names.length) return false;
        }
        return true;
      }),
    );
  });

  it("tells verdict, counts, and the first image by its digest alone", () => {
    expect(dotenvText(viewNamed("registry.example.com/app:1.2"), 1)).toBe(
      [
        "COUNTERSIGN_OPERATION=verify",
        "COUNTERSIGN_EXIT=1",
        "COUNTERSIGN_VERDICT=untrusted",
        `COUNTERSIGN_DIGEST=${digest}`,
        `COUNTERSIGN_REFERENCE=registry.example.com/app@${digest}`,
        "COUNTERSIGN_IMAGES=4",
        "COUNTERSIGN_OK=1",
        "COUNTERSIGN_REFUSED=2",
        "COUNTERSIGN_UNDETERMINED=1",
        "COUNTERSIGN_SKIPPED=0",
        "",
      ].join("\n"),
    );
  });

  it("names a promoted image at its destination", () => {
    const promote = reportsWith("staging.example.com/app").find(({ operation }) => operation === "promote");
    if (promote?.operation !== "promote") throw new Error("no report");
    const images = promote.images.map((image) => ({ ...image, destination: "prod.example.com/app:1" }));
    expect(dotenvText(viewOf({ ...promote, images }), 1)).toContain(
      `COUNTERSIGN_VERDICT=refused\nCOUNTERSIGN_DIGEST=${digest}\nCOUNTERSIGN_REFERENCE=prod.example.com/app@${digest}\n`,
    );
  });

  it("runs nothing in a shell that sources it, and sets just its own", () => {
    const folder = temporaryFolder();
    const names = [
      "oci:/tmp/$(touch broken)",
      "oci:`touch broken`",
      "oci:a;touch broken",
      "oci:a\ntouch broken",
      "oci:~",
    ];
    mkdirSync(join(folder, "run"));
    for (const name of [...names, "registry.example.com/app"]) {
      writeFileSync(join(folder, "report.env"), dotenvText(viewNamed(name), 1));
      const script = 'COUNTERSIGN_REFERENCE=none; . ../report.env; echo "$COUNTERSIGN_VERDICT $COUNTERSIGN_REFERENCE"';
      const said = execFileSync("sh", ["-euc", script], { cwd: join(folder, "run"), encoding: "utf8" });
      expect(said).toBe(`untrusted ${names.includes(name) ? "none" : `registry.example.com/app@${digest}`}\n`);
    }
    expect(readdirSync(join(folder, "run"))).toEqual([]);
  });
});
