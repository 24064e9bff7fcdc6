import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ATOMIC_TYPE, decodePayload, encodePayload } from "../../../src/formats/openpgp/payload.ts";
import { isCountersignError } from "../../../src/model/errors.ts";

const digest = `sha256:${"a".repeat(64)}` as const;
const reference = "registry.example.com/team/app:1.2";
const parts = { reference, digest, creator: "countersign 1.0.0", at: new Date(1_800_000_000_999), annotations: {} };

describe("the payload of an atomic container signature", () => {
  it("is written as containers/image writes it", () => {
    expect(Buffer.from(encodePayload(parts)).toString()).toBe(
      `{"critical":{"identity":{"docker-reference":"${reference}"},"image":{"docker-manifest-digest":"${digest}"},"type":"${ATOMIC_TYPE}"},"optional":{"creator":"countersign 1.0.0","timestamp":1800000000}}`,
    );
  });

  it("is read as it was written, whatever the annotations", () => {
    const name = fc.string({ minLength: 1 }).filter((text) => !["creator", "timestamp", "__proto__"].includes(text));
    fc.assert(
      fc.property(fc.dictionary(name, fc.string(), { maxKeys: 5 }), (annotations) => {
        const claims = decodePayload(encodePayload({ ...parts, annotations }));
        expect(claims).toMatchObject({ digests: [digest], reference, type: ATOMIC_TYPE });
        expect({ ...claims.annotations }).toEqual({ ...annotations });
      }),
    );
  });

  it("is refused by a code when it is anything else", () => {
    const text = Buffer.from(encodePayload(parts)).toString();
    const other = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .tuple(fc.nat({ max: text.length }), fc.nat({ max: 5 }), fc.string({ maxLength: 5 }))
        .map(([from, length, put]) => text.slice(0, from) + put + text.slice(from + length)),
    );
    fc.assert(
      fc.property(other, (payload) => {
        try {
          return decodePayload(Buffer.from(payload)).digests.every((each) => /^sha\d+:[0-9a-f]{64,128}$/.test(each));
        } catch (error) {
          return isCountersignError(error) && error.code === "E_PAYLOAD_MALFORMED";
        }
      }),
    );
  });
});
