import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePreAuthEncoding, preAuthEncoding } from "../../../src/formats/bundle/dsse.ts";
import { isCountersignError } from "../../../src/model/errors.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

describe("the pre-authentication encoding", () => {
  it("is that of the specification's example", () => {
    const encoded = preAuthEncoding("http://example.com/HelloWorld", utf8("hello world"));
    expect(Buffer.from(encoded).toString()).toBe("DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  });

  it("counts bytes, not characters", () => {
    expect(Buffer.from(preAuthEncoding("é", utf8("漢"))).toString()).toBe("DSSEv1 2 é 3 漢");
  });

  it("is read back, and no two inputs share one", () => {
    const input = fc.tuple(fc.string({ unit: "grapheme" }), fc.uint8Array());
    fc.assert(
      fc.property(input, ([payloadType, payload]) => {
        const decoded = decodePreAuthEncoding(preAuthEncoding(payloadType, payload));
        expect(decoded.payloadType).toBe(payloadType);
        expect(Buffer.from(decoded.payload)).toEqual(Buffer.from(payload));
      }),
    );
  });

  it.each([
    "",
    "DSSEv1",
    "DSSEv1 1 a 1 ",
    "DSSEv1 1 a 1 bc",
    "DSSEv1 01 a 1 b",
    "DSSEv1 -1 a 1 b",
    "DSSEv1 99 a 1 b",
    "DSSEv2 1 a 1 b",
    "DSSEv1 1  a 1 b",
    "DSSEv1 1 a 99999999999 b",
  ])("is not %j", (text) => {
    expect(() => decodePreAuthEncoding(utf8(text))).toThrow(expect.objectContaining({ code: "E_PAYLOAD_MALFORMED" }));
  });

  it("is hardly ever any other bytes, which are refused by a code", () => {
    const prefix = utf8("DSSEv1 ");
    fc.assert(
      fc.property(fc.uint8Array(), fc.boolean(), (bytes, prefixed) => {
        const source = prefixed ? Buffer.concat([prefix, bytes]) : bytes;
        try {
          const { payloadType, payload } = decodePreAuthEncoding(source);
          expect(Buffer.from(preAuthEncoding(payloadType, payload))).toEqual(Buffer.from(source));
        } catch (error) {
          expect(isCountersignError(error) && error.code).toBe("E_PAYLOAD_MALFORMED");
        }
      }),
    );
  });
});
