import { describe, expect, it } from "vitest";
import { bundleFormat } from "../../src/formats/bundle/format.ts";
import { cosignFormat } from "../../src/formats/cosign/format.ts";
import { ALGORITHMS } from "../../src/model/algorithm.ts";
import type { Format } from "../../src/model/format.ts";
import type { TimestampTrust, Trust } from "../../src/model/policy.ts";
import type { Stored, Testimony } from "../../src/model/signature.ts";
import { createPki, DAY, NOW } from "../trust/support/pki.ts";
import { createStampAuthority, makeToken, secondsOf } from "../trust/support/time-stamps.ts";
import { certified, place, plain, signPrepared, subject } from "./support/signing.ts";

const HOUR = DAY / 24;
const later = new Date(NOW.getTime() + 30 * DAY);
/** A leaf for one hour, as pipelines get them. */
const pki = createPki({ leaf: { notBefore: NOW, notAfter: new Date(NOW.getTime() + HOUR) } });
const tsa = createStampAuthority();
const stranger = createStampAuthority();
const stamps: TimestampTrust = {
  anchors: [tsa.pki.root.certificate],
  intermediates: [],
  required: false,
  when: "always",
};

type Stamp = (signature: Uint8Array) => Uint8Array;
const by =
  ({ signer, issuers }: typeof tsa, minutes = 30, more: object = {}): Stamp =>
  (data) =>
    makeToken({ signer, issuers, data, at: new Date(NOW.getTime() + minutes * 60_000), ...more });

async function check(format: Format, stampers: readonly Stamp[], timestamps: TimestampTrust | undefined, at = later) {
  const prepared = format.prepare(subject, certified(pki), plain);
  const signature = signPrepared(prepared, pki.key);
  const testimony = stampers.map((stamp): Testimony => ({ kind: "rfc3161", token: stamp(signature) }));
  const artefact = format.assemble(prepared, signature, certified(pki), plain, testimony);
  const stored: Stored = { ...artefact, place };
  const evidence = format.read(stored);
  if ("reason" in evidence) throw new Error(evidence.reason.message);
  const trust: Trust = {
    keys: [],
    anchors: [pki.root.certificate],
    intermediates: [],
    allowedAlgorithms: ALGORITHMS,
    timestamps,
  };
  const { reasons, time } = await format.check(evidence, subject.digest, trust, at);
  return { codes: reasons.map(({ code }) => code), time };
}

describe.each([
  ["cosign", cosignFormat],
  ["bundle", bundleFormat],
])("a %s signature by a certificate that has expired since", (name, format) => {
  it("counts by a trusted time stamp from when the certificate was valid, and tells its time", async () => {
    expect(await check(format, [by(tsa)], stamps)).toEqual({
      codes: [],
      time: { source: "rfc3161", at: "2030-06-15T12:30:00.000Z" },
    });
  });

  it("does not count without a time stamp", async () => {
    expect((await check(format, [], stamps)).codes).toEqual(["E_CERTIFICATE_EXPIRED"]);
    expect((await check(format, [], { ...stamps, required: true })).codes).toEqual([
      "E_CERTIFICATE_EXPIRED",
      "E_TIMESTAMP_MISSING",
    ]);
  });

  it("does not count by a time stamp where nobody's are trusted, and says so", async () => {
    expect(await check(format, [by(tsa)], undefined)).toEqual({
      codes: ["E_CERTIFICATE_EXPIRED", "E_TIMESTAMP_UNTRUSTED"],
      time: { source: "none", at: null },
    });
  });

  it.each([
    ["a stranger", by(stranger), ["E_CERTIFICATE_EXPIRED", "E_TIMESTAMP_UNTRUSTED"]],
    [
      "the authority over another signature",
      () => by(tsa)(Buffer.from("x")),
      ["E_CERTIFICATE_EXPIRED", "E_TIMESTAMP_MISMATCH"],
    ],
    ["nobody", () => Buffer.from("3000", "hex"), ["E_CERTIFICATE_EXPIRED", "E_TIMESTAMP_INVALID"]],
    ["the authority, after it had expired", by(tsa, 90), ["E_CERTIFICATE_EXPIRED"]],
    ["the authority, before it was valid", by(tsa, -90), ["E_CERTIFICATE_NOT_YET_VALID"]],
    [
      "the authority, in the last second of it, give or take two",
      by(tsa, 60, { accuracy: secondsOf(2) }),
      ["E_CERTIFICATE_EXPIRED"],
    ],
    [
      "the authority, in its first second, give or take two",
      by(tsa, 0, { accuracy: secondsOf(2) }),
      ["E_CERTIFICATE_NOT_YET_VALID"],
    ],
  ])("does not count by a time stamp of %s", async (_, stamp, codes) => {
    expect((await check(format, [stamp], stamps)).codes).toEqual(codes);
  });

  it("counts by a good time stamp beside a bad one, where the format has room for two", async () => {
    const both = await check(format, [by(stranger), by(tsa)], stamps);
    expect(both.codes).toEqual(name === "bundle" ? [] : ["E_CERTIFICATE_EXPIRED", "E_TIMESTAMP_UNTRUSTED"]);
  });
});

describe("a signature by a certificate that is valid now", () => {
  const now = new Date(NOW.getTime() + HOUR / 2);
  it("counts without a time stamp, unless one is demanded", async () => {
    expect((await check(cosignFormat, [], stamps, now)).codes).toEqual([]);
    expect((await check(cosignFormat, [], { ...stamps, required: true }, now)).codes).toEqual(["E_TIMESTAMP_MISSING"]);
  });

  it("does not count beside a time stamp that does not hold: something was changed", async () => {
    expect((await check(cosignFormat, [by(stranger)], stamps, now)).codes).toEqual(["E_TIMESTAMP_UNTRUSTED"]);
  });

  it("counts whatever its time stamp where time stamps are for expired certificates alone", async () => {
    const afterExpiry: TimestampTrust = { ...stamps, required: true, when: "after-expiry" };
    expect((await check(cosignFormat, [by(stranger)], afterExpiry, now)).codes).toEqual([]);
    expect((await check(cosignFormat, [], afterExpiry, later)).codes).toEqual([
      "E_CERTIFICATE_EXPIRED",
      "E_TIMESTAMP_MISSING",
    ]);
    expect((await check(cosignFormat, [by(tsa)], afterExpiry, later)).codes).toEqual([]);
  });

  it("counts when nobody's time stamps are trusted, whatever stands there", async () => {
    expect((await check(cosignFormat, [by(stranger)], undefined, now)).codes).toEqual([]);
  });
});

describe("the annotation of a time stamp", () => {
  it.each([
    "",
    "{",
    "null",
    "[]",
    '{"SignedRFC3161Timestamp":null}',
    '{"SignedRFC3161Timestamp":"!"}',
    '{"SignedRFC3161Timestamp":"AAAA"}',
  ])("that is %j leaves the signature as it is where nobody's time stamps are trusted", async (text) => {
    const artefact = cosignFormat.prepare(subject, certified(pki), plain);
    const made = cosignFormat.assemble(artefact, signPrepared(artefact, pki.key), certified(pki), plain);
    const annotations = { ...made.annotations, "dev.sigstore.cosign/rfc3161timestamp": text };
    const evidence = cosignFormat.read({ ...made, annotations, place });
    expect("reason" in evidence).toBe(false);
  });
});
