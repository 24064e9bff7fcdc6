import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePayload, encodePayload, PAYLOAD_TYPE } from "../../../src/formats/cosign/payload.ts";
import { digestOf } from "../../../src/model/digest.ts";
import { isCountersignError } from "../../../src/model/errors.ts";
import { LIMITS } from "../../../src/model/limits.ts";

const digest = digestOf(Buffer.from("an image"));
const reference = "index.docker.io/library/alpine";
const textOf = (annotations: Record<string, string>) =>
  Buffer.from(encodePayload({ reference, digest, annotations })).toString();

describe("the payload", () => {
  it("is what cosign generate prints, to the byte", () => {
    expect(textOf({})).toBe(
      `{"critical":{"identity":{"docker-reference":"${reference}"},"image":{"docker-manifest-digest":"${digest}"},"type":"cosign container image signature"},"optional":null}`,
    );
  });

  it.each([
    [{ b: "2", a: "1" }, '{"a":"1","b":"2"}'],
    [{ k: "<a href='x'>&</a>" }, `{"k":"\\u003ca href='x'\\u003e\\u0026\\u003c/a\\u003e"}`],
    [{ "<k>": "\u2028\u2029" }, '{"\\u003ck\\u003e":"\\u2028\\u2029"}'],
    [{ k: '"\\/\b\f\n\r\t\u0001\u001f\u007f' }, '{"k":"\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\u007f"}'],
    [{ k: "é 漢 😀 \ufffd" }, '{"k":"é 漢 😀 \ufffd"}'],
    [{ k: "\ud800x" }, '{"k":"\\ufffdx"}'],
    // UTF-8 order: U+FFFD comes before U+1F600, which UTF-16 order has the other way round.
    [{ "\u{1f600}": "2", "\ufffd": "1", z: "0" }, '{"z":"0","\ufffd":"1","😀":"2"}'],
    [{ "": "", "2": "b", "10": "a" }, '{"":"","10":"a","2":"b"}'],
  ])("writes the annotations %j as Go does", (annotations, optional) => {
    expect(textOf(annotations as Record<string, string>)).toContain(`"optional":${optional}}`);
  });

  it("keeps an annotation whatever it is called", () => {
    const annotations = Object.fromEntries([["__proto__", "x"]]);
    expect(Object.entries(decodePayload(encodePayload({ reference, digest, annotations })).annotations)).toEqual([
      ["__proto__", "x"],
    ]);
  });

  it("is read back as it was written", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" })),
        fc.string(),
        (annotations, name) => {
          const claims = decodePayload(encodePayload({ reference: name, digest, annotations }));
          expect(claims).toEqual({
            digests: [digest],
            reference: name,
            annotations: { ...annotations },
            type: PAYLOAD_TYPE,
          });
        },
      ),
    );
  });
});

describe("reading a payload", () => {
  const critical = {
    identity: { "docker-reference": reference },
    image: { "docker-manifest-digest": digest },
    type: PAYLOAD_TYPE,
  };
  const read = (document: unknown) => decodePayload(Buffer.from(JSON.stringify(document)));

  it("keeps another type for the check to refuse", () => {
    expect(read({ critical: { ...critical, type: "atomic container signature" } }).type).toBe(
      "atomic container signature",
    );
  });

  it("keeps of what is optional only the texts", () => {
    const optional = { text: "kept", number: 1, object: { a: "b" }, list: ["x"], nothing: null };
    expect(read({ critical, optional }).annotations).toEqual({ text: "kept" });
  });

  it.each([
    ["no critical part", {}],
    ["an unknown critical member", { critical: { ...critical, extra: 1 } }],
    ["another member beside them", { critical, extra: 1 }],
    ["Go's other spelling of a member", { Critical: critical, critical }],
    ["a digest that is none", { critical: { ...critical, image: { "docker-manifest-digest": "sha256:abc" } } }],
    ["a digest in capitals", { critical: { ...critical, image: { "docker-manifest-digest": digest.toUpperCase() } } }],
    ["no reference", { critical: { ...critical, identity: {} } }],
    ["a list", []],
    ["nothing", null],
  ])("refuses one with %s", (_, document) => {
    expect(() => read(document)).toThrow(expect.objectContaining({ code: "E_PAYLOAD_MALFORMED" }));
  });

  it("refuses a member twice, which two readers could read differently", () => {
    const twice = textOf({}).replace('"type"', '"type":"x","type"');
    expect(() => decodePayload(Buffer.from(twice))).toThrow(expect.objectContaining({ code: "E_PAYLOAD_MALFORMED" }));
  });

  it("refuses one that is too large before reading it", () => {
    expect(() => decodePayload(new Uint8Array(LIMITS.payload + 1))).toThrow(
      expect.objectContaining({ code: "E_TOO_LARGE" }),
    );
  });

  it("refuses any other bytes by a code", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          try {
            decodePayload(bytes);
          } catch (error) {
            expect(isCountersignError(error) && error.code).toBe("E_PAYLOAD_MALFORMED");
          }
        },
      ),
    );
  });
});
