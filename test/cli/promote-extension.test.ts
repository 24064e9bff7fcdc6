import { readdirSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { promoteReport } from "../../src/reports/report.ts";
import { type Fault, status, withFaults } from "../support/faults.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, type StartOptions, startRegistry } from "../support/start-registry.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { createMachine } from "./support/machine.ts";
import { type SimpleSigning, startSimpleSigning } from "./support/simple-signing.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const machine = createMachine();
let world: SimpleSigning;
/** Keeps simple signatures itself. */
let keeper: StartedRegistry;
const started: StartedRegistry[] = [];

beforeAll(async () => {
  world = await startSimpleSigning();
});
beforeEach(async () => {
  keeper = await start({ signatureExtension: true });
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});
afterAll(() => world?.close());

async function start(options: StartOptions = {}, ping?: Fault): Promise<StartedRegistry> {
  const rules = ping === undefined ? [] : [{ path: /^\/v2\/$/, fault: ping }];
  const registry = await startRegistry({ ...options, wrap: [(handler) => withFaults(handler, rules)] });
  started.push(registry);
  return registry;
}

/** An image that cosign's key has signed; with `openpgp`, an OpenPGP key too, where the registry keeps it itself. */
async function signedAt(
  registry: StartedRegistry,
  { openpgp = false, tag = "1", index = false } = {},
): Promise<string> {
  const platforms = ["amd64", "arm64"].map((architecture) => ({ os: "linux", architecture }));
  await pushImage(storageSink(registry.storage, "staging/app"), { tag, seed: tag, ...(index && { platforms }) });
  const image = `${registry.host}/staging/app:${tag}`;
  await world.signCosign(image, image);
  if (openpgp) {
    const sign = ["sign", "--recursive", "--format", "openpgp", "--key", world.secrets.release, image];
    expect((await world.run(sign)).exit).toBe(0);
  }
  registry.clear();
  return image;
}

/** By the key of cosign alone: nobody speaks of OpenPGP, unless flags do. */
async function promote(from: string, to: string, ...flags: readonly string[]) {
  const args = ["promote", "--output", "json", "--key", world.keys.cosign, ...flags, from, to];
  const { exit, stdout, stderr } = await world.run(args);
  const report = promoteReport.parse(JSON.parse(stdout || stderr));
  const [image] = report.images;
  const openpgp = image?.attachments.filter(({ format }) => format === "openpgp");
  return { exit, image, warnings: report.warnings, openpgp };
}

const asked = (registry: StartedRegistry) => [registry.count("*", /^\/v2\/$/), registry.count("*", /^\/extensions\//)];

describe("promotion out of a registry that keeps OpenPGP signatures, where nobody speaks of them", () => {
  it("carries them into another such registry, once", async () => {
    const other = await start({ signatureExtension: true });
    const from = await signedAt(keeper, { openpgp: true, index: true });
    const first = await promote(from, `${other.host}/prod/app:1`);
    expect([first.exit, first.image?.status, first.warnings]).toEqual([0, "promoted", []]);
    expect(first.openpgp?.map(({ status, place }) => [status, place.kind])).toEqual(
      Array.from({ length: 3 }, () => ["copied", "extension"]),
    );
    expect([asked(keeper)[0], asked(other)[0]]).toEqual([1, 1]);
    const again = await promote(from, `${other.host}/prod/app:1`);
    expect([again.image?.status, again.openpgp?.map(({ status }) => status)]).toEqual([
      "unchanged",
      ["present", "present", "present"],
    ]);
    const verify = ["verify", "-r", "--gpg-key", world.keys.release, `${other.host}/prod/app:1`];
    expect((await world.run(verify)).exit).toBe(0);
  });

  it("carries them within the registry", async () => {
    const from = await signedAt(keeper, { openpgp: true });
    const { exit, openpgp } = await promote(from, `${keeper.host}/prod/app:1`);
    expect([exit, openpgp?.map(({ status }) => status)]).toEqual([0, ["copied"]]);
    expect(asked(keeper)[0]).toBe(1);
  });

  it("carries them into the lookaside that is named", async () => {
    const [to, lookaside] = [await start(), temporaryFolder()];
    const from = await signedAt(keeper, { openpgp: true });
    const { exit, openpgp } = await promote(from, `${to.host}/prod/app:1`, "--destination-lookaside", lookaside);
    expect([exit, openpgp?.map(({ place }) => place.kind)]).toEqual([0, ["lookaside"]]);
    expect(readdirSync(lookaside, { recursive: true, encoding: "utf8" }).join()).toContain("signature-1");
  });

  it.each([
    ["", "promoted"],
    ["--dry-run", "planned"],
  ])(
    "goes on without them where the destination has no place, and tells how many and what would carry them %s",
    async (flag, wanted) => {
      const to = await start();
      const from = await signedAt(keeper, { openpgp: true, index: true });
      const { exit, image, warnings, openpgp } = await promote(from, `${to.host}/prod/app:1`, ...(flag ? [flag] : []));
      expect([exit, image?.status, openpgp]).toEqual([0, wanted, []]);
      expect(warnings).toEqual([
        expect.stringMatching(/^3 OpenPGP signatures of .* stayed behind: .* --destination-lookaside /),
      ]);
      expect(asked(to)).toEqual([1, 0]);
    },
  );

  it("is refused there, as before, where somebody speaks of them", async () => {
    const to = await start();
    const from = await signedAt(keeper, { openpgp: true });
    for (const flags of [
      ["--gpg-key", world.keys.release],
      ["--format", "cosign,openpgp"],
      ["--lookaside", temporaryFolder()],
    ]) {
      const { exit, image } = await promote(from, `${to.host}/prod/app:1`, ...flags);
      expect([exit, image?.errors[0]?.code], flags.join(" ")).toEqual([1, "E_LOOKASIDE_MISSING"]);
    }
    expect(to.storage.repositories()).toEqual([]);
  });

  it("fails where their list cannot be read: one might stay behind", async () => {
    const from = await signedAt(keeper, { openpgp: true });
    const broken = await startRegistry({
      signatureExtension: true,
      wrap: [(handler) => withFaults(handler, [{ path: /^\/extensions\//, fault: status(403) }])],
    });
    started.push(broken);
    const [kept, given] = [keeper, broken].map(({ storage }) => storage.getOrCreate("staging/app"));
    for (const [digest, manifest] of kept?.manifests ?? []) broken.storage.put("staging/app", digest, manifest);
    for (const [digest, bytes] of kept?.blobs ?? []) given?.blobs.set(digest, bytes);
    for (const [tag, digest] of kept?.tags ?? []) given?.tags.set(tag, digest);
    const to = await start();
    const { exit, image } = await promote(from.replace(keeper.host, broken.host), `${to.host}/prod/app:1`);
    expect([exit, image?.errors[0]?.code]).toEqual([3, "E_REGISTRY_DENIED"]);
    expect(to.storage.repositories()).toEqual([]);
  });
});

describe("promotion out of a registry that keeps none", () => {
  it.each([
    ["says nothing of an extension", undefined],
    ["answers 401", status(401)],
    ["answers 403", status(403)],
    ["answers 404", status(404)],
  ])("asks it once in a run what it supports, and for no list: one that %s", async (_, ping) => {
    const from = await start({ signatureExtension: ping !== undefined }, ping);
    const images = [await signedAt(from, { tag: "1", index: true }), await signedAt(from, { tag: "2" })];
    from.clear();
    const list = world.file("pairs", images.map((image) => `${image} ${image.replace("staging", "prod")}\n`).join(""));
    const run = await world.run(["promote", "--output", "json", "--key", world.keys.cosign, "--images", list]);
    const report = promoteReport.parse(JSON.parse(run.stdout));
    expect([run.exit, report.images.map(({ status }) => status)]).toEqual([0, ["promoted", "promoted"]]);
    expect(report.warnings).toEqual([]);
    expect(asked(from)).toEqual([1, 0]);
  });

  it("does not ask a destination that nothing is to be carried to", async () => {
    const [from, to] = [await start(), await start({ signatureExtension: true })];
    expect((await promote(await signedAt(from), `${to.host}/prod/app:1`)).exit).toBe(0);
    expect((await promote(await signedAt(keeper), `${to.host}/prod/app:2`)).exit).toBe(0);
    expect(asked(to)).toEqual([0, 0]);
  });

  it("fails before anything is written where the registry does not answer: it might keep some", async () => {
    const [from, to] = [await start({}, status(500)), await start()];
    const image = await signedAt(from);
    const run = await machine.run([
      "promote",
      "--output",
      "json",
      "--key",
      world.keys.cosign,
      image,
      `${to.host}/app:1`,
    ]);
    const [outcome] = promoteReport.parse(JSON.parse(run.stdout)).images;
    expect([run.exit, outcome?.errors[0]?.code]).toEqual([3, "E_REGISTRY_FAILING"]);
    expect(to.storage.repositories()).toEqual([]);
  });
});
