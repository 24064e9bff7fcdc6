import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { ListReport } from "../../src/reports/report.ts";
import { countersignProgram, runCountersign } from "../support/countersign.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import {
  type Completed,
  cosignImportKey,
  cosignPassword,
  cosignSign,
  cosignVerify,
  runCosign,
} from "./support/cosign.ts";
import { verdictsOf, verifyHere } from "./support/countersign.ts";
import { type DockerRegistry, startDockerRegistry } from "./support/docker-registry.ts";
import { type PushedImage, pushImage, pushIndex, putBlob, putManifest } from "./support/image.ts";
import { startLenientRegistry } from "./support/lenient-registry.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";
import { generateKey } from "./support/pki.ts";
import { run, temporaryFolder } from "./support/run.ts";

// Real programs, several for each promise, beside whatever else this machine does.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const formats = ["cosign", "bundle"] as const;
type Format = (typeof formats)[number];
const kinds = ["image", "index"] as const;

describeWithPeer(["cosign", "docker-registry"], "an image across an air gap, with cosign 3.1.2 at either end", () => {
  /** Outside, without referrers API, as most registries are. */
  let outside: DockerRegistry;
  /** Inside: with the referrers API and strict; and one that takes manifests before their blobs, as cosign sends them. */
  let inside: StartedRegistry;
  let lenient: StartedRegistry;
  let key: { privateKey: string; publicKey: string };
  let work: string;
  let keyFile: string;

  beforeAll(async () => {
    work = temporaryFolder("air-gap");
    [outside, inside, lenient, key] = await Promise.all([
      startDockerRegistry(),
      startRegistry(),
      startLenientRegistry(),
      cosignImportKey(generateKey("p256").privatePem),
    ]);
    keyFile = path.join(work, "cosign.pub");
    writeFileSync(keyFile, key.publicKey);
  });
  afterAll(() => Promise.all([outside.stop(), inside.close(), lenient.close()]));

  const newFolder = (name: string) => path.join(work, `${name}-${randomUUID()}`);

  /** An image of one platform or of two in the registry outside, under the tag `1`, signed by cosign with all its platforms. */
  async function signed(kind: (typeof kinds)[number], signedAs: readonly Format[], repository: string) {
    const pushed =
      kind === "image"
        ? { index: await pushImage(outside.host, repository, repository, "1"), children: [] }
        : await pushIndex(outside.host, repository, [`amd64-${repository}`, `arm64-${repository}`], "1");
    for (const format of signedAs) {
      await done(cosignSign({ image: pushed.index.reference, format, key: key.privateKey, recursive: true }));
    }
    return { ...pushed, reference: `${outside.host}/${repository}:1` };
  }

  async function save(image: string, folder: string): Promise<string> {
    const saved = await runCountersign(["save", "--dir", folder, image]);
    expect([saved.exitCode, saved.stderr]).toEqual([0, ""]);
    return folder;
  }

  async function load(folder: string, image: string): Promise<void> {
    const loaded = await runCountersign(["load", "--dir", folder, image]);
    expect([loaded.exitCode, loaded.stderr], loaded.stdout).toEqual([0, ""]);
  }

  const cosignSave = (image: string, folder: string) => done(runCosign(["save", "--dir", folder, image]));
  const cosignLoad = (folder: string, image: string) => runCosign(["load", "--dir", folder, image]);
  const cosignLocally = (folder: string) =>
    runCosign(["verify", "--insecure-ignore-tlog=true", "--key", keyFile, "--local-image", folder]);

  async function expectVerified(image: string, format: Format): Promise<void> {
    const verified = await cosignVerify({ image, format, trust: { key: key.publicKey } });
    expect(verified.exitCode, verified.stderr).toBe(0);
  }

  async function verdicts(image: string, ...flags: string[]): Promise<string[]> {
    return verdictsOf(await verifyHere({ images: [image], trust: { key: key.publicKey }, flags }));
  }

  describe.concurrent("saved here", () => {
    for (const kind of kinds) {
      for (const format of formats) {
        it(`is loaded by cosign, which verifies it there: ${kind}, ${format}`, async () => {
          const { reference } = await signed(kind, [format], `to-cosign/${kind}-${format}`);
          const folder = await save(reference, newFolder("to-cosign"));
          // cosign puts a bundle's manifest before its blob, and few registries take that: docs/differences.md.
          const to = `${format === "bundle" ? lenient.host : outside.host}/loaded/${kind}-${format}:1`;
          await done(cosignLoad(folder, to));
          await expectVerified(to, format);
        });
      }
    }

    it.each([
      ["image", "cosign"],
      ["image", "bundle"],
      ["index", "cosign"],
    ] as const)("is verified by cosign in the folder: %s, %s", async (kind, format) => {
      const { reference } = await signed(kind, [format], `locally/${kind}-${format}`);
      const local = await cosignLocally(await save(reference, newFolder("locally")));
      expect(local.exitCode, local.stderr).toBe(0);
    });

    it("and an image of a stranger is refused by cosign in the folder, as in the registry", async () => {
      const image = await pushImage(outside.host, "locally/stranger", "stranger", "1");
      const stranger = await cosignImportKey(generateKey("p256").privatePem);
      await done(cosignSign({ image: image.reference, format: "cosign", key: stranger.privateKey }));
      const local = await cosignLocally(await save(`${outside.host}/locally/stranger:1`, newFolder("stranger")));
      expect(local.exitCode).not.toBe(0);
    });

    it("is read by skopeo, by name", async () => {
      const { reference, index } = await signed("image", ["cosign"], "skopeo/app");
      const folder = await save(reference, newFolder("skopeo"));
      const args = ["inspect", "--raw", `oci:${folder}:1`];
      const { stdout } = await done(run(requirePeer("skopeo"), args, { env: { HOME: work } }));
      expect(stdout.length).toBe(index.size);
    });
  });

  describe.concurrent("saved by cosign", () => {
    for (const kind of kinds) {
      it(`is verified here in the folder and loaded, and both verify it there: ${kind}`, async () => {
        const { reference } = await signed(kind, formats, `from-cosign/${kind}`);
        const folder = newFolder("from-cosign");
        await cosignSave(reference, folder);
        expect(await verdicts(`oci:${folder}`)).toEqual(["trusted"]);
        for (const host of [outside.host, inside.host]) {
          const to = `${host}/from-cosign-loaded/${kind}:1`;
          await load(folder, to);
          for (const format of formats) await expectVerified(to, format);
          expect(await verdicts(to)).toEqual(["trusted"]);
        }
      });
    }
  });

  describe("saved here and loaded here", () => {
    let folder: string;
    let index: PushedImage;
    let children: readonly PushedImage[];
    let source: string;

    beforeAll(async () => {
      ({ index, children, reference: source } = await signed("index", formats, "whole/app"));
      const [child] = children;
      if (child === undefined) throw new Error("no platforms");
      await attachEverything(index);
      await attachEverything(child);
      folder = await save(source, newFolder("whole"));
    });

    /** An attestation and an SBOM under cosign's tags, and a referrer of a type that nobody knows, which has a referrer of its own. */
    async function attachEverything(image: PushedImage): Promise<void> {
      const predicate = path.join(work, "predicate.json");
      writeFileSync(predicate, "{}");
      const signingKey = path.join(work, "cosign.key");
      writeFileSync(signingKey, key.privateKey, { mode: 0o600 });
      const unlogged = ["--use-signing-config=false", "--tlog-upload=false", "--key", signingKey];
      const env = { COSIGN_PASSWORD: cosignPassword };
      const attest = ["attest", "--new-bundle-format=false", "--predicate", predicate, ...unlogged, image.reference];
      await done(runCosign(attest, { env }));
      await done(runCosign(["attach", "sbom", "--sbom", predicate, image.reference]));
      await refer(await refer(image, "application/x-nobody-knows"), "application/x-of-a-referrer");
    }

    /** Puts a referrer, and lists it where a registry without the API has such lists. */
    async function refer(subject: PushedImage, artifactType: string): Promise<PushedImage> {
      const { repository, digest, mediaType, size } = subject;
      const type = "application/vnd.oci.image.manifest.v1+json";
      const blob = {
        mediaType: artifactType,
        ...(await putBlob(outside.host, repository, `${artifactType} ${digest}`)),
      };
      const empty = {
        mediaType: "application/vnd.oci.empty.v1+json",
        ...(await putBlob(outside.host, repository, "{}")),
      };
      const content = {
        schemaVersion: 2,
        mediaType: type,
        artifactType,
        config: empty,
        layers: [blob],
        subject: { mediaType, digest, size },
      };
      const pushed = await putManifest(outside.host, repository, content, type);
      const tag = digest.replace(":", "-");
      const url = `http://${outside.host}/v2/${repository}/manifests/${tag}`;
      const indexType = "application/vnd.oci.image.index.v1+json";
      const before = await fetch(url, { headers: { accept: indexType } });
      const listed = before.ok ? ((await before.json()) as { manifests: object[] }).manifests : [];
      const entry = { mediaType: type, digest: pushed.digest, size: pushed.size, artifactType };
      const list = { schemaVersion: 2, mediaType: indexType, manifests: [...listed, entry] };
      await putManifest(outside.host, repository, list, indexType, tag);
      return pushed;
    }

    async function attachmentsOf(image: string): Promise<string[]> {
      const listed = await runCountersign(["list", "--recursive", "--output", "json", image]);
      expect(listed.exitCode, listed.stdout).toBe(0);
      const report = listed.json() as ListReport;
      return report.images
        .flatMap(({ digest, attachments }) =>
          attachments.map(({ kind, place }) => `${kind} ${place.digest} of ${digest}`),
        )
        .sort();
    }

    it.each([
      ["without referrers API", () => outside.host],
      ["with it", () => inside.host],
    ] as const)(
      "comes whole into a registry %s: every platform, its signatures, and what nobody knows",
      async (_, host) => {
        const to = `${host()}/whole-loaded/app:1`;
        await load(folder, to);
        const whole = await attachmentsOf(source);
        // Of the index and of one child: two signatures, .att, .sbom, unknown; of the other child the signatures.
        expect(whole).toHaveLength(5 + 5 + 2);
        expect(await attachmentsOf(to)).toEqual(whole);
        expect(await attachmentsOf(`oci:${folder}`)).toEqual(whole);
        expect(await verdicts(to, "--recursive")).toEqual(["trusted", "trusted", "trusted"]);
        for (const { digest } of [index, ...children]) {
          for (const format of formats) await expectVerified(`${host()}/whole-loaded/app@${digest}`, format);
        }
        const attested = [
          "verify-attestation",
          "--new-bundle-format=false",
          "--insecure-ignore-tlog=true",
          "--key",
          keyFile,
          to,
        ];
        await done(runCosign(attested));
      },
    );

    it("keeps the referrers of referrers", async () => {
      const to = `${inside.host}/of-referrers/app:1`;
      await load(folder, to);
      const unknown = await referrersOf(inside.host, "of-referrers/app", index.digest, "application/x-nobody-knows");
      expect(unknown).toHaveLength(1);
      const theirs = await referrersOf(
        inside.host,
        "of-referrers/app",
        unknown[0] ?? "",
        "application/x-of-a-referrer",
      );
      expect(theirs).toHaveLength(1);
    });

    it("goes through a tar archive", async () => {
      const archive = path.join(work, "image.tar");
      const unpacked = newFolder("unpacked");
      mkdirSync(unpacked);
      await promisify(execFile)("tar", ["-C", folder, "-cf", archive, "."]);
      await promisify(execFile)("tar", ["-C", unpacked, "-xf", archive]);
      expect(await verdicts(`oci:${unpacked}`, "--recursive")).toEqual(["trusted", "trusted", "trusted"]);
      await load(unpacked, `${inside.host}/from-tar/app:1`);
      expect(await verdicts(`${inside.host}/from-tar/app:1`)).toEqual(["trusted"]);
    });

    it("is refused when the folder was changed on the way", async () => {
      const changed = newFolder("changed");
      await promisify(execFile)("cp", ["-r", folder, changed]);
      const blobs = path.join(changed, "blobs", "sha256");
      const layer = readdirSync(blobs).find((name) =>
        readFileSync(path.join(blobs, name), "utf8").startsWith("layer "),
      );
      writeFileSync(path.join(blobs, layer ?? ""), "other bytes");
      const loaded = await runCountersign(["load", "--dir", changed, `${inside.host}/changed/app:1`]);
      expect([loaded.exitCode, loaded.stdout]).toEqual([1, expect.stringContaining("E_DIGEST_MISMATCH")]);
      expect((await fetch(`${inside.origin}/v2/changed/app/manifests/1`)).status).toBe(404);
    });
  });

  describe("a save that is killed", () => {
    it("at any moment leaves a folder in which neither program finds an image; the next run completes it", async () => {
      let requests = 0;
      let onRequest: (() => void) | undefined;
      const counted = await startRegistry({
        wrap: [
          (handler) => async (request) => {
            requests += 1;
            onRequest?.();
            return handler(request);
          },
        ],
      });
      const { index } = await pushIndex(counted.host, "app", ["amd64", "arm64"], "1");
      for (const format of formats) await done(cosignSign({ image: index.reference, format, key: key.privateKey }));
      const image = `${counted.host}/app:1`;
      requests = 0;
      await save(image, newFolder("whole"));
      const whole = requests;
      const moments = 8;
      let unfinished = 0;
      for (let moment = 0; moment < moments; moment += 1) {
        const folder = newFolder("killed");
        const last = 1 + Math.floor(whole * ((moment + Math.random()) / moments));
        requests = 0;
        const child = spawn(process.execPath, [countersignProgram(), "save", "--dir", folder, image], {
          env: { PATH: "/usr/bin:/bin", HOME: work },
          stdio: "ignore",
        });
        const ended = once(child, "exit");
        onRequest = () => requests === last && child.kill("SIGKILL");
        const [code] = await ended;
        onRequest = undefined;
        if (code !== 0) {
          unfinished += 1;
          const [verdict = ""] = await verdicts(`oci:${folder}`);
          expect(["untrusted E_SUBJECT_NOT_FOUND", "untrusted E_LAYOUT_INVALID", "trusted"]).toContain(verdict);
          if (verdict !== "trusted") expect((await cosignLocally(folder)).exitCode).not.toBe(0);
        }
        await save(image, folder);
        expect(await verdicts(`oci:${folder}`)).toEqual(["trusted"]);
      }
      expect(unfinished).toBeGreaterThan(moments / 2);
      await counted.close();
    });
  });
});

async function referrersOf(host: string, repository: string, digest: string, artifactType: string): Promise<string[]> {
  const answer = await fetch(`http://${host}/v2/${repository}/referrers/${digest}`);
  const { manifests } = (await answer.json()) as { manifests: { digest: string; artifactType?: string }[] };
  return manifests.filter((each) => each.artifactType === artifactType).map((each) => each.digest);
}

async function done(running: Promise<Completed>): Promise<Completed> {
  const completed = await running;
  expect(completed.exitCode, completed.stderr).toBe(0);
  return completed;
}
