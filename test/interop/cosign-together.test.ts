import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { ListReport } from "../../src/reports/report.ts";
import { fileOf, runCountersign } from "../support/countersign.ts";
import { authority, DAY, issue, signer } from "../trust/support/pki.ts";
import {
  type CosignFormat,
  cosignGenerateKey,
  cosignImportKey,
  cosignPassword,
  cosignSign,
  cosignVerify,
  runCosign,
} from "./support/cosign.ts";
import { signHere, verdictsOf, verifyHere } from "./support/countersign.ts";
import { craftLegacy, payloadOf } from "./support/crafted.ts";
import { type PushedImage, pushImage, pushIndex } from "./support/image.ts";
import { describeWithPeer } from "./support/peers.ts";
import { generateKey, type KeyPair } from "./support/pki.ts";
import { keptSignatures, plant } from "./support/planted.ts";
import { type InteropRegistry, REGISTRIES } from "./support/registries.ts";

// Real programs, several for each promise, beside whatever else this machine does.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const formats: readonly CosignFormat[] = ["cosign", "bundle"];

describeWithPeer(["cosign", "docker-registry"], "countersign and cosign 3.1.2 on one image", () => {
  for (const { name, start } of REGISTRIES) {
    describe.concurrent(`on ${name}`, () => {
      let registry: InteropRegistry;
      beforeAll(async () => {
        registry = await start();
      });
      afterAll(() => registry?.stop());

      for (const format of formats) {
        it(`add ${format} signatures to one another's, and lose none`, async () => {
          const image = await pushImage(registry.host, `turns/${format}`);
          const signers: KeyPair[] = [];
          for (const who of ["cosign", "here", "cosign", "here", "cosign"]) {
            const key = generateKey("p256");
            signers.push(key);
            if (who === "here") {
              const done = await signHere({ images: [image.reference], formats: [format], key: key.privatePem });
              expect(done.exitCode, done.stdout).toBe(0);
            } else {
              const { privateKey } = await cosignImportKey(key.privatePem);
              const done = await cosignSign({ image: image.reference, format, key: privateKey });
              expect(done.exitCode, done.stderr).toBe(0);
            }
          }
          expect(await keptSignatures(image, format)).toHaveLength(signers.length);
          for (const { publicPem } of signers) {
            const theirs = await cosignVerify({ image: image.reference, format, trust: { key: publicPem } });
            expect(theirs.exitCode, theirs.stderr).toBe(0);
          }
          // Of several keys any counts: the report tells of each signature whether one of them made it.
          const [first, ...others] = signers;
          if (first === undefined) throw new Error("nobody signed");
          const flags = others.flatMap(({ publicPem }) => ["--key", fileOf(publicPem)]);
          const ours = await verifyHere({ images: [image.reference], trust: { key: first.publicPem }, flags });
          expect(ours.report.images[0]?.signatures.map(({ trusted }) => trusted)).toEqual(signers.map(() => true));
        });

        it(`sign an index with all its images as ${format}, and verify one another's`, async () => {
          const [mine, theirs] = [
            await pushIndex(registry.host, `index/${format}`, ["amd64", "arm64"], "mine"),
            await pushIndex(registry.host, `index/${format}`, ["amd64", "s390x", "riscv64"], "theirs"),
          ];
          const { privateKey, publicKey } = await cosignGenerateKey();
          const signed = await signHere({
            images: [mine.index.reference],
            formats: [format],
            key: privateKey,
            flags: ["--recursive"],
            env: { COSIGN_PASSWORD: cosignPassword },
          });
          expect(signed.exitCode, signed.stdout).toBe(0);
          const all = [mine.index, ...mine.children].map(({ reference }) => reference);
          const byCosign = await cosignVerify({ image: all, format, trust: { key: publicKey } });
          expect(byCosign.exitCode, byCosign.stderr).toBe(0);

          const done = await cosignSign({ image: theirs.index.reference, format, key: privateKey, recursive: true });
          expect(done.exitCode, done.stderr).toBe(0);
          const byUs = await verifyHere({
            images: [theirs.index.reference],
            trust: { key: publicKey },
            flags: ["--recursive"],
          });
          expect(byUs.report.images.map(({ digest }) => digest).sort()).toEqual(
            [theirs.index, ...theirs.children].map(({ digest }) => digest).sort(),
          );
          expect(new Set(verdictsOf(byUs))).toEqual(new Set(["trusted"]));
        });

        it(`read one another's annotations in ${format}`, async () => {
          const annotations = {
            branch: "release/1.2",
            markup: "<b>&amp;</b>",
            text: "Grüße, 世界 \u{1f511}\u2028",
            equation: "a=b=c",
            empty: "",
          };
          const [mine, theirs] = [
            await pushImage(registry.host, `annotated/${format}`, "mine"),
            await pushImage(registry.host, `annotated/${format}`, "theirs"),
          ];
          const key = generateKey("p256");
          const trust = { key: key.publicPem };
          await signHere({ images: [mine.reference], formats: [format], key: key.privatePem, annotations });
          // A comma parts annotations for cosign, unless the whole is quoted as CSV.
          const quoted = Object.fromEntries(
            Object.entries(annotations).map(([name, value]) => [`"${name}`, `${value}"`]),
          );
          const byCosign = await cosignVerify({ image: mine.reference, format, trust, annotations: quoted });
          expect(byCosign.exitCode, byCosign.stderr).toBe(0);
          const { privateKey } = await cosignImportKey(key.privatePem);
          const done = await cosignSign({ image: theirs.reference, format, key: privateKey, annotations: quoted });
          expect(done.exitCode, done.stderr).toBe(0);
          expect(verdictsOf(await verifyHere({ images: [theirs.reference], trust, annotations }))).toEqual(["trusted"]);

          const other = { ...annotations, markup: "<b>&</b>" };
          const images = [mine.reference, theirs.reference];
          const refused = await verifyHere({ images, trust, annotations: other });
          expect(verdictsOf(refused)).toEqual(Array(2).fill("untrusted E_ANNOTATION_MISMATCH"));
          for (const image of images) {
            const wrong = await cosignVerify({ image, format, trust, annotations: { markup: "<b>&</b>" } });
            expect(wrong.exitCode).not.toBe(0);
          }
        });
      }

      it("sign the same bytes: the payload is what cosign generate prints", async () => {
        const key = generateKey("p256").privatePem;
        for (const [repository, annotations] of [
          ["plain", undefined],
          ["deep/er/na-me_d.x", { zebra: "1", alpha: "<&>", "ключ.ü": 'quo"te\\ \u2029 \u{1f511}\t', b: "", B: "x" }],
        ] as const) {
          const image = await pushImage(registry.host, repository, "generate", "v1");
          await signHere({ images: [image.reference], formats: ["cosign"], key, annotations });
          const flags = Object.entries(annotations ?? {}).flatMap(([name, value]) => [
            "-a",
            `"${name}=${value.replaceAll('"', '""')}"`,
          ]);
          const generated = await runCosign(["generate", ...flags, image.reference]);
          expect(generated.exitCode, generated.stderr).toBe(0);
          const [signature] = await keptSignatures(image, "cosign");
          expect(signature?.blob.toString()).toBe(generated.stdout);
        }
      });

      it("see the same attachments by cosign tree and countersign list", async () => {
        const image = await pushImage(registry.host, "seen", "seen", "v1");
        const key = generateKey("p256");
        await signHere({ images: [image.reference], formats, key: key.privatePem });
        const { privateKey } = await cosignImportKey(key.privatePem);
        await runCosign([
          ...["attest", "--use-signing-config=false", "--tlog-upload=false", "--key", fileOf(privateKey)],
          ...["--type", "spdxjson", "--predicate", fileOf('{"spdxVersion":"SPDX-2.3"}'), image.reference],
        ]);
        const tree = await runCosign(["tree", image.reference]);
        expect(tree.exitCode, tree.stderr).toBe(0);
        const listed = await runCountersign(["list", "--output", "json", image.reference]);
        expect(listed.exitCode, listed.stderr).toBe(0);
        const { attachments } = (listed.json() as ListReport).images[0] ?? { attachments: [] };
        expect(attachments.map(({ kind, format }) => [kind, format]).sort()).toEqual([
          ["attestation", "bundle"],
          ["signature", "bundle"],
          ["signature", "cosign"],
        ]);
        // cosign shows a line for each layer, and names each referrer and each layer of a tag by its digest.
        expect(tree.stdout.match(/🍒/gu)).toHaveLength(attachments.length);
        for (const { place } of attachments) expect(tree.stdout).toContain(place.digest);
      });
    });
  }
});

describeWithPeer(["cosign", "docker-registry"], "keys and certificates as cosign 3.1.2 takes them", () => {
  let registry: InteropRegistry;
  beforeAll(async () => {
    registry = (await REGISTRIES[0]?.start()) as InteropRegistry;
  });
  afterAll(() => registry?.stop());

  it("reads cosign's encrypted keys, generated and imported, and no other password opens them", async () => {
    const image = await pushImage(registry.host, "keys", "keys");
    const pair = generateKey("rsa2048");
    for (const [made, env] of [
      [await cosignGenerateKey("other password"), { COSIGN_PASSWORD: "other password" }],
      [await cosignGenerateKey(""), { COSIGN_PASSWORD: "" }],
      [await cosignImportKey(pair.privatePem), { COSIGN_PASSWORD: cosignPassword }],
    ] as const) {
      const { privateKey: key, publicKey } = made;
      const images = [image.reference];
      const signed = await signHere({ images, formats: ["cosign"], key, env });
      expect(signed.exitCode, signed.stdout).toBe(0);
      const verified = await cosignVerify({ image: image.reference, format: "cosign", trust: { key: publicKey } });
      expect(verified.exitCode, verified.stderr).toBe(0);
      const refused = await runCountersign(["sign", "--key", fileOf(key), image.reference], {
        env: { COSIGN_PASSWORD: "wrong" },
      });
      expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining("E_PASSPHRASE_WRONG")]);
    }
  });

  const uri = "https://ci.example.test/release";
  const now = Date.now();
  const period = { notBefore: new Date(now - DAY), notAfter: new Date(now + DAY) };
  const past = { notBefore: new Date(now - 30 * DAY), notAfter: new Date(now - DAY) };
  const root = issue({ ...authority("Root"), ...period, notBefore: new Date(now - 60 * DAY) });
  const intermediate = issue({ ...authority("Intermediate"), issuer: root, ...period, notBefore: past.notBefore });
  const leafSpec = { ...signer(), alternativeNames: [["uri", uri]] as const, issuer: intermediate, ...period };
  const chain = intermediate.pem + root.pem;

  async function crafted(by: ReturnType<typeof issue>, itsChain = chain): Promise<PushedImage> {
    const image = await pushImage(registry.host, "crafted", by.certificate.fingerprint);
    await plant(image, [craftLegacy(payloadOf(image), { key: by.key, certificate: by.pem, chain: itsChain })]);
    return image;
  }

  /** What both say of a signature, with the root alone: cosign's exit code as a yes or no. */
  async function bothSay(image: PushedImage, roots = root.pem): Promise<[boolean, string]> {
    const trust = { roots, identity: uri };
    const theirs = await cosignVerify({ image: image.reference, format: "cosign", trust });
    const [ours = ""] = verdictsOf(await verifyHere({ images: [image.reference], trust }));
    return [theirs.exitCode === 0, ours];
  }

  it("agree on an intermediate that is trusted as if it were a root", async () => {
    expect(await bothSay(await crafted(issue(leafSpec)), intermediate.pem)).toEqual([true, "trusted"]);
  });

  it("agree to refuse a certificate that has expired, is not valid yet, or is for other purposes", async () => {
    const future = { notBefore: new Date(now + DAY / 2), notAfter: period.notAfter };
    expect(await bothSay(await crafted(issue({ ...leafSpec, ...past })))).toEqual([
      false,
      "untrusted E_CERTIFICATE_EXPIRED",
    ]);
    expect(await bothSay(await crafted(issue({ ...leafSpec, ...future })))).toEqual([
      false,
      "untrusted E_CERTIFICATE_NOT_YET_VALID",
    ]);
    const lapsed = issue({ ...authority("Lapsed"), issuer: root, ...past });
    const under = issue({ ...leafSpec, issuer: lapsed, notBefore: past.notBefore });
    expect(await bothSay(await crafted(under, lapsed.pem + root.pem))).toEqual([
      false,
      "untrusted E_CERTIFICATE_EXPIRED",
    ]);
    const server = issue({ ...leafSpec, extendedKeyUsage: ["1.3.6.1.5.5.7.3.1"] });
    expect(await bothSay(await crafted(server))).toEqual([false, "untrusted E_CERTIFICATE_USAGE"]);
  });

  it("agree to refuse a chain through a certificate that is no authority, or past its path length", async () => {
    const other = issue({ ...leafSpec, subject: "Other" });
    const under = issue({ ...leafSpec, issuer: other });
    const [theirs, ours] = await bothSay(await crafted(under, other.pem + chain));
    expect([theirs, ours]).toEqual([false, expect.stringMatching(/^untrusted .*E_CERTIFICATE_(CONSTRAINT|USAGE)/)]);
    const short = issue({ ...authority("Short"), ca: { pathLength: 0 }, issuer: root, ...period });
    const below = issue({ ...authority("Below"), issuer: short, ...period });
    const deep = issue({ ...leafSpec, issuer: below });
    const [deepTheirs, deepOurs] = await bothSay(await crafted(deep, below.pem + short.pem + root.pem));
    expect([deepTheirs, deepOurs]).toEqual([false, "untrusted E_CERTIFICATE_CONSTRAINT"]);
  });
});
