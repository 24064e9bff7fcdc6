import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { preAuthEncoding } from "../../src/formats/bundle/dsse.ts";
import { formats } from "../../src/formats/registry.ts";
import { describeSignedBytes } from "../../src/formats/signed-bytes.ts";
import { isCountersignError } from "../../src/model/errors.ts";
import { LIMITS } from "../../src/model/limits.ts";
import { makeKey } from "../trust/support/pki.ts";
import { bareKey, plain, subject } from "./support/signing.ts";

const names = ["cosign", "bundle"] as const;
const text = fc.string({ unit: "binary", maxLength: 30 }).filter((value) => Buffer.from(value).toString() === value);
const annotations = fc.dictionary(
  text.filter((name) => name !== ""),
  text,
  { maxKeys: 4 },
);

describe.each(names)("bytes to be signed, format %s", (name) => {
  const format = formats[name];

  it("tell their format, subject and annotations", () => {
    fc.assert(
      fc.property(annotations, (claimed) => {
        const bytes = format.signedBytes(subject, { annotations: claimed });
        const told = describeSignedBytes(bytes);
        expect([told.format.name, told.subject]).toEqual([name, subject.digest]);
        expect(Object.entries(told.claims.annotations).sort()).toEqual(Object.entries(claimed).sort());
      }),
    );
  });

  it.each(["p256", "p521", "rsa2048", "ed25519"] as const)("are the same for a key of type %s", (kind) => {
    const { bytes } = format.prepare(subject, bareKey(makeKey(kind)), plain);
    expect(bytes).toEqual(format.signedBytes(subject, plain));
  });

  it("are text, so that they can be printed", () => {
    fc.assert(
      fc.property(annotations, text, (claimed, identity) => {
        const bytes = format.signedBytes(subject, { annotations: claimed, identity });
        expect(
          new TextEncoder().encode(new TextDecoder("utf-8", { ignoreBOM: true, fatal: true }).decode(bytes)),
        ).toEqual(bytes);
      }),
    );
  });

  it("say nothing wrong when a byte of them is changed", () => {
    const bytes = format.signedBytes(subject, plain);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, octet) => {
        const changed = Uint8Array.from(bytes);
        changed[at] = octet;
        try {
          const told = describeSignedBytes(changed);
          // Whatever it says now stands in the bytes as they are now.
          expect(Buffer.from(changed).includes(told.subject.slice("sha256:".length))).toBe(true);
        } catch (error) {
          expect(isCountersignError(error) && error.exit === 1 && error.hint !== undefined, String(error)).toBe(true);
        }
      }),
    );
  });
});

describe("other bytes", () => {
  it("are refused, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, marked) => {
        const given = marked ? Buffer.concat([Buffer.from("DSSEv1 "), bytes]) : bytes;
        expect(() => describeSignedBytes(given)).toThrow(expect.objectContaining({ code: "E_PAYLOAD_MALFORMED" }));
      }),
    );
  });

  it("of another type than an in-toto statement are refused", () => {
    const bytes = preAuthEncoding("text/plain", Buffer.from("{}"));
    expect(() => describeSignedBytes(bytes)).toThrow(expect.objectContaining({ code: "E_PAYLOAD_TYPE" }));
  });

  it("beyond the limit are not read", () => {
    const bytes = new Uint8Array(LIMITS.payload + 1);
    expect(() => describeSignedBytes(bytes)).toThrow(expect.objectContaining({ code: "E_TOO_LARGE" }));
  });
});
