import { decode, encode, Tag } from "cbor2";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { coseCodec } from "../../../src/formats/notation/cose.ts";
import type { EnvelopeCodec } from "../../../src/formats/notation/envelope.ts";
import { notationCoseFormat, notationFormat } from "../../../src/formats/notation/format.ts";
import { jwsCodec } from "../../../src/formats/notation/jws.ts";
import { encodePayload } from "../../../src/formats/notation/payload.ts";
import { instantOf, parseInstant } from "../../../src/formats/notation/times.ts";
import type { Format } from "../../../src/model/format.ts";
import { COSE_ENVELOPE, JWS_ENVELOPE } from "../../../src/model/media-types.ts";
import { encodeSignature } from "../../../src/trust/signature-encoding.ts";
import { createPki, NOW } from "../../trust/support/pki.ts";
import { certified, place, signPrepared, subject, trusting } from "../support/signing.ts";

const pki = createPki();
const material = certified(pki);
const trust = trusting({ anchors: [pki.root.certificate], compat: ["notation"] });

function signed(format: Format): Uint8Array {
  const options = { annotations: { stage: "prod" }, at: NOW, lifetime: 3_600_000 };
  const prepared = format.prepare(subject, material, options);
  const der = signPrepared({ ...prepared, encoding: "der" }, pki.key);
  return format.assemble(prepared, encodeSignature(der, prepared.encoding, material.publicKey), material, options)
    .bytes;
}

const cases = [
  { name: "JWS", codec: jwsCodec, format: notationFormat, mediaType: JWS_ENVELOPE, whole: signed(notationFormat) },
  {
    name: "COSE",
    codec: coseCodec,
    format: notationCoseFormat,
    mediaType: COSE_ENVELOPE,
    whole: signed(notationCoseFormat),
  },
];
const read = (format: Format, mediaType: string, bytes: Uint8Array) =>
  format.read({ place, mediaType, bytes, annotations: {} });

describe.each(cases)("any bytes in place of a $name envelope", ({ codec, format, mediaType, whole }) => {
  it("are refused by a code, and never crash", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(read(format, mediaType, bytes)).toHaveProperty("reason.code");
      }),
      { numRuns: 500 },
    );
  });

  it("never verify over other bytes than were signed, however an envelope is changed", async () => {
    const original = codec.read(whole);
    const change = fc.record({
      at: fc.nat(whole.length - 1),
      kind: fc.constantFrom("flip", "cut", "insert", "truncate"),
      value: fc.integer({ min: 1, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ at, kind, value }) => {
        const bytes = [...whole];
        if (kind === "flip") bytes[at] = (bytes[at] ?? 0) ^ value;
        else if (kind === "truncate") bytes.length = at;
        else bytes.splice(at, kind === "cut" ? 1 : 0, ...(kind === "cut" ? [] : [value]));
        const evidence = read(format, mediaType, Uint8Array.from(bytes));
        if ("reason" in evidence) return;
        const { reasons } = await format.check(evidence, subject.digest, trust, NOW);
        // Base64url has several texts for one value, which count as long as the text is what was signed.
        if (reasons.length === 0) expect(Buffer.from(evidence.signed)).toEqual(Buffer.from(original.signed));
      }),
      { numRuns: 400 },
    );
  });

  it("are of one kind: bytes to sign are never read as another format's", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        if (!codec.claims(bytes)) return;
        expect(() => codec.readSigned(bytes)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^E_/) }));
      }),
    );
  });
});

describe.each(cases)("what is put into the bytes to sign of $name", ({ codec }) => {
  const text = fc.string({ unit: "binary" }).filter((value) => !/\p{Surrogate}/u.test(value));
  const key = text.filter((value) => value !== "" && !value.startsWith("io.cncf.notary"));

  it("comes back as it went in", () => {
    const annotations = fc.dictionary(key, text, { maxKeys: 5 });
    const seconds = fc.integer({ min: 0, max: 4_000_000_000 });
    fc.assert(
      fc.property(annotations, seconds, fc.option(fc.integer({ min: 1, max: 1e9 })), (claims, from, lasting) => {
        const payload = encodePayload(subject, claims, codec.payloadOrder);
        const signingTime = new Date(from * 1000);
        const expiry = lasting === null ? undefined : new Date((from + lasting) * 1000);
        const bytes = codec.signedBytes({ algorithm: "rsa-pss-sha384", signingTime, expiry, payload });
        expect(codec.claims(bytes)).toBe(true);
        const part = codec.readSigned(bytes);
        expect(Buffer.from(part.payload)).toEqual(Buffer.from(payload));
        expect(part).toMatchObject({ algorithm: "rsa-pss-sha384", lapses: [] });
        expect(part.attributes).toEqual({ scheme: "notary.x509", signingTime, ...(expiry && { expiry }) });
        expect(JSON.parse(Buffer.from(payload).toString()).targetArtifact.annotations ?? {}).toEqual({ ...claims });
      }),
    );
  });

  it("is the same bytes each time, and whatever kind of bytes the payload is", () => {
    const payload = encodePayload(subject, { b: "2", a: "1" }, codec.payloadOrder);
    const same = encodePayload(subject, { a: "1", b: "2" }, codec.payloadOrder);
    const sign = (bytes: Uint8Array) =>
      codec.signedBytes({ algorithm: "ecdsa-p256-sha256", signingTime: NOW, payload: bytes });
    expect(Buffer.from(sign(payload))).toEqual(Buffer.from(sign(Buffer.from(same))));
  });
});

describe("a CBOR envelope", () => {
  const whole = cases[1]?.whole ?? new Uint8Array();
  const codec: EnvelopeCodec = coseCodec;
  const parts = () =>
    (decode(whole, { preferMap: true }) as Tag).contents as [Uint8Array, Map<unknown, unknown>, Uint8Array, Uint8Array];
  const refused = expect.objectContaining({ code: "E_SIGNATURE_MALFORMED" });

  it("is read from a Buffer as from any other bytes", () => {
    expect(codec.read(Buffer.from(whole))).toEqual(codec.read(whole));
    expect(Buffer.from(codec.read(Buffer.from(whole)).signed)).toEqual(Buffer.from(codec.read(whole).signed));
  });

  it("has nothing behind it", () => {
    expect(() => codec.read(Buffer.concat([whole, Buffer.of(0)]))).toThrow(refused);
  });

  it.each([undefined, 17, 98])("is tagged as COSE_Sign1, not as %s", (tag) => {
    const bytes = tag === undefined ? whole.subarray(1) : encode(new Tag(tag, parts()));
    expect(() => codec.read(bytes)).toThrow(refused);
  });

  it("has definite lengths", () => {
    const indefinite = Buffer.concat([Buffer.of(0xd2, 0x9f), whole.subarray(2), Buffer.of(0xff)]);
    expect(() => codec.read(indefinite)).toThrow(refused);
  });

  it("has each label once", () => {
    const header = Buffer.concat([Buffer.of(0xa2, 0x01, 0x26, 0x01, 0x26)]);
    const [, unprotected, payload, signature] = parts();
    const bytes = encode(new Tag(18, [Uint8Array.from(header), unprotected, payload, signature]));
    expect(() => codec.read(bytes)).toThrow(refused);
  });

  it("has its payload inside", () => {
    const [header, unprotected, , signature] = parts();
    expect(() => codec.read(encode(new Tag(18, [header, unprotected, null, signature])))).toThrow(refused);
  });

  it("does not follow arrays that are nested without end", () => {
    expect(() => codec.read(Buffer.alloc(50_000, 0x81))).toThrow(refused);
  });

  it("is not read past its limit", () => {
    const tooLarge = expect.objectContaining({ code: "E_TOO_LARGE" });
    for (const each of [codec, jwsCodec])
      expect(() => each.read(new Uint8Array(4 * 1024 * 1024 + 1))).toThrow(tooLarge);
  });
});

describe("a time of RFC 3339", () => {
  it("is read at any offset, and written in UTC", () => {
    expect(parseInstant("2024-02-29T12:00:00+08:00")?.toISOString()).toBe("2024-02-29T04:00:00.000Z");
    expect(instantOf(new Date("2024-02-29T04:00:00.900Z"))).toBe("2024-02-29T04:00:00Z");
  });

  it.each([
    "2023-02-29T12:00:00Z",
    "2024-01-01",
    "2024-01-01T12:00:00",
    "2024-01-01 12:00:00Z",
    "20240101T120000Z",
    "2024-13-01T00:00:00Z",
    "today",
  ])("is not %s", (text) => {
    expect(parseInstant(text)).toBeUndefined();
  });

  it("never throws", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseInstant(text)));
  });
});
