import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OCI_INDEX } from "../../src/model/media-types.ts";
import { type LoadReport, loadReport, type SaveReport, saveReport } from "../../src/reports/report.ts";
import { status, throttled, withFaults } from "../support/faults.ts";
import { type PushedImage, pushImage, type Sink, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { makeKey } from "../trust/support/pki.ts";
import { keyPem, publicKeyPem } from "./support/keys.ts";
import { createMachine, type Run } from "./support/machine.ts";
import { verifyReportOf } from "./support/reports.ts";

const machine = createMachine();
const key = makeKey("p256");
const privateKey = machine.file("signing.key", keyPem(key));
const publicKey = machine.file("cosign.pub", publicKeyPem(key));
const platforms = [
  { os: "linux", architecture: "amd64" },
  { os: "linux", architecture: "arm64" },
];

let source: StartedRegistry;
let image: PushedImage;

/** An index of two platforms, each signed in both formats, with an unknown referrer that has one of its own. */
async function publish(registry: StartedRegistry, repository = "app", tag = "1.2"): Promise<PushedImage> {
  const sink: Sink = storageSink(registry.storage, repository);
  const pushed = await pushImage(sink, { tag, platforms });
  const unknown = await pushImage(sink, { subject: pushed.descriptor, artifactType: "application/x-unknown" });
  await pushImage(sink, { subject: unknown.descriptor, artifactType: "application/x-of-a-referrer" });
  const flags = ["--key", privateKey, "--format", "cosign,bundle", "--recursive"];
  const signed = await machine.run(["sign", ...flags, `${registry.host}/${repository}:${tag}`]);
  expect(signed.exit, signed.stdout).toBe(0);
  return pushed;
}

beforeAll(async () => {
  source = await startRegistry();
  image = await publish(source);
});
afterAll(() => source.close());

const newFolder = () => join(temporaryFolder(), "carried");
const save = (folder: string, ...images: readonly string[]) =>
  machine.run(["save", "--dir", folder, "--output", "json", ...images]);
const load = (folder: string, ...rest: readonly string[]) =>
  machine.run(["load", "--dir", folder, "--output", "json", ...rest]);
const savedOf = (run: Run): SaveReport => saveReport.parse(JSON.parse(run.stdout));
const loadedOf = (run: Run): LoadReport => loadReport.parse(JSON.parse(run.stdout));
const indexOf = (folder: string) => readFileSync(join(folder, "index.json"), "utf8");

async function saved(): Promise<string> {
  const folder = newFolder();
  const run = await save(folder, `${source.host}/app:1.2`);
  expect(run.exit, run.stdout).toBe(0);
  return folder;
}

/** Trusted with every platform: three verdicts. */
async function verdictOf(reference: string): Promise<string[]> {
  const run = await machine.run(["verify", "--key", publicKey, "--recursive", "--output", "json", reference]);
  return verifyReportOf(run).images.map(({ verdict }) => verdict);
}

const ALL_TRUSTED = ["trusted", "trusted", "trusted"];

describe("an image that is saved", () => {
  it("is promoted out of the folder by the gate, and a stranger's trust moves no tag", async () => {
    const folder = await saved();
    const destination = await startRegistry({ referrersApi: false });
    try {
      const promote = (trusted: string) =>
        machine.run([
          "promote",
          "--recursive",
          "--key",
          trusted,
          `oci:${folder}:1.2`,
          `${destination.host}/prod/app:1`,
        ]);
      const stranger = machine.file("stranger.pub", publicKeyPem(makeKey("p256")));
      const refused = await promote(stranger);
      expect([refused.exit, refused.stdout]).toEqual([1, expect.stringContaining("E_NOT_VERIFIED")]);
      expect(destination.storage.get("prod/app")?.tags.get("1")).toBeUndefined();
      expect((await promote(publicKey)).exit).toBe(0);
      expect(await verdictOf(`${destination.host}/prod/app:1`)).toEqual(ALL_TRUSTED);
    } finally {
      await destination.close();
    }
  });

  it("comes with every platform and everything that hangs on them, and the report says that nothing was verified", async () => {
    const folder = newFolder();
    const run = await save(folder, `${source.host}/app:1.2`);
    const report = savedOf(run);
    const [first] = report.images;
    expect([run.exit, report.verified, first?.status, first?.digest]).toEqual([0, false, "saved", image.digest]);
    const formats = first?.attachments.map(({ format }) => format).sort();
    expect(formats).toEqual(["bundle", "bundle", "bundle", "cosign", "cosign", "cosign", null, null]);
    expect(first?.copied).toMatchObject({ mounted: 0, present: expect.any(Number), foreign: 0 });
    expect(await verdictOf(`oci:${folder}`)).toEqual(ALL_TRUSTED);
    expect(await verdictOf(`oci:${folder}:1.2`)).toEqual(ALL_TRUSTED);
  });

  it("is told of in words, too", async () => {
    const run = await machine.run(["save", "--dir", newFolder(), `${source.host}/app:1.2`]);
    expect(run.stdout).toMatch(/^Carried as it is; nothing here has been verified\.\n/);
    expect(run.stdout).toContain(`${source.host}/app:1.2: saved\n  digest    ${image.digest}\n`);
    expect(run.stdout).toContain("  copied    signature bundle in referrer sha256:");
  });

  it("again changes nothing, to the byte", async () => {
    const folder = await saved();
    const before = indexOf(folder);
    const again = savedOf(await save(folder, `${source.host}/app:1.2`));
    expect(again.images.map(({ status, copied }) => [status, copied.blobs, copied.manifests])).toEqual([
      ["unchanged", 0, 0],
    ]);
    expect(indexOf(folder)).toBe(before);
  });

  it("stands beside others, each under its name", async () => {
    await publish(source, "db", "7");
    const folder = newFolder();
    const run = await save(folder, `${source.host}/app:1.2`, `${source.host}/db:7`);
    expect(savedOf(run).images.map(({ status }) => status)).toEqual(["saved", "saved"]);
    expect(await verdictOf(`oci:${folder}:1.2`)).toEqual(ALL_TRUSTED);
    expect(await verdictOf(`oci:${folder}:7`)).toEqual(ALL_TRUSTED);
  });

  it("by digest has no name, and is the image of the folder", async () => {
    const folder = newFolder();
    expect((await save(folder, `${source.host}/app@${image.digest}`)).exit).toBe(0);
    expect(await verdictOf(`oci:${folder}`)).toEqual(ALL_TRUSTED);
  });

  it("that is not there fails, and does not keep others from being saved", async () => {
    const folder = newFolder();
    const run = await save(folder, `${source.host}/app:lost`, `${source.host}/app:1.2`);
    expect(savedOf(run).images.map(({ status, errors }) => [status, errors.map(({ code }) => code)])).toEqual([
      ["failed", ["E_SUBJECT_NOT_FOUND"]],
      ["saved", []],
    ]);
    expect(run.exit).toBe(1);
    expect(await verdictOf(`oci:${folder}`)).toEqual(ALL_TRUSTED);
  });
});

describe("a save that cannot be finished", () => {
  it("because a place for signatures could not be looked at saves no image, and ends in 3", async () => {
    const path = /\/referrers\//;
    const registry = await startRegistry({ wrap: [(inner) => withFaults(inner, [{ path, fault: throttled() }])] });
    await pushImage(storageSink(registry.storage, "app"), { tag: "1", platforms });
    const folder = newFolder();
    const run = await save(folder, `${registry.host}/app:1`);
    expect([run.exit, savedOf(run).images[0]?.status]).toEqual([3, "failed"]);
    expect(JSON.parse(indexOf(folder)).manifests).toEqual([]);
    await registry.close();
  });

  it("at whichever request leaves the folder without it, and is finished by the next run", async () => {
    let left = Number.POSITIVE_INFINITY;
    const registry = await startRegistry({
      wrap: [
        (inner) => (request) => {
          left -= 1;
          return left < 0 ? status(500)(request, () => inner(request)) : inner(request);
        },
      ],
    });
    await publish(registry);
    registry.clear();
    await save(newFolder(), `${registry.host}/app:1.2`);
    const requests = registry.requests.length;
    expect(requests).toBeGreaterThan(20);
    for (let answered = 0; answered < requests; answered += 13) {
      const folder = newFolder();
      left = answered;
      const broken = await save(folder, `${registry.host}/app:1.2`);
      expect([broken.exit, savedOf(broken).images[0]?.status], String(answered)).toEqual([3, "failed"]);
      const loaded = await load(folder, `${registry.host}/copy:1`);
      expect([loaded.exit, loaded.stdout]).toEqual([1, expect.stringContaining("holds no image")]);
      left = Number.POSITIVE_INFINITY;
      expect((await save(folder, `${registry.host}/app:1.2`)).exit).toBe(0);
      expect(await verdictOf(`oci:${folder}`)).toEqual(ALL_TRUSTED);
    }
    await registry.close();
  });
});

describe("an image that is loaded", () => {
  it.each([true, false])("comes whole into a registry (referrers API: %s)", async (referrersApi) => {
    const registry = await startRegistry({ referrersApi });
    const folder = await saved();
    const run = await load(folder, `${registry.host}/inside/app:1.2`);
    const [report] = loadedOf(run).images;
    expect([run.exit, report?.status, report?.digest]).toEqual([0, "loaded", image.digest]);
    expect(report?.tag).toEqual({ name: "1.2", previous: null, status: "moved" });
    expect(report?.attachments).toHaveLength(8);
    expect(await verdictOf(`${registry.host}/inside/app:1.2`)).toEqual(ALL_TRUSTED);

    const again = loadedOf(await load(folder, `${registry.host}/inside/app:1.2`)).images[0];
    expect(again).toMatchObject({ status: "unchanged", tag: { previous: image.digest, status: "unchanged" } });
    expect(again?.attachments.map(({ status: each }) => each)).toEqual(Array(8).fill("present"));
    await registry.close();
  });

  it("comes blobs first, then images, then what refers to them, the tag last", async () => {
    const registry = await startRegistry();
    await load(await saved(), `${registry.host}/app:1.2`);
    const puts = registry.requests.filter(({ method, path }) => method === "PUT" && path.includes("/manifests/"));
    const names = puts.map(({ path }) => path.split("/").at(-1));
    const [amd64, arm64] = image.children;
    expect(new Set(names.slice(0, 2))).toEqual(new Set([amd64?.digest, arm64?.digest]));
    expect([names[2], names.at(-1)]).toEqual([image.digest, "1.2"]);
    // This registry refuses a manifest whose blobs are not there.
    expect(registry.requests.filter(({ status: answer }) => answer === undefined || answer >= 500)).toEqual([]);
    expect(puts.every(({ status: answer }) => answer === 201)).toBe(true);
    await registry.close();
  });

  it("moves a tag that names another image, as cosign does, and says from where", async () => {
    const registry = await startRegistry();
    const before = await pushImage(storageSink(registry.storage, "app"), { tag: "1.2" });
    const folder = await saved();
    const run = await machine.run(["load", "--dir", folder, `${registry.host}/app:1.2`]);
    expect([run.exit, run.stdout]).toEqual([0, expect.stringContaining(`1.2 moved, from ${before.digest}`)]);
    await registry.close();
  });

  it("by digest touches no tag", async () => {
    const registry = await startRegistry();
    const run = await load(await saved(), `${registry.host}/app@${image.digest}`);
    expect([run.exit, loadedOf(run).images[0]?.tag]).toEqual([0, null]);
    const tags = registry.requests.filter(({ method, path }) => method === "PUT" && /manifests\/(?!sha256)/.test(path));
    expect(tags).toEqual([]);
    expect(await verdictOf(`${registry.host}/app@${image.digest}`)).toEqual(ALL_TRUSTED);
    await registry.close();
  });

  it("keeps what hangs on it at the destination already", async () => {
    const registry = await startRegistry({ referrersApi: false });
    const folder = await saved();
    await load(folder, `${registry.host}/app:1.2`);
    const other = machine.file("other.key", keyPem(makeKey("p384")));
    await machine.run(["sign", "--key", other, "--format", "cosign,bundle", `${registry.host}/app:1.2`]);
    const run = await load(folder, `${registry.host}/app:1.2`);
    expect(loadedOf(run).images[0]?.status).toBe("unchanged");
    const listed = await machine.run(["list", "--output", "json", `${registry.host}/app:1.2`]);
    const formats = JSON.parse(listed.stdout).images[0].attachments.map((each: { format: string }) => each.format);
    expect(formats.sort()).toEqual(["bundle", "bundle", "cosign", "cosign", null]);
    await registry.close();
  });

  it("whose bytes were changed on the way is refused, and the tag does not come to be", async () => {
    const registry = await startRegistry();
    const folder = await saved();
    const blobs = join(folder, "blobs", "sha256");
    const [largest = ""] = readdirSync(blobs).sort(
      (one, other) => readFileSync(join(blobs, other)).length - readFileSync(join(blobs, one)).length,
    );
    const bytes = readFileSync(join(blobs, largest));
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(join(blobs, largest), bytes);
    const run = await load(folder, `${registry.host}/app:1.2`);
    expect([run.exit, loadedOf(run).images[0]?.errors.map(({ code }) => code)]).toEqual([1, ["E_DIGEST_MISMATCH"]]);
    expect(registry.storage.get("app")?.tags.has("1.2") ?? false).toBe(false);
    await registry.close();
  });
});

describe("a folder of several images", () => {
  it("is asked for one by its tag or digest there, and says what it holds", async () => {
    const registry = await startRegistry();
    const other = await publish(source, "web", "3");
    const folder = await saved();
    await save(folder, `${source.host}/web:3`);
    const unsaid = await load(folder, `${registry.host}/web:3`);
    expect([unsaid.exit, unsaid.stdout]).toEqual([2, expect.stringContaining("holds 2 images: 3, 1.2")]);
    expect(registry.count("*")).toBe(0);
    const byTag = await load(folder, "--image", "3", `${registry.host}/web:3`);
    expect(loadedOf(byTag).images[0]?.digest).toBe(other.digest);
    const byDigest = await load(folder, "--image", image.digest, `${registry.host}/app:1.2`);
    expect(loadedOf(byDigest).images[0]?.digest).toBe(image.digest);
    const byDestination = await load(folder, `${registry.host}/again@${other.digest}`);
    expect(loadedOf(byDestination).images[0]?.digest).toBe(other.digest);
    const lost = await load(folder, "--image", "lost", `${registry.host}/app:1.2`);
    expect([lost.exit, lost.stdout]).toEqual([1, expect.stringContaining("E_SUBJECT_NOT_FOUND")]);
    const another = await load(folder, "--image", "3", `${registry.host}/app@${image.digest}`);
    expect([another.exit, another.stdout]).toEqual([2, expect.stringContaining("E_USAGE")]);
    await registry.close();
  });
});

describe("a command line that cannot be carried out", () => {
  it.each([
    ["without a folder", ["save", "registry.test/app:1"], "--dir FOLDER"],
    ["that saves what is in a folder", ["save", "--dir", "x", "oci:y"], "is in a folder already"],
    ["that saves nothing", ["save", "--dir", "x"], "no image is named"],
    ["that loads into a folder", ["load", "--dir", "x", "oci:y"], "no image of a registry"],
    ["that loads without a folder", ["load", "registry.test/app:1"], "--dir FOLDER"],
    ["that loads to two places", ["load", "--dir", "x", "a.test/a", "a.test/b"], "too many arguments"],
  ])("%s ends in 2 and asks nobody", async (_, args, words) => {
    const run = await machine.run(args);
    expect([run.exit, run.stderr]).toEqual([2, expect.stringContaining(words)]);
  });

  it("names a folder that holds other things", async () => {
    const folder = newFolder();
    mkdirSync(folder);
    writeFileSync(join(folder, "notes.txt"), "mine");
    const run = await save(folder, `${source.host}/app:1.2`);
    expect([run.exit, run.stdout]).toEqual([expect.any(Number), expect.stringContaining("E_LAYOUT_INVALID")]);
    expect(readdirSync(folder)).toEqual(["notes.txt"]);
  });

  it("loads from no folder that is not there, or has lost its index", async () => {
    const lost = await saved();
    rmSync(join(lost, "index.json"));
    for (const folder of [newFolder(), lost]) {
      const run = await load(folder, "registry.test/app:1");
      expect(run.stdout).toContain("E_LAYOUT_INVALID");
      expect(run.exit).toBe(1);
    }
  });

  it("knows an empty layout", async () => {
    const folder = newFolder();
    mkdirSync(folder);
    writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(
      join(folder, "index.json"),
      JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }),
    );
    const run = await load(folder, "registry.test/app:1");
    expect([run.exit, run.stdout]).toEqual([1, expect.stringContaining("holds no image")]);
  });
});
