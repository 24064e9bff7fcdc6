import { afterEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/model/digest.ts";
import { NOTATION_SIGNATURE, OCI_MANIFEST } from "../../src/model/media-types.ts";
import { bareKey, certified } from "../formats/support/signing.ts";
import { status, withFaults } from "../support/faults.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, type StartOptions, startRegistry } from "../support/start-registry.ts";
import { createPki, makeKey, NOW } from "../trust/support/pki.ts";
import { attachAsReferrer, attachAsTag, listUnderTag, signatureOf } from "./support/attach.ts";
import { createMachine } from "./support/machine.ts";
import { errorCodes, listReportOf, onlyImage } from "./support/reports.ts";

const machine = createMachine();
const pki = createPki();
const key = makeKey("p256");

const started: StartedRegistry[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

async function start(options: StartOptions = {}) {
  const registry = await startRegistry(options);
  started.push(registry);
  const target = { registry, repository: "app" };
  const image = await pushImage(storageSink(registry.storage, "app"), { tag: "1" });
  return { registry, target, image, reference: `${registry.host}/app:1` };
}

async function list(...args: readonly string[]) {
  const run = await machine.run(["list", "--output", "json", ...args]);
  return { exit: run.exit, report: listReportOf(run) };
}

const blob = (text: string, artifactType: string) => ({
  mediaType: "application/octet-stream",
  bytes: Buffer.from(text),
  annotations: {},
  artifactType,
});

describe("what is attached to an image", () => {
  it("is listed whole, in formats known and not, and none of it verified", async () => {
    const { registry, target, image, reference } = await start();
    const { key: leafKey } = pki;
    const byPki = { key: leafKey, material: certified(pki) };
    await attachAsTag(target, image.digest, [
      signatureOf("cosign", target, image, byPki),
      signatureOf("cosign", target, image, { key, material: bareKey(key) }),
    ]);
    const sink = storageSink(registry.storage, "app");
    const sig = registry.storage.get("app")?.tags.get(`${image.digest.replace(":", "-")}.sig`);
    const kept = sig && registry.storage.get("app")?.manifests.get(sig);
    for (const suffix of ["att", "sbom"]) {
      if (kept) await sink.putManifest(`${image.digest.replace(":", "-")}.${suffix}`, kept);
    }
    await attachAsReferrer(target, image.descriptor, signatureOf("bundle", target, image, byPki));
    for (const format of ["notation", "notation-cose"] as const) {
      await attachAsReferrer(
        target,
        image.descriptor,
        signatureOf(format, target, image, byPki, { annotations: {}, at: NOW }),
      );
    }
    await attachAsReferrer(target, image.descriptor, blob("unknown", "application/vnd.example.scan"));

    const { exit, report } = await list(reference);
    expect(exit).toBe(0);
    expect(report.verified).toBe(false);
    const { attachments, errors } = onlyImage(report);
    expect(errors).toEqual([]);
    expect(attachments.map(({ kind, format, place }) => `${kind} ${format} ${place.kind}`).sort()).toEqual([
      "attestation dsse tag",
      "attestation dsse tag",
      "referrer null referrer",
      "sbom null tag",
      "sbom null tag",
      "signature bundle referrer",
      "signature cosign tag",
      "signature cosign tag",
      "signature notation referrer",
      "signature notation-cose referrer",
    ]);
    const signersOf = (name: string) =>
      attachments.filter(({ format }) => format === name).map(({ signer }) => signer?.subject ?? null);
    expect(signersOf("cosign")).toEqual(["CN=release,O=Example", null]);
    expect([...signersOf("notation"), ...signersOf("notation-cose")]).toEqual(Array(2).fill("CN=release,O=Example"));
  });

  it("is told when what calls itself a Notary signature is none", async () => {
    const { target, image, reference } = await start();
    await attachAsReferrer(target, image.descriptor, blob("junk", NOTATION_SIGNATURE));
    const { report } = await list(reference);
    expect(onlyImage(report).attachments).toMatchObject([{ kind: "signature", format: "notation", signer: null }]);
    expect(errorCodes(report)).toEqual(["E_FORMAT_UNSUPPORTED"]);
  });

  it("is listed from the fallback tag, by artifact type and by cosign's spelling of the command", async () => {
    const { target, image, reference } = await start({ referrersApi: false });
    await listUnderTag(target, image.digest, [
      await attachAsReferrer(target, image.descriptor, blob("unknown", "application/vnd.example.scan")),
    ]);
    const run = await machine.run(["tree", "--output", "json", reference]);
    expect(onlyImage(listReportOf(run)).attachments).toMatchObject([
      { kind: "referrer", artifactType: "application/vnd.example.scan", place: { kind: "fallback-tag" } },
    ]);
  });

  it("says of an image without anything that there is nothing", async () => {
    const { reference } = await start();
    const run = await machine.run(["list", reference]);
    expect(run.stdout).toMatch(/nothing here has been verified/);
    expect(run.stdout).toMatch(/nothing attached/);
    expect(run.exit).toBe(0);
  });

  it("tells of a bundle that cannot be read, and shows the rest", async () => {
    const { registry, target, image, reference } = await start();
    const good = signatureOf("bundle", target, image, { key, material: bareKey(key) });
    await attachAsReferrer(target, image.descriptor, good);
    await attachAsReferrer(target, image.descriptor, { ...good, bytes: Buffer.from("{") });
    const lost = digestOf(Buffer.from("lost"));
    registry.storage
      .get("app")
      ?.referrers.get(image.digest)
      ?.set(lost, { mediaType: OCI_MANIFEST, digest: lost, size: 4, artifactType: good.artifactType });
    const { report } = await list(reference);
    expect(onlyImage(report).attachments).toHaveLength(3);
    expect(errorCodes(report)).toEqual(["E_BLOB_MISSING", "E_SIGNATURE_MALFORMED"]);
  });
});

describe("a place that cannot be looked at", () => {
  it.each([
    ["the tag of signatures", /\.sig$/],
    ["the tag of attestations", /\.att$/],
    ["the referrers API", /referrers/],
    ["the fallback tag", /manifests\/sha256-[0-9a-f]{64}$/],
  ])("%s is told of, and ends in 3", async (_, path) => {
    const { reference } = await start({ wrap: [(inner) => withFaults(inner, [{ path, fault: status(403) }])] });
    const { exit, report } = await list(reference);
    expect(errorCodes(report)).toEqual(["E_REGISTRY_DENIED"]);
    expect(exit).toBe(3);
  });

  it("an image that is not there ends in 1", async () => {
    const { registry } = await start();
    const { exit, report } = await list(`${registry.host}/app:lost`);
    expect([exit, errorCodes(report)]).toEqual([1, ["E_SUBJECT_NOT_FOUND"]]);
  });
});

describe("an index, with --recursive", () => {
  it("is listed with each of its images", async () => {
    const { registry, target } = await start();
    const platforms = ["amd64", "arm64"].map((architecture) => ({ os: "linux", architecture }));
    const index = await pushImage(storageSink(registry.storage, "app"), { tag: "multi", platforms });
    const [child] = index.children;
    if (child === undefined) throw new Error("no child");
    await attachAsTag(target, child.digest, [signatureOf("cosign", target, child, { key, material: bareKey(key) })]);
    const { report } = await list("--recursive", `${registry.host}/app:multi`);
    expect(report.images.map(({ digest, attachments }) => [digest, attachments.length])).toEqual([
      [index.digest, 0],
      [child.digest, 1],
      [index.children[1]?.digest, 0],
    ]);
  });
});
