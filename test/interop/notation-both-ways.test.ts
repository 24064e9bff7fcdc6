import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { VerifyReport } from "../../src/reports/report.ts";
import { fileOf, runCountersign } from "../support/countersign.ts";
import { type PushedImage, pushImage } from "./support/image.ts";
import { keptEnvelopes, plantEnvelope } from "./support/notary-crafted.ts";
import {
  createNotaryPki,
  IDENTITY,
  NOTARY_KEYS,
  type NotaryKey,
  type NotaryLeaf,
  type NotaryPki,
  SUBJECT,
} from "./support/notary-pki.ts";
import { notationFolder, notationSign, notationVerify } from "./support/notation.ts";
import { describeWithPeer } from "./support/peers.ts";
import { generateKey } from "./support/pki.ts";
import { type InteropRegistry, REGISTRIES } from "./support/registries.ts";

// Real programs, several for each promise, beside whatever else this machine does.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });

const envelopes = ["jws", "cose"] as const;
const manifests = ["legacy", "artifact"] as const;
const formatOf = { jws: "notation", cose: "notation-cose" } as const;

describeWithPeer(
  ["notation", "docker-registry"],
  "images signed here and by notation 1.3.2, on both kinds of registries",
  () => {
    const registries: InteropRegistry[] = [];
    const leaves = new Map<NotaryKey, NotaryLeaf>();
    let pki: NotaryPki;
    let strangers: NotaryPki;
    let trusting: string;

    beforeAll(async () => {
      for (const { start } of REGISTRIES) registries.push(await start());
      [pki, strangers] = await Promise.all([createNotaryPki("Company"), createNotaryPki("Stranger")]);
      for (const type of NOTARY_KEYS) leaves.set(type, await pki.issue(generateKey(type)));
      trusting = notationFolder({ roots: pki.root, identity: IDENTITY });
    });
    afterAll(() => Promise.all(registries.map(({ stop }) => stop())));

    function leafOf(type: NotaryKey): NotaryLeaf {
      const leaf = leaves.get(type);
      if (leaf === undefined) throw new Error(type);
      return leaf;
    }

    function pushEverywhere(repository: string): Promise<PushedImage[]> {
      return Promise.all(registries.map(({ host }) => pushImage(host, repository, repository)));
    }

    /** One in the registry with the referrers API. */
    function push(repository: string): Promise<PushedImage> {
      return pushImage(registries[1]?.host ?? "", repository, repository);
    }

    function signHere(images: readonly PushedImage[], leaf: NotaryLeaf, format: string, flags: readonly string[] = []) {
      const certificates = ["--certificate", fileOf(leaf.certificate), "--certificate-chain", fileOf(leaf.issuers)];
      const key = ["--key", fileOf(leaf.key.privatePem)];
      const references = images.map(({ reference }) => reference);
      return runCountersign(["sign", ...key, ...certificates, "--format", format, ...flags, ...references]);
    }

    /** Its verdicts, each with the codes of the signatures that were refused. */
    async function verifyHere(images: readonly PushedImage[], flags: readonly string[] = trust()): Promise<string[]> {
      const references = images.map(({ reference }) => reference);
      const done = await runCountersign(["verify", "--output", "json", ...flags, ...references]);
      const report = done.json() as VerifyReport;
      return report.images.map(({ verdict, signatures }) => {
        const codes = [...new Set(signatures.flatMap(({ reasons }) => reasons.map(({ code }) => code)))];
        return [verdict, ...codes].join(" ");
      });
    }

    function trust(roots = pki.root, subject = SUBJECT): string[] {
      return ["--ca-roots", fileOf(roots), "--certificate-subject", subject];
    }

    describe("signed here", () => {
      for (const type of NOTARY_KEYS) {
        for (const envelope of envelopes) {
          for (const manifest of manifests) {
            it.concurrent(`notation verifies ${envelope} by ${type}, in a manifest of the ${manifest} form`, async () => {
              const images = await pushEverywhere(`here/${type}/${envelope}/${manifest}`);
              const flags = ["--signature-manifest", manifest];
              const signed = await signHere(images, leafOf(type), formatOf[envelope], flags);
              expect(signed.exitCode, signed.stdout + signed.stderr).toBe(0);
              for (const { reference } of images) {
                const verified = await notationVerify(trusting, reference);
                expect(verified.exitCode, verified.stderr).toBe(0);
              }
              expect(await verifyHere(images)).toEqual(["trusted", "trusted"]);
            });
          }
        }
      }

      it.each(envelopes)("notation shows the user metadata of %s, and demands it", async (envelope) => {
        const image = await push(`metadata/${envelope}`);
        const metadata = ["-a", "stage=prod", "--user-metadata", 'odd=<&>"\u00e9\u2028'];
        const signed = await signHere([image], leafOf("p256"), formatOf[envelope], metadata);
        expect(signed.exitCode, signed.stderr).toBe(0);
        const right = await notationVerify(trusting, image.reference, ["-m", "stage=prod"]);
        expect([right.exitCode, right.stdout]).toEqual([0, expect.stringContaining('<&>"\u00e9')]);
        expect((await notationVerify(trusting, image.reference, ["-m", "stage=test"])).exitCode).toBe(1);
        expect(await verifyHere([image], [...trust(), "-a", "stage=prod"])).toEqual(["trusted"]);
        expect(await verifyHere([image], [...trust(), "-a", "stage=test"])).toEqual([
          "untrusted E_ANNOTATION_MISMATCH",
        ]);
      });
    });

    describe("signed by notation", () => {
      for (const type of NOTARY_KEYS) {
        for (const envelope of envelopes) {
          it.concurrent(`verifies ${envelope} by ${type}`, async () => {
            const images = await pushEverywhere(`theirs/${type}/${envelope}`);
            const { key, chain } = leafOf(type);
            for (const { reference: image } of images) {
              const done = await notationSign({ image, key: key.privatePem, chain, envelope });
              expect(done.exitCode, done.stderr).toBe(0);
            }
            expect(await verifyHere(images)).toEqual(["trusted", "trusted"]);
            const again = await signHere(images, leafOf(type), formatOf[envelope]);
            expect(again.stdout).toContain("2 unchanged");
          });
        }
      }

      it("verifies what stands under the fallback tag although the registry has the API", async () => {
        const image = await push("forced");
        const { key, chain } = leafOf("p256");
        const signing = { image: image.reference, key: key.privatePem, chain, envelope: "jws" } as const;
        expect((await notationSign({ ...signing, fallbackTag: true })).exitCode).toBe(0);
        expect(await verifyHere([image])).toEqual(["trusted"]);
      });
    });

    describe.each(envelopes)("what one refuses the other refuses, in %s:", (envelope) => {
      /** Verdicts of both: notation's exit status, and ours. */
      async function both(image: PushedImage, folder = trusting, flags = trust()): Promise<[number, string]> {
        const [theirs, [ours = ""]] = await Promise.all([
          notationVerify(folder, image.reference),
          verifyHere([image], flags),
        ]);
        return [theirs.exitCode, ours];
      }

      async function signedImage(name: string, leaf: NotaryLeaf, flags: readonly string[] = []): Promise<PushedImage> {
        const image = await push(`refused/${envelope}/${name}`);
        const done = await signHere([image], leaf, formatOf[envelope], flags);
        expect(done.exitCode, done.stdout + done.stderr).toBe(0);
        return image;
      }

      it("no signature", async () => {
        expect(await both(await push(`unsigned/${envelope}`))).toEqual([1, "unsigned"]);
      });

      it("a signer of another authority", async () => {
        const image = await signedImage("stranger", await strangers.issue(generateKey("p256")));
        expect(await both(image)).toEqual([1, "untrusted E_CERTIFICATE_UNTRUSTED"]);
      });

      it("another identity of the same authority", async () => {
        const leaf = await pki.issue(generateKey("p256"), { subject: "CN=release,O=Other,ST=Bern,C=CH" });
        expect(await both(await signedImage("identity", leaf))).toEqual([1, "untrusted E_IDENTITY_MISMATCH"]);
      });

      it("a signature that has expired", async () => {
        const image = await signedImage("expired", leafOf("p256"), ["--expiry", "2s"]);
        await sleep(2500);
        expect(await both(image)).toEqual([1, "untrusted E_SIGNATURE_EXPIRED"]);
      });

      it("a certificate that has expired since", async () => {
        const notAfter = new Date(Date.now() + 8000);
        const image = await signedImage("leaf-expired", await pki.issue(generateKey("p256"), { notAfter }));
        await sleep(Math.max(0, notAfter.getTime() + 1500 - Date.now()));
        expect(await both(image)).toEqual([1, "untrusted E_CERTIFICATE_EXPIRED"]);
      });

      it("another image's signature", async () => {
        const [kept] = await keptEnvelopes(await signedImage("original", leafOf("p256")));
        const other = await push(`refused/${envelope}/other`);
        if (kept === undefined) throw new Error("nothing was kept");
        await plantEnvelope(other, kept.bytes, kept.mediaType);
        expect(await both(other)).toEqual([1, "untrusted E_SUBJECT_MISMATCH"]);
      });

      it.each(["payload", "protected", "signature"] as const)("a byte of the %s changed", async (part) => {
        const [kept] = await keptEnvelopes(await signedImage(`changed-${part}`, leafOf("rsa2048")));
        if (kept === undefined) throw new Error("nothing was kept");
        // The same image in another repository.
        const { host } = registries[1] ?? { host: "" };
        const image = await pushImage(host, `tampered/${envelope}/${part}`, `refused/${envelope}/changed-${part}`);
        await plantEnvelope(image, tampering[envelope][part](kept.bytes), kept.mediaType);
        const [theirs, ours] = await both(image);
        expect([theirs, ours.split(" ")[0]]).toEqual([1, "untrusted"]);
      });

      it("one beside which a good one stands does not block it", async () => {
        const image = await signedImage("beside", leafOf("p384"));
        await plantEnvelope(image, Buffer.from("junk"), "application/jose+json");
        const [kept] = await keptEnvelopes(await signedImage("beside-original", leafOf("p256")));
        if (kept === undefined) throw new Error("nothing was kept");
        await plantEnvelope(image, kept.bytes, kept.mediaType);
        const [theirs, ours] = await both(image);
        expect([theirs, ours.split(" ")[0]]).toEqual([0, "trusted"]);
      });
    });
  },
);

/** Changes that leave the envelope readable. */
const tampering = {
  jws: {
    payload: (bytes: Buffer) => jwsChanged(bytes, "payload"),
    protected: (bytes: Buffer) => jwsChanged(bytes, "protected"),
    signature: (bytes: Buffer) => jwsChanged(bytes, "signature"),
  },
  cose: {
    payload: (bytes: Buffer) => changedAt(bytes, bytes.indexOf("sha256:") + 20),
    protected: (bytes: Buffer) => changedAt(bytes, bytes.indexOf("signingTime") + 15),
    signature: (bytes: Buffer) => changedAt(bytes, bytes.length - 5),
  },
} as const;

function jwsChanged(bytes: Buffer, member: string): Buffer {
  const envelope = JSON.parse(bytes.toString()) as Record<string, string>;
  const text = Buffer.from(envelope[member] ?? "", "base64url").toString("latin1");
  const changed =
    member === "payload"
      ? text.replace(/sha256:(.)/, (_, digit) => `sha256:${digit === "0" ? "1" : "0"}`)
      : member === "protected"
        ? text.replace(/(\d\d)Z/, (_, seconds) => `${seconds === "00" ? "01" : "00"}Z`)
        : `${text.slice(0, -1)}${String.fromCharCode(text.charCodeAt(text.length - 1) ^ 1)}`;
  return Buffer.from(JSON.stringify({ ...envelope, [member]: Buffer.from(changed, "latin1").toString("base64url") }));
}

function changedAt(bytes: Buffer, index: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[index] = (changed[index] ?? 0) ^ 1;
  return changed;
}
