import { X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { notationCoseFormat, notationFormat, notationFormatOf } from "../../../src/formats/notation/format.ts";
import { describeSignedBytes } from "../../../src/formats/signed-bytes.ts";
import type { Format, SigningOptions } from "../../../src/model/format.ts";
import { NOTATION_SIGNATURE, NOTATION_THUMBPRINTS, OCI_MANIFEST } from "../../../src/model/media-types.ts";
import type { Artefact, Evidence, Finding } from "../../../src/model/signature.ts";
import { encodeSignature } from "../../../src/trust/signature-encoding.ts";
import { createPki, makeKey, NOW, type Pki, signer } from "../../trust/support/pki.ts";
import {
  bareKey,
  certified,
  codesOf,
  otherDigest,
  place,
  signPrepared,
  stored,
  subject,
  trusting,
} from "../support/signing.ts";

const formats = [notationFormat, notationCoseFormat];
const at = (seconds = 0) => new Date(NOW.getTime() + seconds * 1000);
const asked: SigningOptions = { annotations: {}, at: NOW, agent: "countersign/test" };

/** A chain as the specification wants it: critical usages, the root last. */
function notaryPki(spec: Parameters<typeof createPki>[0] = {}): Pki {
  return createPki(spec);
}

function made(format: Format, pki: Pki, options: SigningOptions = asked, about = subject): Artefact {
  const material = certified(pki);
  const prepared = format.prepare(about, material, options);
  const signature = encodeSignature(
    signPrepared({ ...prepared, encoding: "der" }, pki.key),
    prepared.encoding,
    material.publicKey,
  );
  return format.assemble(prepared, signature, material, options);
}

function evidenceOf(format: Format, artefact: Artefact): Evidence {
  const read = format.read(stored(artefact));
  if ("reason" in read) throw new Error(`${read.reason.code}: ${read.reason.message}`);
  return read;
}

function check(format: Format, artefact: Artefact, pki: Pki, when = NOW): Promise<Finding> {
  return format.check(
    evidenceOf(format, artefact),
    subject.digest,
    trusting({ anchors: [pki.root.certificate] }),
    when,
  );
}

describe.each(formats)("the $name format", (format) => {
  let pki: Pki;
  beforeAll(() => {
    pki = notaryPki();
  });

  describe("preparing", () => {
    it.each([
      ["p256", "ecdsa-p256-sha256", "p1363"],
      ["p384", "ecdsa-p384-sha384", "p1363"],
      ["p521", "ecdsa-p521-sha512", "p1363"],
      ["rsa2048", "rsa-pss-sha256", "raw"],
      ["rsa3072", "rsa-pss-sha384", "raw"],
    ] as const)("has one algorithm for a key of %s: %s", (keyKind, algorithm, encoding) => {
      const own = notaryPki({ leaf: { ...signer(), keyKind } });
      expect(format.prepare(subject, certified(own), asked)).toMatchObject({ algorithm, encoding });
    });

    it.each(["ed25519", "secp256k1", "rsapss"] as const)("refuses a key of %s, and names what would do", (keyKind) => {
      expect.assertions(1);
      try {
        const own = notaryPki({ leaf: { ...signer(), keyKind } });
        format.prepare(subject, certified(own), asked);
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/E_ALGORITHM_UNSUPPORTED|E_KEY_UNSUPPORTED/) });
      }
    });

    it("refuses another algorithm than the key's", () => {
      const options = { ...asked, algorithm: "ecdsa-p256-sha384" } as const;
      expect(() => format.prepare(subject, certified(pki), options)).toThrow(
        expect.objectContaining({ code: "E_ALGORITHM_UNSUPPORTED", exit: 2 }),
      );
    });

    it.each([
      ["a bare key", (own: Pki) => bareKey(own.key), "E_CERTIFICATE_MISSING"],
      ["a chain without its root", (own: Pki) => certified(own, 1), "E_CERTIFICATE_MISSING"],
    ] as const)("refuses %s before anything is signed", (_, material, code) => {
      expect(() => format.prepare(subject, material(pki), asked)).toThrow(expect.objectContaining({ code, exit: 2 }));
    });

    it.each([
      ["a leaf without critical key usage", { leaf: { keyUsage: [] } }, "leaf-key-usage"],
      [
        "a leaf that may sign certificates",
        { leaf: { keyUsage: ["digitalSignature", "keyCertSign"] } },
        "leaf-key-usage",
      ],
      ["a leaf for TLS", { leaf: { extendedKeyUsage: ["1.3.6.1.5.5.7.3.1"] } }, "leaf-extended-key-usage"],
      ["a leaf that is an authority", { leaf: { ca: true } }, "leaf-basic-constraints"],
      ["an issuer without key usage", { intermediates: [{ keyUsage: [] }] }, "issuer-key-usage"],
    ] as const)("refuses %s by the name of the rule, with the mend", (_, spec, rule) => {
      expect.assertions(1);
      try {
        format.prepare(subject, certified(notaryPki(spec as never)), asked);
      } catch (error) {
        expect(error).toMatchObject({
          exit: 2,
          message: expect.stringContaining(`rule ${rule}`),
          hint: expect.stringContaining("countersign pki issue"),
        });
      }
    });

    it("takes a leaf without extended key usage", () => {
      const { extendedKeyUsage: _, ...usages } = signer();
      const own = notaryPki({ leaf: { ...usages, extendedKeyUsage: undefined } as never });
      expect(() => format.prepare(subject, certified(own), asked)).not.toThrow();
    });

    it("refuses annotations that the specification reserves", () => {
      const options = { ...asked, annotations: { "io.cncf.notary.anything": "x" } };
      expect(() => format.prepare(subject, certified(pki), options)).toThrow(
        expect.objectContaining({ code: "E_USAGE" }),
      );
    });

    it("refuses to sign at a time at which a certificate is not valid", () => {
      const options = { ...asked, at: at(10 * 365 * 86_400) };
      expect(() => format.prepare(subject, certified(pki), options)).toThrow(
        expect.objectContaining({ code: "E_CERTIFICATE_EXPIRED", exit: 2 }),
      );
    });

    it("gives bytes that say of themselves what they are", () => {
      const { bytes } = format.prepare(subject, certified(pki), { ...asked, annotations: { stage: "prod" } });
      expect(notationFormatOf(bytes)?.name).toBe(format.name);
      expect(describeSignedBytes(bytes)).toMatchObject({
        format: { name: format.name },
        subject: subject.digest,
        claims: { annotations: { stage: "prod" }, manifest: { mediaType: OCI_MANIFEST, size: subject.size } },
      });
    });

    it("asks who will sign, as the bytes say how", () => {
      expect(() => format.signedBytes(subject, asked)).toThrow(expect.objectContaining({ code: "E_USAGE" }));
    });
  });

  describe("assembling", () => {
    it("puts the whole chain inside, its thumbprints and the time of signing beside", () => {
      const artefact = made(format, pki, { ...asked, at: at(0.7) });
      expect(artefact).toMatchObject({ artifactType: NOTATION_SIGNATURE, typedByConfig: true });
      const thumbprints = pki.chain.map(({ der }) =>
        new X509Certificate(der).fingerprint256.replaceAll(":", "").toLowerCase(),
      );
      expect(JSON.parse(artefact.annotations[NOTATION_THUMBPRINTS] ?? "")).toEqual(thumbprints);
      expect(artefact.annotations["org.opencontainers.image.created"]).toBe("2030-06-15T12:00:00Z");
      expect(evidenceOf(format, artefact).certificates.map(({ fingerprint }) => fingerprint)).toEqual(
        pki.chain.map(({ fingerprint }) => fingerprint),
      );
    });

    it("declares the artifact type in the manifest where asked", () => {
      expect(made(format, pki, { ...asked, artifactManifest: true }).typedByConfig).toBe(false);
    });

    it("carries a time stamp, and gives it back", () => {
      const material = certified(pki);
      const prepared = format.prepare(subject, material, asked);
      const token = Uint8Array.of(0x30, 1, 2);
      const artefact = format.assemble(prepared, new Uint8Array(64), material, asked, [{ kind: "rfc3161", token }]);
      expect(evidenceOf(format, artefact).timestamps).toEqual([token]);
    });
  });

  describe("checking", () => {
    it("finds nothing against a signature under its anchor", async () => {
      const finding = await check(format, made(format, pki, { ...asked, lifetime: 60_000 }), pki, at(59));
      expect(finding).toMatchObject({ format: format.name, reasons: [], algorithm: "ecdsa-p256-sha256" });
      expect(finding.certificate?.fingerprint).toBe(pki.leaf.certificate.fingerprint);
    });

    it("takes the key alone where the key is trusted", async () => {
      const { publicKey } = certified(pki);
      const evidence = evidenceOf(format, made(format, pki));
      expect((await format.check(evidence, subject.digest, trusting({ keys: [publicKey] }), NOW)).reasons).toEqual([]);
      const other = trusting({ keys: [bareKey(makeKey("p256")).publicKey] });
      expect(codesOf(await format.check(evidence, subject.digest, other, NOW))).toEqual(["E_KEY_MISMATCH"]);
    });

    it.each([
      ["when it has expired", { lifetime: 60_000 }, at(60), "E_SIGNATURE_EXPIRED"],
      ["when a certificate has expired", {}, at(10 * 365 * 86_400), "E_CERTIFICATE_EXPIRED"],
    ] as const)("refuses it %s", async (_, options, when, code) => {
      expect(codesOf(await check(format, made(format, pki, { ...asked, ...options }), pki, when))).toContain(code);
    });

    it("refuses it for another image, and for a manifest of another type or size", async () => {
      const evidence = evidenceOf(format, made(format, pki));
      const trust = trusting({ anchors: [pki.root.certificate] });
      expect(codesOf(await format.check(evidence, otherDigest, trust, NOW))).toEqual(["E_SUBJECT_MISMATCH"]);
      for (const facts of [
        { mediaType: OCI_MANIFEST, size: 9 },
        { mediaType: "application/vnd.oci.image.index.v1+json", size: 8 },
      ]) {
        const finding = await format.check(evidence, subject.digest, trust, NOW, Promise.resolve(facts));
        expect(codesOf(finding)).toEqual(["E_SUBJECT_MISMATCH"]);
      }
      const same = { mediaType: OCI_MANIFEST, size: 8 };
      expect((await format.check(evidence, subject.digest, trust, NOW, Promise.resolve(same))).reasons).toEqual([]);
    });

    it("refuses it under another root, and under no trust at all", async () => {
      expect(codesOf(await check(format, made(format, pki), createPki()))).toEqual(["E_CERTIFICATE_UNTRUSTED"]);
      const evidence = evidenceOf(format, made(format, pki));
      expect(codesOf(await format.check(evidence, subject.digest, trusting({}), NOW))).toEqual([
        "E_CERTIFICATE_UNTRUSTED",
      ]);
    });

    it("refuses it by an algorithm that is not allowed", async () => {
      const evidence = evidenceOf(format, made(format, pki));
      const trust = trusting({ anchors: [pki.root.certificate], allowedAlgorithms: ["ed25519"] });
      expect(codesOf(await format.check(evidence, subject.digest, trust, NOW))).toEqual(["E_ALGORITHM_NOT_ALLOWED"]);
    });

    it("refuses certificates out of order", async () => {
      const evidence = evidenceOf(format, made(format, pki));
      const [leaf, intermediate, root] = evidence.certificates;
      if (leaf === undefined || intermediate === undefined || root === undefined) throw new Error("no chain");
      const swapped = { ...evidence, certificates: [leaf, root, intermediate] };
      const trust = trusting({ anchors: [pki.root.certificate] });
      expect((await format.check(swapped, subject.digest, trust, NOW)).reasons).not.toEqual([]);
    });

    it("trusts no signing authority as a certificate authority, nor the other way round", async () => {
      const evidence = evidenceOf(format, made(format, pki));
      const anchors = [pki.root.certificate];
      const authorities = trusting({ anchors, signingAuthorities: true });
      expect(codesOf(await format.check(evidence, subject.digest, authorities, NOW))).toEqual([
        "E_CERTIFICATE_UNTRUSTED",
      ]);
    });
  });

  describe("signing again", () => {
    const restates = (before: SigningOptions, now: SigningOptions, about = subject) => {
      const material = certified(pki);
      const evidence = evidenceOf(format, made(format, pki, before));
      return format.restates?.(evidence, format.prepare(about, material, now), material);
    };
    const later = { ...asked, at: at(3600) };

    it("says nothing new a while later", () => {
      expect(restates(asked, later)).toBe(true);
      expect(
        restates({ ...asked, annotations: { a: "1", b: "2" } }, { ...later, annotations: { b: "2", a: "1" } }),
      ).toBe(true);
    });

    it("says something new of other user metadata, another image, or another expiry", () => {
      expect(restates(asked, { ...later, annotations: { a: "1" } })).toBe(false);
      expect(restates(asked, later, { ...subject, digest: otherDigest })).toBe(false);
      expect(restates(asked, { ...later, lifetime: 60_000 })).toBe(false);
      expect(restates({ ...asked, lifetime: 60_000 }, later)).toBe(false);
    });

    it("renews what has less than half of its time left", () => {
      const lasting = { ...asked, lifetime: 3 * 3600 * 1000 };
      expect(restates(lasting, { ...lasting, at: at(3600) })).toBe(true);
      expect(restates(lasting, { ...lasting, at: at(2 * 3600) })).toBe(false);
    });
  });
});

describe("what may be a Notary signature", () => {
  const entry = (mediaType: string, artifactType?: string) => ({
    place,
    descriptor: { mediaType, artifactType, digest: subject.digest, size: 1 },
  });
  it.each([
    [OCI_MANIFEST, NOTATION_SIGNATURE, true],
    [OCI_MANIFEST, undefined, true],
    [OCI_MANIFEST, "application/vnd.dev.sigstore.bundle.v0.3+json", false],
    ["application/vnd.oci.image.index.v1+json", NOTATION_SIGNATURE, false],
  ])("%s of artifact type %s: %s", (mediaType, artifactType, expected) => {
    for (const format of formats) expect(format.recognises(entry(mediaType, artifactType))).toBe(expected);
  });

  it("is told by the type of its blob: each format reads what the other wrote, as the other's", () => {
    const pki = createPki();
    expect(evidenceOf(notationFormat, made(notationCoseFormat, pki)).format).toBe("notation-cose");
    expect(evidenceOf(notationCoseFormat, made(notationFormat, pki)).format).toBe("notation");
    const read = notationFormat.read({ ...stored(made(notationFormat, pki)), mediaType: "text/plain" });
    expect(read).toMatchObject({ reason: { code: "E_FORMAT_UNSUPPORTED" } });
  });
});
