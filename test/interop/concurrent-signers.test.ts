import { afterAll, beforeAll, expect, it } from "vitest";
import type { CosignFormat } from "./support/cosign.ts";
import { signHere, verdictsOf, verifyHere } from "./support/countersign.ts";
import { type DockerRegistry, startDockerRegistry } from "./support/docker-registry.ts";
import { pushImage } from "./support/image.ts";
import { describeWithPeer } from "./support/peers.ts";
import { generateKey } from "./support/pki.ts";
import { keptSignatures } from "./support/planted.ts";

const formats: readonly CosignFormat[] = ["cosign", "bundle"];
const SIGNERS = 8;

describeWithPeer("docker-registry", "eight processes that sign one digest at once, where If-Match is ignored", () => {
  let registry: DockerRegistry;
  beforeAll(async () => {
    registry = await startDockerRegistry();
  });
  afterAll(() => registry?.stop());

  for (const format of [...formats, "both"] as const) {
    it(`lose no signature (${format})`, { timeout: 120_000 }, async () => {
      const image = await pushImage(registry.host, `at-once/${format}`);
      const wanted = format === "both" ? formats : [format];
      const keys = Array.from({ length: SIGNERS }, () => generateKey("p256"));
      const runs = await Promise.all(
        keys.map(({ privatePem: key }) =>
          signHere({ images: [image.reference], formats: wanted, key, ownProcess: true }),
        ),
      );
      for (const run of runs) expect(run.exitCode, run.stdout).toBe(0);
      for (const kept of wanted) expect(await keptSignatures(image, kept)).toHaveLength(SIGNERS);
      const verdicts = await Promise.all(
        keys.map(async ({ publicPem: key }) =>
          verdictsOf(await verifyHere({ images: [image.reference], trust: { key } })),
        ),
      );
      expect(verdicts.flat()).toEqual(Array(SIGNERS).fill("trusted"));
    });
  }
});
