import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64 } from "../../src/formats/base64.ts";

const decoded = (text: string, lenient = false) => {
  const bytes = decodeBase64(text, { lenient });
  return bytes && [...bytes];
};

describe("base64", () => {
  it("is read back as it was written, in standard form or lenient", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = encodeBase64(bytes);
        const urlSafe = Buffer.from(bytes).toString("base64url");
        expect(decoded(text)).toEqual([...bytes]);
        expect(decoded(urlSafe, true)).toEqual([...bytes]);
      }),
    );
  });

  it.each([
    ["", []],
    ["+/8=", [0xfb, 0xff]],
    ["+/\r\n8=\n", [0xfb, 0xff]],
    ["-_8=", undefined],
    ["+/8", undefined],
    ["+/9=", undefined],
    ["=", undefined],
    ["A", undefined],
    ["AA=", undefined],
    ["AA==AA==", undefined],
    ["AA ==", undefined],
    ["AAAA=", undefined],
    ["AAAA====", undefined],
    ["é", undefined],
  ])("%j is %j in standard form", (text, bytes) => {
    expect(decoded(text)).toEqual(bytes);
  });

  it.each([
    ["-_8=", [0xfb, 0xff]],
    ["-_8", [0xfb, 0xff]],
    ["+/8", [0xfb, 0xff]],
    ["+_8=", undefined],
    ["-_9", undefined],
    ["A", undefined],
    ["AA=", undefined],
  ])("%j is %j when lenient", (text, bytes) => {
    expect(decoded(text, true)).toEqual(bytes);
  });
});
