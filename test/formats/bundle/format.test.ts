import { createHash } from "node:crypto";
import { bundleFromJSON } from "@sigstore/bundle";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeBundle } from "../../../src/formats/bundle/bundle-json.ts";
import { decodePreAuthEncoding, preAuthEncoding } from "../../../src/formats/bundle/dsse.ts";
import { bundleFormat } from "../../../src/formats/bundle/format.ts";
import {
  BUNDLE_CONTENT,
  BUNDLE_PREDICATE_TYPE,
  COSIGN_CHAIN,
  COSIGN_SIGN_PREDICATE,
  IN_TOTO_PAYLOAD,
  OCI_INDEX,
  OCI_MANIFEST,
  SIGSTORE_BUNDLE,
} from "../../../src/model/media-types.ts";
import type { Artefact } from "../../../src/model/signature.ts";
import { parseCertificates } from "../../../src/trust/certificate.ts";
import { createPki, makeKey, NOW } from "../../trust/support/pki.ts";
import {
  bareKey,
  certified,
  check,
  codesOf,
  evidenceOf,
  makeArtefact,
  place,
  plain,
  signPrepared,
  stored,
  subject,
  trusting,
} from "../support/signing.ts";

const pki = createPki({ intermediates: [{}, {}] });
const key = makeKey("p256");
const material = bareKey(key);
const json = ({ bytes }: Artefact) => JSON.parse(Buffer.from(bytes).toString());

/** A bundle over any payload, signed for good with `key`. */
function signed(payloadType: string, payload: Uint8Array): Artefact {
  const prepared = {
    bytes: preAuthEncoding(payloadType, payload),
    algorithm: "ecdsa-p256-sha256",
    encoding: "der",
  } as const;
  const envelope = { payloadType, payload, signature: signPrepared(prepared, key) };
  const bytes = encodeBundle({ material: { kind: "public-key", hint: "" }, envelope, timestamps: [] });
  return { format: "bundle", mediaType: SIGSTORE_BUNDLE, artifactType: SIGSTORE_BUNDLE, bytes, annotations: {} };
}

describe("preparing", () => {
  it.each([
    ["p256", "ecdsa-p256-sha256", "ecdsa-p256-sha256"],
    ["p384", "ecdsa-p384-sha256", "ecdsa-p384-sha384"],
    ["p521", "ecdsa-p521-sha256", "ecdsa-p521-sha512"],
    ["rsa2048", "rsa-pkcs1-sha256", "rsa-pkcs1-sha256"],
    ["ed25519", "ed25519", "ed25519"],
  ] as const)(
    "chooses for %s what cosign takes without being told: %s for a bare key, %s with a certificate",
    (kind, bare, certificate) => {
      const own = bareKey(makeKey(kind));
      expect(bundleFormat.prepare(subject, own, plain).algorithm).toBe(bare);
      const withLeaf = { ...own, chain: pki.chain };
      expect(bundleFormat.prepare(subject, withLeaf, plain).algorithm).toBe(certificate);
    },
  );

  it("gives the encoding of an in-toto statement, from which alone it can be finished", () => {
    const { bytes } = bundleFormat.prepare(subject, material, { annotations: { stage: "prod" } });
    const { payloadType, payload } = decodePreAuthEncoding(bytes);
    expect(payloadType).toBe(IN_TOTO_PAYLOAD);
    expect(JSON.parse(Buffer.from(payload).toString()).subject[0].annotations).toEqual({ stage: "prod" });
  });
});

describe("assembling", () => {
  it("names a bare key by the hash of its SubjectPublicKeyInfo, as cosign does", () => {
    const artefact = makeArtefact(bundleFormat, key, material);
    const hint = createHash("sha256").update(material.publicKey.spki).digest("base64");
    expect(json(artefact).verificationMaterial).toEqual({ publicKey: { hint } });
    expect(artefact).toMatchObject({ mediaType: SIGSTORE_BUNDLE, artifactType: SIGSTORE_BUNDLE });
    expect(artefact.annotations).toEqual({
      [BUNDLE_CONTENT]: "dsse-envelope",
      [BUNDLE_PREDICATE_TYPE]: COSIGN_SIGN_PREDICATE,
    });
  });

  it("puts the leaf inside and its issuers beside, root last, so that cosign still reads it", () => {
    const artefact = makeArtefact(bundleFormat, pki.key, certified(pki));
    expect(json(artefact).verificationMaterial).toEqual({
      certificate: { rawBytes: Buffer.from(pki.leaf.der).toString("base64") },
    });
    const beside = parseCertificates(Buffer.from(artefact.annotations[COSIGN_CHAIN] ?? ""));
    expect(beside.map(({ fingerprint }) => fingerprint)).toEqual(
      pki.chain.slice(1).map(({ fingerprint }) => fingerprint),
    );
    expect(() => bundleFromJSON(json(artefact))).not.toThrow();
  });

  it("puts the intermediates inside when asked, the root nowhere", async () => {
    const artefact = makeArtefact(bundleFormat, pki.key, certified(pki), { ...plain, embedChain: true });
    expect(json(artefact).verificationMaterial.x509CertificateChain.certificates).toHaveLength(3);
    expect(artefact.annotations[COSIGN_CHAIN]).toBeUndefined();
    expect((await check(bundleFormat, artefact, { anchors: [pki.root.certificate] })).reasons).toEqual([]);
  });

  it("has nothing to put inside when asked where there is no intermediate", () => {
    const flat = createPki({ intermediates: [] });
    const artefact = makeArtefact(bundleFormat, flat.key, certified(flat), { ...plain, embedChain: true });
    expect(Object.keys(json(artefact).verificationMaterial)).toEqual(["certificate"]);
  });

  it("gives the same bytes for the same signature, whenever it is made", () => {
    const ed25519 = makeKey("ed25519");
    const own = bareKey(ed25519);
    expect(makeArtefact(bundleFormat, ed25519, own)).toEqual(makeArtefact(bundleFormat, ed25519, own));
  });

  it("refuses prepared bytes that are no encoding", () => {
    const prepared = { ...bundleFormat.prepare(subject, material, plain), bytes: Buffer.from("{}") };
    expect(() => bundleFormat.assemble(prepared, new Uint8Array(8), material, plain)).toThrow(
      expect.objectContaining({ code: "E_PAYLOAD_MALFORMED" }),
    );
  });
});

describe("what may be a bundle", () => {
  const entry = (mediaType: string, artifactType?: string) => ({
    place,
    descriptor: { mediaType, artifactType, digest: subject.digest, size: 1 },
  });
  it.each([
    [OCI_MANIFEST, SIGSTORE_BUNDLE, true],
    [OCI_MANIFEST, "application/vnd.dev.sigstore.bundle+json;version=0.3", true],
    [OCI_MANIFEST, undefined, true],
    [OCI_MANIFEST, "application/vnd.cncf.notary.signature", false],
    [OCI_INDEX, undefined, false],
    ["application/vnd.dev.cosign.simplesigning.v1+json", undefined, false],
  ])("%s of artifact type %s: %s", (mediaType, artifactType, expected) => {
    expect(bundleFormat.recognises(entry(mediaType, artifactType))).toBe(expected);
  });

  it("is looked at for what it is", () => {
    const read = bundleFormat.read({ ...stored(makeArtefact(bundleFormat, key, material)), mediaType: "text/plain" });
    expect(read).toMatchObject({ reason: { code: "E_FORMAT_UNSUPPORTED" } });
  });
});

describe("an attestation by a trusted key", () => {
  const { payload } = decodePreAuthEncoding(bundleFormat.prepare(subject, material, plain).bytes);
  const text = Buffer.from(payload).toString();

  it("is not a signature", async () => {
    const sbom = signed(IN_TOTO_PAYLOAD, Buffer.from(text.replace(COSIGN_SIGN_PREDICATE, "https://spdx.dev/Document")));
    const finding = await check(bundleFormat, sbom, { keys: [material.publicKey] });
    expect(codesOf(finding)).toEqual(["E_PREDICATE_TYPE"]);
    expect(finding.reasons[0]?.message).toContain("https://spdx.dev/Document");
  });

  it("is not read at all when its payload is no statement", () => {
    const read = bundleFormat.read(stored(signed("application/json", payload)));
    expect(read).toMatchObject({ reason: { code: "E_PAYLOAD_TYPE" } });
  });

  it("would count as one with the predicate of a signature", async () => {
    expect(
      (await check(bundleFormat, signed(IN_TOTO_PAYLOAD, payload), { keys: [material.publicKey] })).reasons,
    ).toEqual([]);
  });
});

describe("certificates that cannot be read", () => {
  const artefact = makeArtefact(bundleFormat, pki.key, certified(pki));
  const codeOf = (change: Artefact) => {
    const read = bundleFormat.read(stored(change));
    return "reason" in read ? read.reason.code : "decoded";
  };

  it("make the bundle malformed, inside it and beside it", () => {
    const document = json(artefact);
    document.verificationMaterial.certificate.rawBytes = Buffer.from("junk").toString("base64");
    expect(codeOf({ ...artefact, bytes: Buffer.from(JSON.stringify(document)) })).toBe("E_CERTIFICATE_INVALID");
    expect(codeOf({ ...artefact, annotations: { [COSIGN_CHAIN]: "junk" } })).toBe("E_CERTIFICATE_INVALID");
  });

  it("cannot be PEM, or two in a row, where DER of one belongs", () => {
    for (const raw of [Buffer.from(pki.leaf.pem), Buffer.concat([pki.leaf.der, pki.root.der])]) {
      const document = json(artefact);
      document.verificationMaterial.certificate.rawBytes = raw.toString("base64");
      expect(codeOf({ ...artefact, bytes: Buffer.from(JSON.stringify(document)) })).toBe("E_CERTIFICATE_INVALID");
    }
  });
});

describe("a bundle that was tampered with", () => {
  const trust = trusting({ keys: [material.publicKey], anchors: [pki.root.certificate] });
  const originals = [
    makeArtefact(bundleFormat, key, material),
    makeArtefact(bundleFormat, pki.key, certified(pki)),
  ].map((artefact) => ({ artefact, evidence: evidenceOf(bundleFormat, artefact) }));

  it("never throws, and never verifies over other bytes than were signed", async () => {
    const change = fc.record({
      which: fc.nat(originals.length - 1),
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      kind: fc.constantFrom("flip", "cut", "insert"),
      value: fc.integer({ min: 1, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ which, at, kind, value }) => {
        const original = originals[which];
        if (original === undefined) throw new Error("no such bundle");
        const { artefact, evidence } = original;
        const bytes = [...artefact.bytes];
        const index = Math.floor(at * bytes.length);
        if (kind === "flip") bytes[index] = (bytes[index] ?? 0) ^ value;
        else bytes.splice(index, kind === "cut" ? 1 : 0, ...(kind === "cut" ? [] : [value]));
        const read = bundleFormat.read(stored({ ...artefact, bytes: Uint8Array.from(bytes) }));
        if ("reason" in read) return;
        const { reasons } = await bundleFormat.check(read, subject.digest, trust, NOW);
        if (reasons.length === 0) expect(Buffer.from(read.signed)).toEqual(Buffer.from(evidence.signed));
      }),
      { numRuns: 500 },
    );
  });

  it("never verifies with any bit of what is signed turned", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1), fc.nat(), fc.nat(7), async (which, at, bit) => {
        const evidence = originals[which]?.evidence;
        if (evidence === undefined) throw new Error("no such bundle");
        const turned = Uint8Array.from(evidence.signed);
        const index = at % turned.length;
        turned[index] = (turned[index] ?? 0) ^ (1 << bit);
        expect(
          (await bundleFormat.check({ ...evidence, signed: turned }, subject.digest, trust, NOW)).reasons,
        ).not.toEqual([]);
      }),
    );
  });

  it("never throws for any bytes and annotations in its place", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.option(fc.string()), (bytes, chain) => {
        const annotations: Record<string, string> = chain === null ? {} : { [COSIGN_CHAIN]: chain };
        const read = bundleFormat.read({ place, mediaType: SIGSTORE_BUNDLE, bytes, annotations });
        expect(read).toHaveProperty("reason.code");
      }),
    );
  });
});
