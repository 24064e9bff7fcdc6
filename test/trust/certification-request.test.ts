import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCertificationRequest } from "../../src/trust/certification-request.ts";
import { encodePem } from "../../src/trust/pem.ts";
import { bitStringOf, context, integerOf, octetString, oidOf, sequenceOf, setOf } from "./support/der-writer.ts";
import { generalName, nameDer } from "./support/pki.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ecdsa = sequenceOf(oidOf("1.2.840.10045.4.3.2"));

interface RequestSpec {
  readonly version?: number;
  readonly key?: KeyObject;
  readonly algorithm?: Uint8Array;
  readonly attributes?: readonly Uint8Array[];
}

function requestOf({ version = 0, key = privateKey, algorithm = ecdsa, attributes = [] }: RequestSpec = {}): Buffer {
  const spki = publicKey.export({ type: "spki", format: "der" });
  const info = sequenceOf(integerOf(version), nameDer("hsm"), spki, context(0, ...attributes));
  return Buffer.from(sequenceOf(info, algorithm, bitStringOf(sign("sha256", info, key))));
}

const names = sequenceOf(generalName(["email", "release@example.com"]), generalName(["dns", "ci.example.com"]));
const asksForNames = sequenceOf(
  oidOf("1.2.840.113549.1.9.14"),
  setOf(sequenceOf(sequenceOf(oidOf("2.5.29.17"), octetString(names)))),
);
const challenge = sequenceOf(oidOf("1.2.840.113549.1.9.7"), setOf(octetString(Buffer.from("secret"))));

describe("a certificate request", () => {
  it("is read in DER and in PEM under both labels", () => {
    const der = requestOf();
    for (const bytes of [
      der,
      ...["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"].map((label) => Buffer.from(encodePem(label, der))),
    ]) {
      const request = parseCertificationRequest(bytes);
      expect(request.subject.text).toBe("CN=hsm");
      expect(request.publicKey.equals(publicKey)).toBe(true);
      expect(request.alternativeNames).toEqual([]);
    }
  });

  it("tells the names that it asks for, whatever else it carries", () => {
    const { alternativeNames } = parseCertificationRequest(requestOf({ attributes: [challenge, asksForNames] }));
    expect(alternativeNames.map(({ type, value }) => `${type}:${value}`)).toEqual([
      "email:release@example.com",
      "dns:ci.example.com",
    ]);
  });

  it.each<readonly [string, () => Uint8Array, string]>([
    ["of another version", () => requestOf({ version: 1 }), "E_CERTIFICATE_INVALID"],
    [
      "signed by another key",
      () => requestOf({ key: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey }),
      "E_CERTIFICATE_SIGNATURE",
    ],
    [
      "that names SHA-1",
      () => requestOf({ algorithm: sequenceOf(oidOf("1.2.840.10045.4.1")) }),
      "E_CERTIFICATE_SIGNATURE",
    ],
    [
      "that names an algorithm of another key",
      () => requestOf({ algorithm: sequenceOf(oidOf("1.3.101.112")) }),
      "E_CERTIFICATE_SIGNATURE",
    ],
    ["with something behind it", () => Buffer.concat([requestOf(), Buffer.from([0])]), "E_CERTIFICATE_INVALID"],
    [
      "whose PEM is cut off",
      () => Buffer.from(encodePem("CERTIFICATE REQUEST", requestOf()).slice(0, -9)),
      "E_CERTIFICATE_INVALID",
    ],
    ["cut off", () => requestOf().subarray(0, -1), "E_CERTIFICATE_INVALID"],
    ["that is a certificate's PEM", () => Buffer.from(encodePem("CERTIFICATE", requestOf())), "E_CERTIFICATE_INVALID"],
    [
      "beside another",
      () => Buffer.from(encodePem("CERTIFICATE REQUEST", requestOf()).repeat(2)),
      "E_CERTIFICATE_INVALID",
    ],
  ])("%s is refused as the caller's mistake", (_, make, code) => {
    expect(() => parseCertificationRequest(make())).toThrow(expect.objectContaining({ code, exit: 2 }));
  });

  it("with any one bit flipped is refused, for one of two reasons", () => {
    const der = requestOf({ attributes: [asksForNames] });
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.nat(7), (at, bit) => {
        const flipped = Buffer.from(der);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
        expect(() => parseCertificationRequest(flipped)).toThrow(
          expect.objectContaining({ code: expect.stringMatching(/^E_CERTIFICATE_(INVALID|SIGNATURE)$/), exit: 2 }),
        );
      }),
      { numRuns: 500 },
    );
  });

  it("of any other bytes is refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, asDer) => {
        const input = asDer ? Uint8Array.of(0x30, bytes.length, ...bytes) : bytes;
        expect(() => parseCertificationRequest(input)).toThrow(
          expect.objectContaining({ code: "E_CERTIFICATE_INVALID", exit: 2 }),
        );
      }),
    );
  });
});
