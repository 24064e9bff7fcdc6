import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PromoteReport } from "../../src/reports/report.ts";
import { createMachine } from "../cli/support/machine.ts";
import { verifyReportOf } from "../cli/support/reports.ts";
import { countersignProgram, fileOf, runCountersign } from "../support/countersign.ts";
import { cosignGenerateKey, cosignPassword, cosignSign, cosignVerify } from "./support/cosign.ts";
import { type PushedImage, pushImage, pushIndex, putBlob, putManifest } from "./support/image.ts";
import { describeWithPeer } from "./support/peers.ts";
import { type InteropRegistry, REGISTRIES } from "./support/registries.ts";

let key: { privateKey: string; publicKey: string };

async function promote(args: readonly string[]) {
  const done = await runCountersign(["promote", "--output", "json", "--key", fileOf(key.publicKey), ...args], {
    env: { COSIGN_PASSWORD: cosignPassword },
  });
  const report = done.json() as PromoteReport;
  return { ...done, report, image: report.images[0] };
}

async function tagOf(host: string, repository: string, tag: string): Promise<string | null> {
  const accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, {
    method: "HEAD",
    headers: { accept },
  });
  return answer.status === 200 ? answer.headers.get("docker-content-digest") : null;
}

const pairs = REGISTRIES.flatMap((from) =>
  REGISTRIES.map((to) => ({ from, to, title: `from ${from.name} to ${to.name}` })),
);

describeWithPeer(["docker-registry", "cosign"], "what cosign has signed, promoted", () => {
  beforeAll(async () => {
    key = await cosignGenerateKey();
  });

  describe.each(pairs)("$title", ({ from, to }) => {
    let source: InteropRegistry;
    let destination: InteropRegistry;
    beforeAll(async () => {
      [source, destination] = await Promise.all([from.start(), to.start()]);
    });
    afterAll(() => Promise.all([source.stop(), destination.stop()]));

    it.each(["cosign", "bundle"] as const)(
      "verifies for cosign at the destination, every platform: %s",
      async (format) => {
        const name = `staging/${format}`;
        const { index, children } = await pushIndex(source.host, name, ["amd64", "arm64"], "1");
        const signed = await cosignSign({ image: index.reference, format, key: key.privateKey, recursive: true });
        expect(signed.exitCode, signed.stderr).toBe(0);
        const { exitCode, image, stderr } = await promote([
          "--recursive",
          `${source.host}/${name}:1`,
          `${destination.host}/prod/${format}:1`,
        ]);
        expect([exitCode, image?.status], stderr + JSON.stringify(image?.errors)).toEqual([0, "promoted"]);
        const images = [index, ...children].map(({ digest }) => `${destination.host}/prod/${format}@${digest}`);
        const verified = await cosignVerify({
          image: [`${destination.host}/prod/${format}:1`, ...images],
          format,
          trust: { key: key.publicKey },
        });
        expect(verified.exitCode, verified.stderr).toBe(0);
      },
    );

    it("carries signatures of both formats beside one another, and signs anew so that cosign takes it", async () => {
      const pushed = await pushImage(source.host, "staging/both", "both", "1");
      for (const format of ["cosign", "bundle"] as const) {
        expect((await cosignSign({ image: pushed.reference, format, key: key.privateKey })).exitCode).toBe(0);
      }
      const own = await cosignGenerateKey();
      const { exitCode, image, stderr } = await promote([
        ...["--resign", "--resign-key", fileOf(own.privateKey), "--resign-format", "cosign,bundle"],
        ...["--destination-key", fileOf(own.publicKey)],
        `${source.host}/staging/both:1`,
        `${destination.host}/prod/both:1`,
      ]);
      expect([exitCode, image?.status], stderr + JSON.stringify(image?.errors)).toEqual([0, "promoted"]);
      expect(image?.attachments.map(({ format }) => format).sort()).toEqual(["bundle", "cosign"]);
      for (const { publicKey } of [key, own]) {
        const verified = await cosignVerify({
          image: `${destination.host}/prod/both:1`,
          format: "bundle",
          trust: { key: publicKey },
        });
        expect(verified.exitCode, verified.stderr).toBe(0);
      }
    });
  });

  it("moves no layer within one docker-registry, and refuses what cosign has not signed", async () => {
    const registry = await (REGISTRIES[0] ?? raise()).start();
    try {
      const pushed = await pushImage(registry.host, "staging/app", "mounted", "1");
      const refused = await promote([`${registry.host}/staging/app:1`, `${registry.host}/prod/app:1`]);
      expect([refused.exitCode, refused.image?.status]).toEqual([1, "refused"]);
      expect(await tagOf(registry.host, "prod/app", "1")).toBeNull();
      await cosignSign({ image: pushed.reference, format: "cosign", key: key.privateKey });
      const { image } = await promote([`${registry.host}/staging/app:1`, `${registry.host}/prod/app:1`]);
      expect(image).toMatchObject({ status: "promoted", copied: { blobs: 0, bytes: 0 } });
      expect(image?.copied.mounted).toBeGreaterThan(0);
      expect(await tagOf(registry.host, "prod/app", "1")).toBe(pushed.digest);
    } finally {
      await registry.stop();
    }
  });
});

const KILLS = 100;
const LANES = 5;

describeWithPeer(["docker-registry", "cosign"], "a promotion that is killed", () => {
  const machine = createMachine();
  let source: InteropRegistry;
  let registry: InteropRegistry;
  let publicKey: string;
  const images: PushedImage[] = [];

  beforeAll(async () => {
    key = await cosignGenerateKey();
    publicKey = machine.file("cosign.pub", key.publicKey);
    const kind = REGISTRIES[0] ?? raise();
    [source, registry] = await Promise.all([kind.start(), kind.start()]);
    for (const seed of ["old", "new"]) images.push(await pushLarge(source.host, seed));
    const signed = await runCountersign(
      [
        "sign",
        "--key",
        fileOf(key.privateKey),
        "--format",
        "cosign,bundle",
        ...images.map(({ reference }) => reference),
      ],
      { env: { COSIGN_PASSWORD: cosignPassword } },
    );
    expect(signed.exitCode, signed.stderr).toBe(0);
  }, 60_000);
  afterAll(() => Promise.all([source.stop(), registry.stop()]));

  const promotion = (image: PushedImage, lane: string) => [
    ...["promote", "--key", publicKey],
    image.reference,
    `${registry.host}/${lane}:release`,
  ];

  /** Starts the shipped program and kills it after `milliseconds`; resolves to how it ended. */
  async function killed(args: readonly string[], milliseconds: number): Promise<NodeJS.Signals | number | null> {
    const child = spawn(process.execPath, [countersignProgram(), ...args], {
      env: { PATH: "/usr/bin:/bin", HOME: machine.home },
      stdio: "ignore",
    });
    const ended = new Promise<NodeJS.Signals | number | null>((resolve) =>
      child.once("close", (code, signal) => resolve(signal ?? code)),
    );
    await Promise.race([sleep(milliseconds), ended]);
    child.kill("SIGKILL");
    return ended;
  }

  it(`at any of ${KILLS} moments leaves the tag at the old image or at a new one that verifies, and the next run completes`, async () => {
    const [older = raise(), newer = raise()] = images;
    const start = Date.now();
    expect(await killed(promotion(newer, "measure/app"), 60_000)).toBe(0);
    const whole = Date.now() - start;
    const endings: (NodeJS.Signals | number | null)[] = [];
    const found = { old: 0, new: 0 };
    const inProcess = async (args: readonly string[]) => {
      const run = await machine.run(args);
      expect(run.exit, run.stdout + run.stderr).toBe(0);
      return run;
    };
    const lane = async (number: number) => {
      for (let turn = 0; turn < KILLS / LANES; turn += 1) {
        const name = `lane${number}/app${turn}`;
        // Every other tag is new.
        const old = turn % 2 === 0 ? older.digest : null;
        if (old !== null) await inProcess(promotion(older, name));
        endings.push(await killed(promotion(newer, name), whole * (0.2 + Math.random())));
        const now = await tagOf(registry.host, name, "release");
        expect([old, newer.digest]).toContain(now);
        found[now === old ? "old" : "new"] += 1;
        if (now === newer.digest) {
          const verify = ["verify", "--output", "json", "--key", publicKey, `${registry.host}/${name}:release`];
          expect(verifyReportOf(await inProcess(verify)).verdict).toBe("trusted");
        }
        await inProcess(promotion(newer, name));
        expect(await tagOf(registry.host, name, "release")).toBe(newer.digest);
      }
    };
    await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
    expect(endings).toHaveLength(KILLS);
    // Many die in the middle; that some tags have moved shows that the moments reach to the end.
    expect(endings.filter((how) => how === "SIGKILL").length).toBeGreaterThan(KILLS / 4);
    expect(Math.min(found.old, found.new)).toBeGreaterThan(0);
  }, 240_000);
});

/** Layers that take a moment to move. */
async function pushLarge(host: string, seed: string): Promise<PushedImage> {
  const repository = `staging/${seed}`;
  const config = { architecture: "amd64", os: "linux", config: { Labels: { seed } }, rootfs: { type: "layers" } };
  const layer = Buffer.alloc(400_000, seed);
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      ...(await putBlob(host, repository, JSON.stringify(config))),
    },
    layers: [
      { mediaType, ...(await putBlob(host, repository, layer)) },
      { mediaType, ...(await putBlob(host, repository, Buffer.concat([layer, layer]))) },
    ],
  };
  return putManifest(host, repository, manifest, manifest.mediaType, "1");
}

function raise(): never {
  throw new Error("nothing there");
}
