import { describe, expect, it } from "vitest";
import { cosignFormat } from "../../../src/formats/cosign/format.ts";
import { decodePayload } from "../../../src/formats/cosign/payload.ts";
import { digestOf } from "../../../src/model/digest.ts";
import { COSIGN_CERTIFICATE, COSIGN_CHAIN, COSIGN_SIGNATURE, SIMPLE_SIGNING } from "../../../src/model/media-types.ts";
import type { Artefact } from "../../../src/model/signature.ts";
import { parseCertificates } from "../../../src/trust/certificate.ts";
import { createPki, makeKey } from "../../trust/support/pki.ts";
import {
  bareKey,
  certified,
  check,
  codesOf,
  evidenceOf,
  makeArtefact,
  place,
  plain,
  stored,
  subject,
} from "../support/signing.ts";

const pki = createPki();
const key = makeKey("p256");
const material = bareKey(key);

function malformedCode(artefact: Artefact): string {
  const read = cosignFormat.read(stored(artefact));
  return "reason" in read ? read.reason.code : "decoded";
}

describe("preparing", () => {
  it("names the repository, or the identity that stands in for it", () => {
    const own = cosignFormat.prepare(subject, material, plain);
    expect(decodePayload(own.bytes).reference).toBe(subject.repository);
    const other = cosignFormat.prepare(subject, material, { ...plain, identity: "example.com/public:1.0" });
    expect(decodePayload(other.bytes).reference).toBe("example.com/public:1.0");
  });

  it("refuses a digest that cosign's payload cannot name", () => {
    const longer = { ...subject, digest: digestOf(Buffer.from("x"), "sha512") };
    expect(() => cosignFormat.prepare(longer, material, plain)).toThrow(
      expect.objectContaining({ code: "E_FORMAT_UNSUPPORTED", exit: 2 }),
    );
  });

  it.each([
    ["p256", "ecdsa-p256-sha256", "der"],
    ["p384", "ecdsa-p384-sha256", "der"],
    ["p521", "ecdsa-p521-sha256", "der"],
    ["rsa2048", "rsa-pkcs1-sha256", "raw"],
    ["ed25519", "ed25519", "raw"],
    ["rsapss", "rsa-pss-sha256", "raw"],
  ] as const)(
    "chooses for %s what cosign verifies without being told, where there is such a thing",
    (kind, algorithm, encoding) => {
      const prepared = cosignFormat.prepare(subject, bareKey(makeKey(kind)), plain);
      expect(prepared).toMatchObject({ format: "cosign", subject: subject.digest, algorithm, encoding });
    },
  );

  it("takes the caller's algorithm where the key permits it", () => {
    const rsa = bareKey(makeKey("rsa2048"));
    expect(cosignFormat.prepare(subject, rsa, { ...plain, algorithm: "rsa-pss-sha512" }).algorithm).toBe(
      "rsa-pss-sha512",
    );
  });

  it("refuses one that the key does not permit, naming what would work", () => {
    expect(() => cosignFormat.prepare(subject, material, { ...plain, algorithm: "rsa-pss-sha256" })).toThrow(
      expect.objectContaining({ code: "E_ALGORITHM_UNSUPPORTED", hint: expect.stringContaining("ecdsa-p256-sha384") }),
    );
  });
});

describe("assembling", () => {
  it("puts a bare key's signature into one annotation, in standard base64", () => {
    const prepared = cosignFormat.prepare(subject, material, plain);
    const artefact = cosignFormat.assemble(prepared, Uint8Array.of(0xfb, 0xff, 0xfe), material, plain);
    expect(artefact).toEqual({
      format: "cosign",
      mediaType: SIMPLE_SIGNING,
      bytes: prepared.bytes,
      annotations: { [COSIGN_SIGNATURE]: "+//+" },
    });
  });

  const deep = createPki({ intermediates: [{}, {}] });
  const names = (pem: string | undefined) => {
    const found = pem ? parseCertificates(Buffer.from(pem)) : [];
    return found.map(({ subject: { text } }) => /CN=([^,]+)/.exec(text)?.[1]);
  };

  it.each([
    { issuers: 0, chain: [] },
    { issuers: 1, chain: ["Intermediate 2", "Intermediate 2"] },
    { issuers: 2, chain: ["Intermediate 2", "Intermediate 1", "Intermediate 1"] },
    { issuers: 3, chain: ["Intermediate 2", "Intermediate 1", "Root"] },
  ])("writes $issuers issuers so that cosign, which drops the last, keeps what a path needs", ({ issuers, chain }) => {
    const { annotations } = makeArtefact(cosignFormat, deep.key, certified(deep, issuers));
    expect(names(annotations[COSIGN_CERTIFICATE])).toEqual(["release"]);
    expect(annotations[COSIGN_CHAIN]).toBeDefined();
    expect(names(annotations[COSIGN_CHAIN])).toEqual(chain);
  });

  it("writes the chain of a leaf without issuers as empty, as cosign does", () => {
    expect(makeArtefact(cosignFormat, pki.key, certified(pki, 0)).annotations[COSIGN_CHAIN]).toBe("");
  });

  it("is read back with each certificate once", () => {
    const { certificates } = evidenceOf(cosignFormat, makeArtefact(cosignFormat, deep.key, certified(deep, 2)));
    expect(certificates.map(({ fingerprint }) => fingerprint)).toEqual(
      deep.chain.slice(0, 3).map(({ fingerprint }) => fingerprint),
    );
  });
});

describe("reading", () => {
  const artefact = makeArtefact(cosignFormat, key, material);
  const withAnnotations = (annotations: Record<string, string>) => ({
    ...artefact,
    annotations: { ...artefact.annotations, ...annotations },
  });

  it("passes over line ends in the signature, as cosign does for one attached from a file", async () => {
    const text = `${artefact.annotations[COSIGN_SIGNATURE]}\n`;
    expect(
      (await check(cosignFormat, withAnnotations({ [COSIGN_SIGNATURE]: text }), { keys: [material.publicKey] }))
        .reasons,
    ).toEqual([]);
  });

  it.each([
    ["an empty signature", { [COSIGN_SIGNATURE]: "" }, "E_SIGNATURE_MALFORMED"],
    ["a signature that is not base64", { [COSIGN_SIGNATURE]: "%%%%" }, "E_SIGNATURE_MALFORMED"],
    ["a signature in the other alphabet", { [COSIGN_SIGNATURE]: "-__-" }, "E_SIGNATURE_MALFORMED"],
    ["a certificate that is none", { [COSIGN_CERTIFICATE]: "hello" }, "E_CERTIFICATE_INVALID"],
    ["a chain that is none", { [COSIGN_CERTIFICATE]: pki.leaf.pem, [COSIGN_CHAIN]: "hello" }, "E_CERTIFICATE_INVALID"],
    [
      "an endless chain",
      { [COSIGN_CERTIFICATE]: pki.leaf.pem, [COSIGN_CHAIN]: pki.root.pem.repeat(100) },
      "E_CERTIFICATE_INVALID",
    ],
  ])("tells %s by a code", (_, annotations, code) => {
    expect(malformedCode(withAnnotations(annotations as Record<string, string>))).toBe(code);
  });

  it("tells a missing signature and a broken payload by their codes, with the place", () => {
    expect(malformedCode({ ...artefact, annotations: {} })).toBe("E_SIGNATURE_MALFORMED");
    const read = cosignFormat.read(stored({ ...artefact, bytes: Buffer.from("{") }));
    expect(read).toMatchObject({ format: "cosign", place, reason: { code: "E_PAYLOAD_MALFORMED" } });
  });

  it("recognises its layers by their media type alone", () => {
    const entry = (mediaType: string) => ({ place, descriptor: { mediaType, digest: subject.digest, size: 1 } });
    expect(cosignFormat.recognises(entry(SIMPLE_SIGNING))).toBe(true);
    expect(cosignFormat.recognises(entry("application/vnd.dsse.envelope.v1+json"))).toBe(false);
  });
});

describe("a payload of another type", () => {
  it("is refused though its signature verifies", async () => {
    const prepared = cosignFormat.prepare(subject, material, plain);
    const bytes = Buffer.from(Buffer.from(prepared.bytes).toString().replace("cosign container", "atomic container"));
    const other = { ...prepared, bytes };
    const artefact = makeArtefact({ ...cosignFormat, prepare: () => other }, key, material);
    expect(codesOf(await check(cosignFormat, artefact, { keys: [material.publicKey] }))).toEqual(["E_PAYLOAD_TYPE"]);
  });
});
