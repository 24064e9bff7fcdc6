import { describe, expect, it, vi } from "vitest";
import type { PromoteReport } from "../../src/reports/report.ts";
import { fileOf, runCountersign } from "../support/countersign.ts";
import { cosignVerify } from "./support/cosign.ts";
import { pushImage } from "./support/image.ts";
import { createNotaryPki, IDENTITY } from "./support/notary-pki.ts";
import { notationFolder, notationVerify } from "./support/notation.ts";
import { describeWithPeer } from "./support/peers.ts";
import { generateKey } from "./support/pki.ts";
import { REGISTRIES } from "./support/registries.ts";

vi.setConfig({ testTimeout: 180_000 });

describeWithPeer(
  ["notation", "cosign", "docker-registry"],
  "an image signed in four formats, promoted by notation's own trust policy",
  () => {
    describe.each(
      REGISTRIES.flatMap((from) =>
        REGISTRIES.filter((to) => to !== from).map((to) => ({ from, to, title: `from ${from.name} to ${to.name}` })),
      ),
    )("$title", ({ from, to }) => {
      it("verifies for cosign and for notation at the destination", async () => {
        const [source, destination] = await Promise.all([from.start(), to.start()]);
        try {
          const pki = await createNotaryPki("Promotion");
          const leaf = await pki.issue(generateKey("p256"));
          const folder = notationFolder({ roots: pki.root, identity: IDENTITY });
          const image = await pushImage(source.host, "staging/app", "four", "1");
          const key = ["--key", fileOf(leaf.key.privatePem)];
          const certificate = ["--certificate", fileOf(leaf.certificate), "--certificate-chain", fileOf(leaf.issuers)];
          for (const flags of [
            ["--format", "cosign,bundle"],
            ["--format", "notation,notation-cose", ...certificate],
          ]) {
            const signed = await runCountersign(["sign", ...key, ...flags, image.reference]);
            expect(signed.exitCode, signed.stdout + signed.stderr).toBe(0);
          }
          const promoted = await runCountersign([
            ...["promote", "--output", "json", "--notation-config", folder],
            ...[`${source.host}/staging/app:1`, `${destination.host}/prod/app:1`],
          ]);
          expect(promoted.exitCode, promoted.stdout + promoted.stderr).toBe(0);
          const { attachments } = (promoted.json() as PromoteReport).images[0] ?? { attachments: [] };
          const formats = attachments.map(({ format }) => format).sort();
          expect(formats).toEqual(["bundle", "cosign", "notation", "notation-cose"]);

          const there = `${destination.host}/prod/app@${image.digest}`;
          const byCosign = await cosignVerify({ image: there, format: "bundle", trust: { key: leaf.key.publicPem } });
          expect(byCosign.exitCode, byCosign.stderr).toBe(0);
          const byNotation = await notationVerify(folder, there);
          expect(byNotation.exitCode, byNotation.stderr).toBe(0);
          for (const format of ["cosign", "bundle", "notation", "notation-cose"]) {
            const pub = fileOf(leaf.key.publicPem);
            const here = await runCountersign(["verify", "--key", pub, "--format", format, there]);
            expect(here.exitCode, `${format}: ${here.stdout}${here.stderr}`).toBe(0);
          }
        } finally {
          await Promise.all([source.stop(), destination.stop()]);
        }
      });
    });
  },
);
