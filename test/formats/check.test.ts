import { describe, expect, it } from "vitest";
import { formats } from "../../src/formats/registry.ts";
import { ALGORITHMS } from "../../src/model/algorithm.ts";
import { COSIGN_SIGNATURE } from "../../src/model/media-types.ts";
import { publicKeyFrom } from "../../src/trust/public-keys.ts";
import {
  authority,
  CODE_SIGNING,
  createPki,
  DAY,
  issue,
  makeKey,
  NOW,
  SERVER_AUTH,
  signer,
} from "../trust/support/pki.ts";
import {
  bareKey,
  certified,
  check,
  codesOf,
  evidenceOf,
  makeArtefact,
  otherDigest,
  plain,
  stored,
  subject,
  trusting,
} from "./support/signing.ts";

const pki = createPki();
const root = pki.root.certificate;
const intermediates = pki.intermediates.map(({ certificate }) => certificate);

/** Notary signatures, which only certificates make, have tests of their own. */
const simple = [formats.cosign, formats.bundle];

describe.each(simple)("a $name signature by a bare key", (format) => {
  it.each(["p256", "p384", "p521", "rsa2048", "rsa3072", "rsapss", "ed25519"] as const)(
    "of type %s counts for that key, and tells algorithm and signer",
    async (kind) => {
      const key = makeKey(kind);
      const material = bareKey(key);
      const finding = await check(format, makeArtefact(format, key, material), { keys: [material.publicKey] });
      expect(finding.reasons).toEqual([]);
      expect(finding.algorithm).toBe(format.prepare(subject, material, plain).algorithm);
      expect(finding.signer).toEqual({
        subject: null,
        sans: [],
        issuer: null,
        fingerprint: material.publicKey.fingerprint,
      });
      expect(finding.certificate).toBeUndefined();
    },
  );

  it.each(ALGORITHMS.filter((algorithm) => algorithm !== "ed25519ph"))(
    "verifies with %s when that was chosen",
    async (algorithm) => {
      const kind = algorithm.startsWith("rsa")
        ? "rsa2048"
        : algorithm === "ed25519"
          ? "ed25519"
          : algorithm.slice(6, 10);
      const key = makeKey(kind as "p256");
      const material = bareKey(key);
      const artefact = makeArtefact(format, key, material, { ...plain, algorithm });
      expect(await check(format, artefact, { keys: [material.publicKey] })).toMatchObject({ reasons: [], algorithm });
      const others = ALGORITHMS.filter((other) => other !== algorithm);
      const refused = await check(format, artefact, { keys: [material.publicKey], allowedAlgorithms: others });
      expect(codesOf(refused)).toEqual(["E_ALGORITHM_NOT_ALLOWED"]);
      expect(refused.reasons[0]?.message).toContain(algorithm);
    },
  );

  const key = makeKey("p256");
  const material = bareKey(key);
  const artefact = makeArtefact(format, key, material);

  it("is found among several trusted keys", async () => {
    const keys = [bareKey(makeKey("p256")), bareKey(makeKey("rsa2048")), material].map(({ publicKey }) => publicKey);
    expect((await check(format, artefact, { keys })).reasons).toEqual([]);
  });

  it("is a mismatch for other keys", async () => {
    const keys = [bareKey(makeKey("p256")).publicKey, bareKey(makeKey("ed25519")).publicKey];
    const { reasons } = await check(format, artefact, { keys });
    expect(reasons.map(({ code }) => code)).toEqual(["E_KEY_MISMATCH"]);
    expect(reasons[0]?.message).toContain("none of the 2 trusted keys");
  });

  it("is a mismatch for one other key, which is not counted", async () => {
    const { reasons } = await check(format, artefact, { keys: [bareKey(makeKey("p256")).publicKey] });
    expect(reasons[0]?.message).toMatch(/does not verify with (?:the trusted key|it)/);
    expect(reasons[0]?.message).not.toContain("none");
  });

  it("misses a certificate where only anchors are trusted", async () => {
    expect(codesOf(await check(format, artefact, { anchors: [root] }))).toEqual(["E_CERTIFICATE_MISSING"]);
  });

  it("tells both where keys and anchors are trusted and neither holds", async () => {
    const keys = [bareKey(makeKey("p256")).publicKey];
    expect(codesOf(await check(format, artefact, { keys, anchors: [root] }))).toEqual([
      "E_KEY_MISMATCH",
      "E_CERTIFICATE_MISSING",
    ]);
  });

  it("counts for nobody where nothing is trusted", async () => {
    expect(codesOf(await check(format, artefact, {}))).toEqual(["E_CERTIFICATE_UNTRUSTED"]);
  });

  it("is refused for another image", async () => {
    const trust = trusting({ keys: [material.publicKey] });
    const finding = await format.check(evidenceOf(format, artefact), otherDigest, trust, NOW);
    expect(codesOf(finding)).toEqual(["E_SUBJECT_MISMATCH"]);
    expect(finding.reasons[0]?.message).toContain(subject.digest);
  });

  it("collects every reason that there is", async () => {
    const trust = trusting({ keys: [bareKey(makeKey("p256")).publicKey] });
    const finding = await format.check(evidenceOf(format, artefact), otherDigest, trust, NOW);
    expect(codesOf(finding)).toEqual(["E_KEY_MISMATCH", "E_SUBJECT_MISMATCH"]);
  });
});

describe.each(simple)("a $name signature with a certificate", (format) => {
  const artefact = makeArtefact(format, pki.key, certified(pki));

  it("counts under its root alone, and tells who signed", async () => {
    const finding = await check(format, artefact, { anchors: [root] });
    expect(finding.reasons).toEqual([]);
    expect(finding.certificate?.fingerprint).toBe(pki.leaf.certificate.fingerprint);
    expect(finding.signer).toEqual({
      subject: pki.leaf.certificate.subject.text,
      sans: ["release@example.com"],
      issuer: null,
      fingerprint: pki.leaf.certificate.fingerprint,
    });
  });

  it.each([0, 1, 2])("counts with %i issuers beside it and the rest from the caller", async (issuers) => {
    const partial = makeArtefact(format, pki.key, certified(pki, issuers));
    expect((await check(format, partial, { anchors: [root], intermediates })).reasons).toEqual([]);
  });

  it("finds no path without the intermediate", async () => {
    const leafOnly = makeArtefact(format, pki.key, certified(pki, 0));
    const finding = await check(format, leafOnly, { anchors: [root] });
    expect(codesOf(finding)).toEqual(["E_CERTIFICATE_UNTRUSTED"]);
    expect(finding.certificate).toBeUndefined();
    expect(finding.signer?.subject).toBe(pki.leaf.certificate.subject.text);
  });

  it("does not count under an unrelated root, though its own came with it", async () => {
    expect(codesOf(await check(format, artefact, { anchors: [createPki().root.certificate] }))).toEqual([
      "E_CERTIFICATE_UNTRUSTED",
    ]);
  });

  it.each([
    ["before", -101 * DAY, "E_CERTIFICATE_NOT_YET_VALID"],
    ["after", 101 * DAY, "E_CERTIFICATE_EXPIRED"],
  ])("does not count %s its certificates are valid", async (_, offset, code) => {
    expect(codesOf(await check(format, artefact, { anchors: [root] }, new Date(NOW.getTime() + offset)))).toContain(
      code,
    );
  });

  it("does not count with a certificate for something else", async () => {
    const server = createPki({ leaf: { ...signer(), extendedKeyUsage: [SERVER_AUTH] } });
    const finding = await check(format, makeArtefact(format, server.key, certified(server)), {
      anchors: [server.root.certificate],
    });
    expect(codesOf(finding)).toEqual(["E_CERTIFICATE_USAGE"]);
  });

  it("does not count with a certificate that nobody vouches for", async () => {
    const alone = issue({ ...signer(), extendedKeyUsage: [CODE_SIGNING] });
    const material = { publicKey: publicKeyFrom(alone.publicKey), chain: [alone.certificate] };
    const finding = await check(format, makeArtefact(format, alone.key, material), { anchors: [alone.certificate] });
    expect(codesOf(finding)).toEqual(["E_CERTIFICATE_SELF_SIGNED"]);
  });

  it("does not count with a weak key, said once", async () => {
    const weak = issue({ ...signer(), keyKind: "rsa1024", issuer: pki.root });
    const honest = makeArtefact(format, pki.key, certified(pki));
    const evidence = { ...evidenceOf(format, honest), certificates: [weak.certificate] };
    const finding = await format.check(evidence, subject.digest, trusting({ anchors: [root] }), NOW);
    expect(codesOf(finding)).toEqual(["E_KEY_WEAK"]);
  });

  it("does not count when another key signed than the certificate's", async () => {
    const forged = makeArtefact(format, makeKey("p256"), certified(pki));
    expect(codesOf(await check(format, forged, { anchors: [root] }))).toEqual(["E_SIGNATURE_INVALID"]);
  });

  it("counts for its key where that is what is trusted, its path unasked", async () => {
    const { publicKey } = certified(pki);
    const finding = await check(format, artefact, { keys: [publicKey] }, new Date(NOW.getTime() + 1000 * DAY));
    expect(finding.reasons).toEqual([]);
    expect(finding.certificate).toBeUndefined();
  });

  it("is a mismatch for another key, naming whose certificate it has", async () => {
    const finding = await check(format, artefact, { keys: [bareKey(makeKey("p256")).publicKey] });
    expect(codesOf(finding)).toEqual(["E_KEY_MISMATCH"]);
    expect(finding.reasons[0]?.message).toContain("CN=release");
  });

  it("counts under its root beside trusted keys that are not its own", async () => {
    expect(
      (await check(format, artefact, { keys: [bareKey(makeKey("p256")).publicKey], anchors: [root] })).reasons,
    ).toEqual([]);
  });

  it("keeps an authority from vouching for others' leaves by its name alone", async () => {
    const impostor = issue({ ...authority("Root"), key: makeKey("p256") });
    const leaf = issue({ ...signer(), issuer: impostor });
    const material = { publicKey: publicKeyFrom(leaf.publicKey), chain: [leaf.certificate, impostor.certificate] };
    const finding = await check(format, makeArtefact(format, leaf.key, material), { anchors: [root] });
    expect(finding.reasons.length).toBeGreaterThan(0);
    expect(finding.certificate).toBeUndefined();
  });
});

describe("a signature that was changed", () => {
  it("is told from one by another key where it names its key", async () => {
    const key = makeKey("p256");
    const material = bareKey(key);
    const prepared = formats.bundle.prepare(subject, material, plain);
    const other = formats.bundle.prepare({ ...subject, digest: otherDigest }, material, plain);
    const signature = evidenceOf(formats.bundle, makeArtefact(formats.bundle, key, material)).signature;
    const moved = formats.bundle.assemble({ ...prepared, bytes: other.bytes }, signature, material, plain);
    const finding = await check(formats.bundle, moved, { keys: [material.publicKey] });
    expect(codesOf(finding)).toEqual(["E_SIGNATURE_INVALID", "E_SUBJECT_MISMATCH"]);
  });

  it("cannot be told where it names none, and says so", async () => {
    const key = makeKey("p256");
    const material = bareKey(key);
    const artefact = makeArtefact(formats.cosign, key, material);
    const bytes = Buffer.from(Buffer.from(artefact.bytes).toString().replace("null", '{"k":"v"}'));
    const finding = await check(formats.cosign, { ...artefact, bytes }, { keys: [material.publicKey] });
    expect(codesOf(finding)).toEqual(["E_KEY_MISMATCH"]);
    expect(finding.reasons[0]?.message).toMatch(/changed since/);
  });

  it("is invalid with its own certificate", async () => {
    const artefact = makeArtefact(formats.cosign, pki.key, certified(pki));
    const bytes = Buffer.from(Buffer.from(artefact.bytes).toString().replace("null", '{"k":"v"}'));
    expect(codesOf(await check(formats.cosign, { ...artefact, bytes }, { anchors: [root] }))).toEqual([
      "E_SIGNATURE_INVALID",
    ]);
  });

  it("may be any bytes, and is refused without a throw", async () => {
    const artefact = makeArtefact(formats.cosign, pki.key, certified(pki));
    for (const junk of ["AA==", Buffer.alloc(5000, 1).toString("base64"), "MEUCIQ=="]) {
      const annotations = { ...artefact.annotations, [COSIGN_SIGNATURE]: junk };
      const read = formats.cosign.read(stored({ ...artefact, annotations }));
      if ("reason" in read) expect(read.reason.code).toBe("E_SIGNATURE_MALFORMED");
      else
        expect(codesOf(await formats.cosign.check(read, subject.digest, trusting({ anchors: [root] }), NOW))).toEqual([
          "E_SIGNATURE_INVALID",
        ]);
    }
  });
});
