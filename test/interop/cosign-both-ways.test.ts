import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type CosignFormat, type CosignVerify, cosignImportKey, cosignSign, cosignVerify } from "./support/cosign.ts";
import { signHere, verdictsOf, verifyHere } from "./support/countersign.ts";
import { type PushedImage, pushImage } from "./support/image.ts";
import { describeWithPeer } from "./support/peers.ts";
import { createPki, generateKey, KEY_TYPES, type KeyPair, type KeyType, type Pki } from "./support/pki.ts";
import { type KeptSignature, keptSignatures, plant, withClaims } from "./support/planted.ts";
import { type InteropRegistry, REGISTRIES } from "./support/registries.ts";

// Real programs, several for each promise, beside whatever else this machine does.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const formats: readonly CosignFormat[] = ["cosign", "bundle"];
const trusts = ["key", "certificate"] as const;
type TrustKind = (typeof trusts)[number];
/** What cosign says of a signature that does not verify, by ECDSA, RSA and Ed25519, and of a bundle. */
const invalidSignature = /invalid signature|verification error|failed to verify|could not verify/;
const cases = formats.flatMap((format) => trusts.map((by) => ({ format, by })));

describeWithPeer(
  ["cosign", "docker-registry"],
  "images signed here and by cosign 3.1.2, on both kinds of registries",
  () => {
    const keys = new Map<KeyType, KeyPair>(KEY_TYPES.map((type) => [type, generateKey(type)]));
    const stranger = generateKey("p256");
    const registries: InteropRegistry[] = [];
    let pki: Pki;
    let strangers: Pki;

    beforeAll(async () => {
      for (const { start } of REGISTRIES) registries.push(await start());
      [pki, strangers] = await Promise.all([createPki("Company"), createPki("Stranger")]);
    });
    afterAll(() => Promise.all(registries.map(({ stop }) => stop())));

    function keyOf(type: KeyType): KeyPair {
      const key = keys.get(type);
      if (key === undefined) throw new Error(type);
      return key;
    }

    /** One image in each registry. */
    function pushEverywhere(repository: string, seed = repository): Promise<PushedImage[]> {
      return Promise.all(registries.map(({ host }) => pushImage(host, repository, seed)));
    }

    /** Another key that the same algorithms fit. */
    function otherKeyOf(type: KeyType): KeyPair {
      if (type.startsWith("rsa")) return keyOf(type === "rsa2048" ? "rsa3072" : "rsa2048");
      return generateKey(type);
    }

    const uriOf = (type: KeyType) => `https://ci.example.test/release/${type}`;

    /** The certificate of a key with the issuers that go with it; nothing for a bare key. */
    async function certificatesOf(type: KeyType, by: TrustKind): Promise<{ certificate?: string; chain?: string }> {
      if (by === "key") return {};
      return { certificate: await pki.issue(keyOf(type), { uri: uriOf(type) }), chain: pki.chain };
    }

    /** What a user tells cosign: the legacy format brings its intermediate along, the bundle format does not. */
    function cosignTrust(type: KeyType, by: TrustKind, format: CosignFormat): CosignVerify["trust"] {
      if (by === "key") return { key: keyOf(type).publicPem };
      const intermediates = format === "bundle" ? pki.intermediate : undefined;
      return { roots: pki.root, intermediates, identity: uriOf(type) };
    }

    describe("signed here", () => {
      for (const type of KEY_TYPES) {
        for (const { format, by } of cases) {
          it.concurrent(`cosign verifies ${format} by a ${type} ${by}, and refuses another ${by}`, async () => {
            const images = await pushEverywhere(`here/${type}/${format}/${by}`);
            const references = images.map(({ reference }) => reference);
            const signed = await signHere({
              images: references,
              formats: [format],
              key: keyOf(type).privatePem,
              ...(await certificatesOf(type, by)),
            });
            expect(signed.exitCode, signed.stdout).toBe(0);
            const trust = cosignTrust(type, by, format);
            const verified = await cosignVerify({ image: references, format, trust });
            expect(verified.exitCode, verified.stderr).toBe(0);

            const wrong =
              by === "key" ? { key: otherKeyOf(type).publicPem } : { ...trust, identity: `${uriOf(type)}/x` };
            const [image = ""] = type === "p384" ? references.toReversed() : references;
            const refused = await cosignVerify({ image, format, trust: wrong as CosignVerify["trust"] });
            expect(refused.exitCode).not.toBe(0);
            expect(refused.stderr).toMatch(by === "key" ? invalidSignature : /identit/i);
          });
        }
      }
    });

    describe("signed by cosign", () => {
      const signed: { readonly image: PushedImage; readonly by: TrustKind }[] = [];
      const imported = new Map<KeyType, Promise<string>>();

      function cosignKeyOf(type: KeyType): Promise<string> {
        const known =
          imported.get(type) ?? cosignImportKey(keyOf(type).privatePem).then(({ privateKey }) => privateKey);
        imported.set(type, known);
        return known;
      }

      for (const type of KEY_TYPES) {
        for (const { format, by } of cases) {
          it.concurrent(`verifies ${format} by a ${type} ${by}`, async () => {
            const images = await pushEverywhere(`theirs/${type}/${format}/${by}`);
            const references = images.map(({ reference }) => reference);
            const key = await cosignKeyOf(type);
            const done = await cosignSign({ image: references, format, key, ...(await certificatesOf(type, by)) });
            expect(done.exitCode, done.stderr).toBe(0);
            signed.push(...images.map((image) => ({ image, by })));
            // cosign stores the chain in neither format.
            const verified = await verifyHere({
              images: references,
              trust:
                by === "key"
                  ? { key: keyOf(type).publicPem }
                  : { roots: pki.root, intermediates: pki.intermediate, identity: uriOf(type) },
            });
            expect(verdictsOf(verified)).toEqual(["trusted", "trusted"]);
            expect(verified.exitCode).toBe(0);
          });
        }
      }

      it("refuses each by another key, another identity and another authority", async () => {
        expect(signed).toHaveLength(KEY_TYPES.length * cases.length * registries.length);
        const of = (wanted: TrustKind) =>
          signed.filter(({ by }) => by === wanted).map(({ image: { reference } }) => reference);
        const byKey = await verifyHere({ images: of("key"), trust: { key: stranger.publicPem } });
        expect(byKey.exitCode).toBe(1);
        expect(new Set(verdictsOf(byKey))).toEqual(new Set(["untrusted E_KEY_MISMATCH"]));
        const trust = { roots: pki.root, intermediates: pki.intermediate, identity: "https://ci.example.test/release" };
        const byIdentity = await verifyHere({ images: of("certificate"), trust });
        expect(byIdentity.exitCode).toBe(1);
        expect(new Set(verdictsOf(byIdentity))).toEqual(new Set(["untrusted E_IDENTITY_MISMATCH"]));
        const other = { roots: strangers.root, intermediates: strangers.intermediate, identity: uriOf("p256") };
        const byAuthority = await verifyHere({ images: of("certificate"), trust: other });
        expect(byAuthority.exitCode).toBe(1);
        expect(byAuthority.report.images.every(({ verdict }) => verdict === "untrusted")).toBe(true);
        expect(verdictsOf(byAuthority).every((verdict) => verdict.includes("E_CERTIFICATE_UNTRUSTED"))).toBe(true);
      });
    });

    describe("stored by somebody who may write to the registry", () => {
      for (const { format, by } of cases) {
        for (const origin of ["here", "cosign"] as const) {
          it.concurrent(`refuses, as cosign does, ${format} by a ${by} from ${origin}, changed or of another image`, async () => {
            const name = `planted/${format}/${by}/${origin}`;
            const [originals, changed, moved] = await Promise.all([
              pushEverywhere(name, "original"),
              pushEverywhere(name, "changed"),
              pushEverywhere(name, "moved"),
            ]);
            const { privatePem } = keyOf("p256");
            const certificates = await certificatesOf("p256", by);
            const references = originals.map(({ reference }) => reference);
            if (origin === "here") {
              await signHere({ images: references, formats: [format], key: privatePem, ...certificates });
            } else {
              const { privateKey } = await cosignImportKey(privatePem);
              await cosignSign({ image: references, format, key: privateKey, ...certificates });
            }
            for (const [position, original] of originals.entries()) {
              const [target, other] = [changed[position], moved[position]];
              if (target === undefined || other === undefined) throw new Error("an image a registry");
              const kept = await keptSignatures(original, format);
              expect(kept).toHaveLength(1);
              await plant(
                target,
                kept.map((signature) => naming(signature, original, target)),
              );
              await plant(other, kept);
            }
            // What cosign signed comes without its chain, whatever the format.
            const trust =
              by === "key"
                ? { key: keyOf("p256").publicPem }
                : { roots: pki.root, intermediates: pki.intermediate, identity: uriOf("p256") };
            for (const { reference } of changed) {
              const refused = await cosignVerify({ image: reference, format, trust });
              expect(refused.exitCode).not.toBe(0);
              expect(refused.stderr).toMatch(invalidSignature);
            }
            for (const { reference } of moved) {
              const refused = await cosignVerify({ image: reference, format, trust });
              expect(refused.exitCode).not.toBe(0);
              expect(refused.stderr).toMatch(/digest/);
            }
            const attacked = [...changed, ...moved].map(({ reference }) => reference);
            const here = await verifyHere({ images: attacked, trust });
            expect(here.exitCode).toBe(1);
            const [first, second, third, fourth] = verdictsOf(here);
            // A payload without certificate or key hint does not tell a changed one from one by another key.
            const invalid = format === "cosign" && by === "key" ? "E_KEY_MISMATCH" : "E_SIGNATURE_INVALID";
            expect([first, second]).toEqual([`untrusted ${invalid}`, `untrusted ${invalid}`]);
            expect([third, fourth]).toEqual(["untrusted E_SUBJECT_MISMATCH", "untrusted E_SUBJECT_MISMATCH"]);
          });
        }
      }
    });
  },
);

/** The signature changed to name another image. */
function naming(signature: KeptSignature, from: PushedImage, to: PushedImage): KeptSignature {
  const hex = (image: PushedImage) => image.digest.slice("sha256:".length);
  return withClaims(signature, (claims) => claims.replaceAll(hex(from), hex(to)));
}
