import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCountersignError } from "../../src/model/errors.ts";
import { encodePem, parsePem } from "../../src/trust/pem.ts";

const bytes = Uint8Array.from({ length: 100 }, (_, index) => index);
const pem = encodePem("CERTIFICATE", bytes);
const refusal = (text: string, limit?: number): string => {
  try {
    parsePem(text, limit);
  } catch (error) {
    if (isCountersignError(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  return "accepted";
};

describe("PEM as programs write it", () => {
  it("keeps label and bytes", () => {
    expect(parsePem(pem)).toEqual([{ label: "CERTIFICATE", headers: [], der: bytes }]);
  });

  it("keeps the order of several blocks", () => {
    const labels = parsePem(encodePem("A", bytes) + encodePem("B C", bytes) + encodePem("A", bytes)).map(
      ({ label }) => label,
    );
    expect(labels).toEqual(["A", "B C", "A"]);
  });

  it.each([
    ["carriage returns", pem.replaceAll("\n", "\r\n")],
    ["old Macintosh line ends", pem.replaceAll("\n", "\r")],
    ["text around the blocks", `Subject: CN=x\n-----\n\n${pem}\nand more -----BEGIN\n`],
    ["indented lines and blanks at line ends", pem.replace(/^/gm, "  ").replaceAll("\n", " \n")],
    ["no line break at the end", pem.trimEnd()],
    ["one long line", pem.replace(/\n(?!-)/g, "").replace("-----BEGIN CERTIFICATE-----", "$&\n")],
    ["a byte order mark before other text", `\ufefftext\n${pem}`],
  ])("reads through %s", (_, text) => {
    expect(parsePem(text).map(({ der }) => der)).toEqual([bytes]);
  });

  it("reads the headers of traditional encryption, continued lines too", () => {
    const text = pem.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,\n 0123\n\n");
    expect(parsePem(text)[0]?.headers).toEqual([
      { name: "Proc-Type", value: "4,ENCRYPTED" },
      { name: "DEK-Info", value: "AES-256-CBC,0123" },
    ]);
  });

  it("finds nothing in nothing", () => {
    expect(parsePem("")).toEqual([]);
    expect(parsePem("no PEM here")).toEqual([]);
  });
});

describe("PEM that cannot be trusted to mean one thing", () => {
  it.each([
    ["a block without its end", pem.slice(0, -30), "no END line"],
    ["an end without a beginning", pem.slice(28), "no BEGIN line"],
    ["a block inside another", pem.replace("\n", `\n${pem}`), "no END line before the next BEGIN"],
    ["an end of another label", pem.replace("END CERTIFICATE", "END KEY"), "ends as KEY"],
    ["a body that is not base64", pem.replace("AAEC", "A*EC"), "not base64"],
    ["a body cut short", pem.replace("AAEC", "AAE"), "not base64"],
    ["padding inside", pem.replace("AAEC", "AAE="), "not base64"],
    ["bits left over in the last digit", encodePem("A", Uint8Array.of(0)).replace("AA==", "AB=="), "not canonical"],
    ["an empty body", "-----BEGIN A-----\n-----END A-----", "is empty"],
    ["lost line breaks", pem.replaceAll("\n", " "), "not a whole BEGIN line"],
  ])("refuses %s", (_, text, why) => {
    const outcome = refusal(text);
    expect(outcome).toContain("E_CERTIFICATE_INVALID");
    expect(outcome).toContain(why);
  });

  it("refuses more blocks than the limit", () => {
    expect(refusal(pem.repeat(3), 3)).toBe("accepted");
    expect(refusal(pem.repeat(4), 3)).toContain("more than 3 blocks");
  });

  it("speaks of keys to who reads keys, without a digit of the body", () => {
    const secret = pem.replace("AAEC", "A*EC");
    expect(() => parsePem(secret, 1, "E_KEY_INVALID")).toThrow(expect.objectContaining({ code: "E_KEY_INVALID" }));
    expect(refusal(secret)).not.toContain("A*EC");
  });
});

describe("any PEM", () => {
  const label = fc.stringMatching(/^[A-Z0-9]+( [A-Z0-9]+){0,3}$/);
  const der = fc.uint8Array({ minLength: 1, maxLength: 300 });

  it("reads back what was written, whatever stands between", () => {
    const noise = fc.stringMatching(/^[a-z :=,\n]{0,80}$/);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(label, der, noise), { maxLength: 8 }),
        fc.constantFrom("\n", "\r\n"),
        (blocks, eol) => {
          const text = blocks.map(([name, body, between]) => `${between}\n${encodePem(name, body)}`).join("");
          const read = parsePem(text.replaceAll("\n", eol));
          expect(read.map(({ label: name, der: body }) => [name, [...body]])).toEqual(
            blocks.map(([name, body]) => [name, [...body]]),
          );
        },
      ),
    );
  });

  it("answers any text with blocks or with a coded refusal", () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom("-----BEGIN A-----", "-----END A-----", "\n", "AAEC", "=", "X: y", "-----"),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        expect(refusal(pieces.join(""))).toMatch(/^(accepted|E_CERTIFICATE_INVALID )/);
      }),
      { numRuns: 500 },
    );
  });
});
