import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type TimeStampAnchors, verifyTimeStamp } from "../../src/trust/time-stamp.ts";
import { oidOf, sequenceOf } from "./support/der-writer.ts";
import { authority, DAY, issue, makeKey, NOW } from "./support/pki.ts";
import {
  createStampAuthority,
  makeToken,
  secondsOf,
  stamper,
  TIME_STAMPING,
  type TokenSpec,
  unknownExtension,
} from "./support/time-stamps.ts";

const data = Buffer.from("the octets of a signature");
const tsa = createStampAuthority();
const { signer, issuers, pki } = tsa;
const trust: TimeStampAnchors = { anchors: [pki.root.certificate], intermediates: [] };

function verify(spec: Partial<TokenSpec> = {}, over: Uint8Array = data, trusted: TimeStampAnchors | undefined = trust) {
  return verifyTimeStamp(makeToken({ signer, issuers, data, ...spec }), over, trusted);
}

/** The code, and what is said after the words that all have in common. */
function refusal(result: ReturnType<typeof verify>): string {
  if (result.ok) return "ok";
  return `${result.reason.code} ${result.reason.message.replace("the time stamp does not count: ", "")}`;
}

describe("a time stamp of a trusted authority", () => {
  it("counts, and tells its time and who vouches for it", () => {
    const result = verify();
    if (!result.ok) throw new Error(result.reason.message);
    expect(result.time.at).toEqual(NOW);
    expect(result.time.path.map(({ subject }) => subject.text)).toEqual([
      "CN=Time Stamper",
      "CN=TSA Intermediate,O=Example",
      "CN=TSA Root,O=Example",
    ]);
  });

  it.each(["sha256", "sha384", "sha512"] as const)("counts with an imprint by %s", (hash) => {
    expect(verify({ hash }).ok).toBe(true);
  });

  it.each([
    [
      "by an RSA key whose algorithm names no hash",
      { signer: stamper(issuers[0] ?? pki.root, { keyKind: "rsa2048" }) },
    ],
    ["that names its certificate by SHA-1, as RFC 3161 itself had it", { namedBy: "v1" as const }],
    ["whose signer is named by key identifier", { keyIdentifier: true }],
    ["with an extension that is not critical", { extensions: unknownExtension(false) }],
  ])("counts %s", (_, spec) => {
    expect(refusal(verify(spec))).toBe("ok");
  });

  it("keeps the milliseconds of its time, and spans its accuracy", () => {
    const result = verify({ time: "20300615120000.1234567Z", accuracy: secondsOf(2) });
    if (!result.ok) throw new Error(result.reason.message);
    expect(result.time.at.toISOString()).toBe("2030-06-15T12:00:00.123Z");
    expect(result.time.latest.getTime() - result.time.earliest.getTime()).toBe(4000);
  });

  it("is off by a second under ETSI's baseline policy where it does not say", () => {
    const result = verify({ policy: "0.4.0.2023.1.1" });
    expect(result.ok && result.time.latest.getTime() - NOW.getTime()).toBe(1000);
  });

  it("counts by an intermediate that the caller brings, when the token does not", () => {
    const intermediates = issuers.map(({ certificate }) => certificate);
    expect(verify({ issuers: [] }).ok).toBe(false);
    expect(verify({ issuers: [] }, data, { ...trust, intermediates }).ok).toBe(true);
  });
});

describe("a time stamp does not count", () => {
  it("over something else", () => {
    expect(refusal(verify({}, Buffer.from("another signature")))).toMatch(/^E_TIMESTAMP_MISMATCH it is over something/);
    expect(refusal(verify({ imprint: new Uint8Array(32) }))).toMatch(/^E_TIMESTAMP_MISMATCH/);
    expect(refusal(verify({ imprint: new Uint8Array(20) }))).toMatch(/^E_TIMESTAMP_MISMATCH/);
  });

  it.each<[string, Partial<TokenSpec>, RegExp]>([
    ["changed after it was signed", { altered: true }, /content was changed/],
    ["signed by another key", { key: makeKey("p256") }, /signature does not verify/],
    ["that names another certificate", { named: pki.root.der }, /name another certificate/],
    ["that names another certificate by SHA-1", { named: pki.root.der, namedBy: "v1" }, /name another certificate/],
    ["that names no certificate", { named: null }, /do not name the certificate/],
    ["without its authority's certificate", { withoutCertificates: true }, /does not hold its authority/],
    ["with attributes about another type", { attributeType: "1.2.840.113549.1.7.1" }, /another type/],
    ["that is signed data of another type", { contentType: "1.2.840.113549.1.7.1" }, /no time stamp/],
    ["with an imprint by SHA-1", { hash: "sha1" }, /not SHA-256, SHA-384 or SHA-512/],
    ["of another version", { version: 2 }, /version 2/],
    ["with a critical extension", { extensions: unknownExtension(true) }, /critical extension/],
    ["at no real time", { time: "20300231120000Z" }, /no real time/],
    ["at a time with trailing zeros", { time: "20300615120000.10Z" }, /not of the form/],
    ["at a time without seconds", { time: "203006151200Z" }, /not of the form/],
    ["at a time of another zone", { time: "20300615120000+0100" }, /not of the form/],
  ])("%s", (_, spec, message) => {
    const said = refusal(verify(spec));
    expect(said).toMatch(/^E_TIMESTAMP_INVALID/);
    expect(said).toMatch(message);
  });

  const below = issuers[0] ?? pki.root;
  const usage = (oids: readonly string[], critical: boolean) =>
    stamper(below, { extensions: [{ oid: "2.5.29.37", critical, value: sequenceOf(...oids.map(oidOf)) }] });
  it.each([
    ["whose authority may do more than stamp times", usage([TIME_STAMPING, "1.3.6.1.5.5.7.3.3"], true)],
    ["whose authority's purpose is not critical", usage([TIME_STAMPING], false)],
    ["whose authority signs code", usage(["1.3.6.1.5.5.7.3.3"], true)],
    ["whose authority names no purpose", stamper(below, { extensions: [] })],
  ])("%s", (_, other) => {
    expect(refusal(verify({ signer: other }))).toMatch(/^E_TIMESTAMP_INVALID .* is not for time stamping alone/);
  });

  it.each([
    [
      "of a stranger",
      { signer: createStampAuthority().signer, issuers: createStampAuthority().issuers },
      /no certificate at hand/,
    ],
    ["of an authority whose certificate had expired by then", { at: new Date(NOW.getTime() + 4000 * DAY) }, /expired/],
    [
      "of an authority whose certificate was not valid yet",
      { at: new Date(NOW.getTime() - 4000 * DAY) },
      /not valid before/,
    ],
  ])("%s", (_, spec, message) => {
    const said = refusal(verify(spec));
    expect(said).toMatch(/^E_TIMESTAMP_UNTRUSTED/);
    expect(said).toMatch(message);
  });

  it("of an authority that is its own anchor", () => {
    const alone = issue({
      ...authority("Alone"),
      extensions: [{ oid: "2.5.29.37", critical: true, value: sequenceOf(oidOf(TIME_STAMPING)) }],
    });
    const result = verify({ signer: alone, issuers: [] }, data, { anchors: [alone.certificate], intermediates: [] });
    expect(refusal(result)).toMatch(/^E_TIMESTAMP_UNTRUSTED/);
  });
});

describe("any bytes", () => {
  const token = Buffer.from(makeToken({ signer, issuers, data }));

  it("are refused and never crash", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(verifyTimeStamp(bytes, data, trust).ok).toBe(false);
      }),
    );
  });

  it("that are a token with one octet changed, cut off or added are refused, or say the same", () => {
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(token);
        changed[at] = (changed[at] ?? 0) ^ flip;
        const result = verifyTimeStamp(changed, data, trust);
        // What nobody signed may change without harm: the list of hash algorithms, the issuers beside the signer.
        if (result.ok) expect(result.time.at).toEqual(NOW);
        expect(verifyTimeStamp(token.subarray(0, at), data, trust).ok).toBe(false);
        expect(verifyTimeStamp(Buffer.concat([token, Buffer.from([flip])]), data, trust).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
