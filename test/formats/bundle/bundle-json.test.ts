import { bundleFromJSON, isBundleWithDsseEnvelope } from "@sigstore/bundle";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBundle, encodeBundle, type KeyMaterial } from "../../../src/formats/bundle/bundle-json.ts";
import { isCountersignError } from "../../../src/model/errors.ts";
import { LIMITS } from "../../../src/model/limits.ts";
import { SIGSTORE_BUNDLE } from "../../../src/model/media-types.ts";

const b64 = (text: string) => Buffer.from(text).toString("base64");
const document = {
  mediaType: SIGSTORE_BUNDLE,
  verificationMaterial: { publicKey: { hint: "a key" } },
  dsseEnvelope: { payload: b64("payload"), payloadType: "text/plain", signatures: [{ sig: b64("signature") }] },
};
const read = (value: unknown) => decodeBundle(Buffer.from(JSON.stringify(value)));

const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((value) => new Uint8Array(value));
const text = fc.string({ minLength: 1, maxLength: 100, unit: "grapheme" });
const material: fc.Arbitrary<KeyMaterial> = fc.oneof(
  text.map((hint) => ({ kind: "public-key" as const, hint })),
  bytes.map((certificate) => ({ kind: "certificate" as const, certificate })),
  fc.array(bytes, { minLength: 1, maxLength: 4 }).map((certificates) => ({ kind: "chain" as const, certificates })),
);
const bundle = fc.record({
  material,
  envelope: fc.record({ payloadType: text, payload: bytes, signature: bytes }),
  timestamps: fc.array(bytes, { maxLength: 3 }),
});

describe("a bundle that was written", () => {
  it("is read back the same, and writes the same bytes again", () => {
    fc.assert(
      fc.property(bundle, (value) => {
        const written = encodeBundle(value);
        expect(decodeBundle(written)).toEqual({ ...value, unverified: { logEntries: 0 } });
        expect(encodeBundle(decodeBundle(written))).toEqual(written);
      }),
    );
  });

  it("is one to Sigstore's own library", () => {
    fc.assert(
      fc.property(bundle, ({ material, envelope, timestamps }) => {
        fc.pre(material.kind !== "chain");
        const parsed = bundleFromJSON(
          JSON.parse(Buffer.from(encodeBundle({ material, envelope, timestamps })).toString()),
        );
        expect(parsed.mediaType).toBe(SIGSTORE_BUNDLE);
        if (!isBundleWithDsseEnvelope(parsed)) throw new Error("no envelope");
        const { payload, payloadType, signatures } = parsed.content.dsseEnvelope;
        expect([Buffer.from(payload), payloadType]).toEqual([Buffer.from(envelope.payload), envelope.payloadType]);
        const stamped = parsed.verificationMaterial.timestampVerificationData?.rfc3161Timestamps ?? [];
        expect(stamped.map(({ signedTimestamp }) => Buffer.from(signedTimestamp))).toEqual(
          timestamps.map((one) => Buffer.from(one)),
        );
        expect(signatures.map(({ sig }) => Buffer.from(sig))).toEqual([Buffer.from(envelope.signature)]);
      }),
    );
  });
});

describe("reading a bundle", () => {
  it("takes the other spelling of its version", () => {
    expect(
      read({ ...document, mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.3" }).envelope.payloadType,
    ).toBe("text/plain");
  });

  it("takes null for what is absent, and base64 of either alphabet without padding, as protobuf's JSON mapping does", () => {
    const { envelope } = read({
      ...document,
      verificationMaterial: { publicKey: { hint: null }, certificate: null, tlogEntries: null },
      dsseEnvelope: { ...document.dsseEnvelope, signatures: [{ sig: "-_8", keyid: "" }] },
      messageSignature: null,
    });
    expect([...envelope.signature]).toEqual([0xfb, 0xff]);
  });

  it("counts log entries, which it does not verify, and keeps time stamps, also one without a value", () => {
    const verificationMaterial = {
      ...document.verificationMaterial,
      tlogEntries: [{ logIndex: "1" }],
      timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp: "AA==" }, {}] },
    };
    const { unverified, timestamps } = read({ ...document, verificationMaterial });
    expect(unverified).toEqual({ logEntries: 1 });
    expect(timestamps).toEqual([Uint8Array.of(0), new Uint8Array()]);
  });

  const envelope = document.dsseEnvelope;
  const chainOf = (count: number) => ({
    x509CertificateChain: { certificates: Array.from({ length: count }, () => ({ rawBytes: "AA==" })) },
  });
  it.each<[string, object, string]>([
    ["no signature", { dsseEnvelope: { ...envelope, signatures: [] } }, "E_SIGNATURE_MALFORMED"],
    [
      "two signatures",
      { dsseEnvelope: { ...envelope, signatures: [{ sig: "AA==" }, { sig: "AA==" }] } },
      "E_SIGNATURE_MALFORMED",
    ],
    ["an empty signature", { dsseEnvelope: { ...envelope, signatures: [{ sig: "" }] } }, "E_SIGNATURE_MALFORMED"],
    ["no envelope", { dsseEnvelope: undefined }, "E_SIGNATURE_MALFORMED"],
    ["a payload that is not base64", { dsseEnvelope: { ...envelope, payload: "%" } }, "E_SIGNATURE_MALFORMED"],
    ["base64 with bits left over", { dsseEnvelope: { ...envelope, payload: "AB==" } }, "E_SIGNATURE_MALFORMED"],
    ["no key material", { verificationMaterial: {} }, "E_SIGNATURE_MALFORMED"],
    [
      "two kinds of key material",
      { verificationMaterial: { publicKey: {}, certificate: { rawBytes: "AA==" } } },
      "E_SIGNATURE_MALFORMED",
    ],
    ["an empty chain", { verificationMaterial: chainOf(0) }, "E_SIGNATURE_MALFORMED"],
    ["an endless chain", { verificationMaterial: chainOf(LIMITS.certificates + 1) }, "E_SIGNATURE_MALFORMED"],
    ["an older version", { mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1" }, "E_FORMAT_UNSUPPORTED"],
    ["a newer version", { mediaType: "application/vnd.dev.sigstore.bundle.v0.4+json" }, "E_FORMAT_UNSUPPORTED"],
    ["no version", { mediaType: undefined }, "E_SIGNATURE_MALFORMED"],
    [
      "a message signature",
      { dsseEnvelope: undefined, messageSignature: { signature: "AA==" } },
      "E_FORMAT_UNSUPPORTED",
    ],
    ["both kinds of content", { messageSignature: { signature: "AA==" } }, "E_FORMAT_UNSUPPORTED"],
  ])("refuses one with %s", (_, change, code) => {
    expect(() => read({ ...document, ...change })).toThrow(expect.objectContaining({ code }));
  });

  it("refuses a member twice", () => {
    const twice = JSON.stringify(document).replace('"dsseEnvelope"', '"dsseEnvelope":null,"dsseEnvelope"');
    expect(() => decodeBundle(Buffer.from(twice))).toThrow(expect.objectContaining({ code: "E_SIGNATURE_MALFORMED" }));
  });

  it("refuses one that is too large before reading it", () => {
    expect(() => decodeBundle(new Uint8Array(LIMITS.bundle + 1))).toThrow(
      expect.objectContaining({ code: "E_TOO_LARGE" }),
    );
  });

  it("refuses any other bytes by a code", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((value) => Buffer.from(value)),
        ),
        (source) => {
          expect(() => decodeBundle(source)).toThrow(expect.toSatisfy(isCountersignError));
        },
      ),
    );
  });
});
