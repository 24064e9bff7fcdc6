import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeStatement, encodeStatement } from "../../../src/formats/bundle/statement.ts";
import { digestOf } from "../../../src/model/digest.ts";
import { isCountersignError } from "../../../src/model/errors.ts";
import { COSIGN_SIGN_PREDICATE } from "../../../src/model/media-types.ts";

const digest = digestOf(Buffer.from("an image"));
const hex = digest.slice("sha256:".length);
const type = "https://in-toto.io/Statement/v1";
const statement = { _type: type, subject: [{ digest: { sha256: hex } }], predicateType: "p", predicate: {} };
const read = (value: unknown) => decodeStatement(Buffer.from(JSON.stringify(value)));

describe("the statement of a signature", () => {
  it("names the digest and nothing else of the image, and cosign's predicate", () => {
    expect(JSON.parse(Buffer.from(encodeStatement(digest, {})).toString())).toEqual({
      _type: type,
      subject: [{ digest: { sha256: hex } }],
      predicateType: COSIGN_SIGN_PREDICATE,
      predicate: {},
    });
  });

  it("is the same whatever order the annotations come in", () => {
    expect(encodeStatement(digest, { a: "1", b: "2" })).toEqual(encodeStatement(digest, { b: "2", a: "1" }));
  });

  it("keeps an annotation whatever it is called", () => {
    const annotations = Object.fromEntries([["__proto__", "x"]]);
    expect(Object.entries(decodeStatement(encodeStatement(digest, annotations)).annotations)).toEqual([
      ["__proto__", "x"],
    ]);
  });

  it("is read back as it was written", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" })), (annotations) => {
        expect(decodeStatement(encodeStatement(digest, annotations))).toEqual({
          digests: [digest],
          annotations: { ...annotations },
          type: COSIGN_SIGN_PREDICATE,
        });
      }),
    );
  });

  it("can be about an image with a sha512 digest", () => {
    const longer = digestOf(Buffer.from("an image"), "sha512");
    expect(decodeStatement(encodeStatement(longer, {})).digests).toEqual([longer]);
  });
});

describe("reading a statement", () => {
  it("keeps any predicate type for the check to tell signatures from attestations", () => {
    expect(read({ ...statement, predicateType: "https://slsa.dev/provenance/v1" }).type).toBe(
      "https://slsa.dev/provenance/v1",
    );
  });

  it("takes version 0.1, in which older attestations are", () => {
    expect(read({ ...statement, _type: "https://in-toto.io/Statement/v0.1" }).digests).toEqual([digest]);
  });

  it("keeps only digests that can name a manifest", () => {
    const subject = [
      { name: "x", digest: { sha256: hex, sha1: "ab", gitCommit: "cd" } },
      { digest: { sha256: "short" } },
    ];
    expect(read({ ...statement, subject }).digests).toEqual([digest]);
  });

  it("keeps of several subjects only the annotations that all have, so that none borrows another's", () => {
    const other = { digest: { sha256: "0".repeat(64) } };
    const subject = [
      { digest: { sha256: hex }, annotations: { both: "1", mine: "2", differs: "3", number: 4 } },
      { ...other, annotations: { both: "1", differs: "x", number: 4 } },
    ];
    expect(read({ ...statement, subject }).annotations).toEqual({ both: "1" });
  });

  it.each([
    ["another type", { ...statement, _type: "https://in-toto.io/Statement/v2" }],
    ["no subject", { ...statement, subject: [] }],
    ["too many subjects", { ...statement, subject: Array.from({ length: 1025 }, () => ({ digest: {} })) }],
    ["no predicate type", { ...statement, predicateType: "" }],
    ["a subject without digests", { ...statement, subject: [{ name: "x" }] }],
    ["a null subject", { ...statement, subject: [null] }],
  ])("refuses one with %s", (_, value) => {
    expect(() => read(value)).toThrow(expect.objectContaining({ code: "E_PAYLOAD_MALFORMED" }));
  });

  it("refuses any other bytes by a code", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((value) => Buffer.from(value)),
        ),
        (source) => {
          expect(() => decodeStatement(source)).toThrow(expect.toSatisfy(isCountersignError));
        },
      ),
    );
  });
});
