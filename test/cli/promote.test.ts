import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/model/digest.ts";
import { NOTATION_SIGNATURE, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST } from "../../src/model/media-types.ts";
import { buildImageManifest } from "../../src/oci/build-manifest.ts";
import { withBasicAuth } from "../support/authentication.ts";
import {
  type FaultRule,
  reset,
  resetAfter,
  status,
  throttled,
  truncated,
  withFaults,
  withHeaders,
  wrongDigest,
} from "../support/faults.ts";
import { type PushedImage, pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, type StartOptions, startRegistry } from "../support/start-registry.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { makeKey } from "../trust/support/pki.ts";
import { keyPem, publicKeyPem } from "./support/keys.ts";
import { createMachine, type RunOptions } from "./support/machine.ts";
import { expectClean, storageState } from "./support/refusals.ts";
import { errorCodes, listReportOf, onlyImage, promoteReportOf, verifyReportOf } from "./support/reports.ts";

const machine = createMachine();
const [staging, production, stranger] = [makeKey("p256"), makeKey("p256"), makeKey("p256")];
const keys = {
  staging: machine.file("staging.key", keyPem(staging)),
  stagingPublic: machine.file("staging.pub", publicKeyPem(staging)),
  production: machine.file("production.key", keyPem(production)),
  productionPublic: machine.file("production.pub", publicKeyPem(production)),
  strangerPublic: machine.file("stranger.pub", publicKeyPem(stranger)),
};
const trust = ["--key", keys.stagingPublic];
const platforms = [
  { os: "linux", architecture: "amd64" },
  { os: "linux", architecture: "arm64" },
];

const started: StartedRegistry[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

async function start(options: StartOptions = {}, rules: readonly FaultRule[] = []): Promise<StartedRegistry> {
  const registry = await startRegistry({
    ...options,
    wrap: [...(options.wrap ?? []), (handler) => withFaults(handler, rules)],
  });
  started.push(registry);
  return registry;
}

async function sign(image: string, ...args: readonly string[]): Promise<void> {
  const run = await machine.run(["sign", "--key", keys.staging, "--format", "cosign,bundle", ...args, image]);
  expect(run.exit, run.stderr + run.stdout).toBe(0);
}

async function promote(args: readonly string[], options: RunOptions = {}) {
  const run = await machine.run(["promote", "--output", "json", ...args], options);
  expectClean(run);
  const report = promoteReportOf(run);
  return { exit: run.exit, report, image: report.images[0], slept: run.slept };
}

async function verdict(image: string, key = keys.stagingPublic): Promise<string> {
  return verifyReportOf(await machine.run(["verify", "--output", "json", "--key", key, image])).verdict;
}

/** A referrer of any kind, put beneath the rules. */
async function refer(
  registry: StartedRegistry,
  repository: string,
  subject: PushedImage,
  artifactType: string,
  text = artifactType,
): Promise<PushedImage> {
  const sink = storageSink(registry.storage, repository);
  const config = { mediaType: OCI_EMPTY, digest: await sink.putBlob(Buffer.from("{}")), size: 2 };
  const bytes = Buffer.from(text);
  const layers = [{ mediaType: "text/plain", digest: await sink.putBlob(bytes), size: bytes.length }];
  const annotations = { "com.example.note": text };
  const manifest = buildImageManifest({ artifactType, config, layers, annotations, subject: subject.descriptor });
  const digest = digestOf(manifest);
  await sink.putManifest(digest, { bytes: manifest, mediaType: OCI_MANIFEST });
  const descriptor = { mediaType: OCI_MANIFEST, digest, size: manifest.length };
  return { digest, mediaType: OCI_MANIFEST, bytes: manifest, descriptor, children: [] };
}

async function signed(registry: StartedRegistry, name = "staging/app", tag = "1"): Promise<PushedImage> {
  const image = await pushImage(storageSink(registry.storage, name), { tag, platforms });
  await sign(`${registry.host}/${name}:${tag}`, "--recursive");
  registry.clear();
  return image;
}

const tagOf = (registry: StartedRegistry, name: string, tag = "1") => registry.storage.get(name)?.tags.get(tag);

describe("promoting within one registry", () => {
  it("verifies, mounts every blob, brings the signatures, and moves the tag last", async () => {
    const registry = await start();
    const image = await signed(registry);
    const {
      exit,
      report,
      image: outcome,
    } = await promote([...trust, `${registry.host}/staging/app:1`, `${registry.host}/prod/app:1`]);
    expect([exit, onlyImage(report).status]).toEqual([0, "promoted"]);
    expect(outcome).toMatchObject({
      digest: image.digest,
      verification: { source: { verdict: "trusted" }, destination: { verdict: "trusted" } },
      copied: { blobs: 0, bytes: 0 },
      tag: { name: "1", previous: null, status: "moved" },
      errors: [],
    });
    expect(registry.count("PUT", /\/blobs\//)).toBe(0);
    expect(
      registry.requests.some(({ method, path }) => method === "GET" && /prod\/app\/manifests\/1$/.test(path)),
    ).toBe(true);
    const writes = registry.requests.filter(({ method }) => method === "PUT").map(({ path }) => path);
    expect(writes.at(-1)).toBe("/v2/prod/app/manifests/1");
    expect(tagOf(registry, "prod/app")).toBe(image.digest);
    expect(await verdict(`${registry.host}/prod/app:1`)).toBe("trusted");
  });

  it("moves a tag of the very same repository, and nothing else", async () => {
    const registry = await start();
    const image = await signed(registry);
    const name = `${registry.host}/staging/app`;
    const { exit, image: outcome } = await promote([...trust, `${name}:1`, `${name}:stable`]);
    expect([exit, outcome?.status]).toEqual([0, "promoted"]);
    expect(registry.requests.filter(({ method }) => method === "PUT").map(({ path }) => path)).toEqual([
      "/v2/staging/app/manifests/stable",
    ]);
    expect(tagOf(registry, "staging/app", "stable")).toBe(image.digest);
  });
});

const kinds: readonly (readonly [name: string, from: StartOptions, to: StartOptions])[] = [
  ["both with the referrers API", {}, {}],
  ["from one with the API to one without", {}, { referrersApi: false }],
  ["from one without the API to one with", { referrersApi: false }, {}],
  ["both without", { referrersApi: false }, { referrersApi: false }],
];

describe.each(kinds)("promoting between two registries, %s", (_, fromOptions, toOptions) => {
  async function surroundings() {
    const [from, to] = [await start(fromOptions), await start(toOptions)];
    const image = await pushImage(storageSink(from.storage, "app"), { tag: "1", platforms });
    await sign(`${from.host}/app:1`, "--recursive");
    from.clear();
    return { from, to, image, args: [...trust, `${from.host}/app:1`, `${to.host}/app:1`] };
  }

  it("brings signatures of both formats, of the index and each of its images", async () => {
    const { to, image, args } = await surroundings();
    const { exit, image: outcome } = await promote([...args, "--recursive"]);
    expect([exit, outcome?.status]).toEqual([0, "promoted"]);
    expect(outcome?.verification.destination?.images).toHaveLength(3);
    for (const { digest } of [image, ...image.children]) {
      const of = outcome?.attachments
        .filter(({ subject }) => subject === digest)
        .map(({ format }) => format)
        .sort();
      expect(of).toEqual(["bundle", "cosign"]);
      const run = await machine.run(["verify", "--output", "json", ...trust, `${to.host}/app@${digest}`]);
      expect(onlyImage(verifyReportOf(run)).signatures.map(({ format, trusted }) => [format, trusted])).toEqual([
        ["cosign", true],
        ["bundle", true],
      ]);
    }
  });

  it("is unchanged the second time, and writes nothing", async () => {
    const { to, args } = await surroundings();
    await promote(args);
    const before = storageState(to);
    to.clear();
    const { exit, image } = await promote(args);
    expect([exit, image?.status, image?.tag?.status]).toEqual([0, "unchanged", "unchanged"]);
    expect(storageState(to)).toBe(before);
    expect(to.count("PUT") + to.count("POST") + to.count("PATCH")).toBe(0);
  });

  it("plans without writing, and does then what was planned", async () => {
    const { to, args } = await surroundings();
    const planned = await promote([...args, "--dry-run"]);
    expect([planned.exit, planned.image?.status, planned.image?.tag?.status]).toEqual([0, "planned", "planned"]);
    expect(planned.report.dryRun).toBe(true);
    expect(to.storage.repositories()).toEqual([]);
    expect(to.count("PUT") + to.count("POST")).toBe(0);
    const done = await promote(args);
    expect(done.image?.attachments).toHaveLength(planned.image?.attachments.length ?? -1);
    expect(done.image?.copied.blobs).toBe(planned.image?.copied.blobs);
    expect((await promote([...args, "--dry-run"])).image?.status).toBe("unchanged");
  });

  it("keeps what the destination has: signatures under the tag, referrers, entries of the fallback index", async () => {
    const { from, to, image, args } = await surroundings();
    const sink = storageSink(to.storage, "app");
    for (const child of image.children) {
      for (const [digest, bytes] of from.storage.get("app")?.blobs ?? [])
        to.storage.getOrCreate("app").blobs.set(digest, bytes);
      await sink.putManifest(child.digest, { bytes: child.bytes, mediaType: child.mediaType });
    }
    await sink.putManifest("old", { bytes: image.bytes, mediaType: image.mediaType });
    const own = await machine.run([
      "sign",
      "--key",
      keys.production,
      "--format",
      "cosign,bundle",
      `${to.host}/app:old`,
    ]);
    expect(own.exit).toBe(0);
    expect((await promote(args)).exit).toBe(0);
    for (const key of [keys.stagingPublic, keys.productionPublic]) {
      const run = await machine.run(["verify", "--output", "json", "--key", key, `${to.host}/app:1`]);
      expect(
        onlyImage(verifyReportOf(run))
          .signatures.filter(({ trusted }) => trusted)
          .map(({ format }) => format),
      ).toEqual(["cosign", "bundle"]);
    }
  });
});

describe("what hangs on an image", () => {
  it.each([
    ["the API", {}],
    ["a fallback index", { referrersApi: false }],
  ])("comes along whatever it is, and what hangs on that, to a registry with %s", async (_, options) => {
    const [from, to] = [await start(), await start(options)];
    const image = await signed(from, "app");
    const child = image.children[0];
    if (child === undefined) throw new Error("no child");
    const sbom = await refer(from, "app", image, "application/vnd.example.unknown+type");
    const onChild = await refer(from, "app", child, NOTATION_SIGNATURE);
    const onSbom = await refer(from, "app", sbom, "application/vnd.example.review");
    await sign(`${from.host}/app@${sbom.digest}`);
    const { exit, image: outcome } = await promote([...trust, `${from.host}/app:1`, `${to.host}/app:1`]);
    expect(exit).toBe(0);
    const referrers = outcome?.attachments.filter(({ artifactType }) => artifactType?.includes("example"));
    expect(referrers?.map(({ kind, format, subject, status }) => [kind, format, subject, status])).toEqual([
      ["referrer", null, image.digest, "copied"],
      ["referrer", null, sbom.digest, "copied"],
    ]);
    const listed = listReportOf(await machine.run(["list", "--output", "json", "-r", `${to.host}/app:1`]));
    const all = listed.images.flatMap(({ attachments }) => attachments);
    expect(all.find(({ place }) => place.digest === sbom.digest)).toMatchObject({
      artifactType: "application/vnd.example.unknown+type",
      annotations: { "com.example.note": "application/vnd.example.unknown+type" },
    });
    // Without artifact type and annotations in the entry notation passes over its own signature.
    expect(all.find(({ place }) => place.digest === onChild.digest)).toMatchObject({
      format: "notation",
      artifactType: NOTATION_SIGNATURE,
      annotations: { "com.example.note": NOTATION_SIGNATURE },
    });
    const deeper = listReportOf(await machine.run(["list", "--output", "json", `${to.host}/app@${sbom.digest}`]));
    const onIt = onlyImage(deeper).attachments;
    expect(onIt.map(({ place }) => place.digest)).toContain(onSbom.digest);
    expect(await verdict(`${to.host}/app@${sbom.digest}`)).toBe("trusted");
  });

  it("comes along under the tags for attestations and SBOMs, byte for byte", async () => {
    const [from, to] = [await start(), await start()];
    const image = await signed(from, "app");
    for (const suffix of ["att", "sbom"]) {
      await pushImage(storageSink(from.storage, "app"), { tag: `${image.digest.replace(":", "-")}.${suffix}` });
    }
    const { image: outcome } = await promote([...trust, `${from.host}/app:1`, `${to.host}/app:1`]);
    expect(outcome?.attachments.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["attestation", "sbom"]));
    for (const suffix of ["sig", "att", "sbom"]) {
      const tag = `${image.digest.replace(":", "-")}.${suffix}`;
      expect(tagOf(to, "app", tag)).toBe(tagOf(from, "app", tag));
      expect(tagOf(to, "app", tag)).toBeDefined();
    }
  });

  it("is left behind, with a warning, when it is listed and belongs elsewhere or is gone", async () => {
    const [from, to] = [await start({ referrersApi: false }), await start()];
    const image = await signed(from, "app");
    const other = await pushImage(storageSink(from.storage, "app"), {});
    const stray = await refer(from, "app", other, "application/vnd.example.stray");
    const tag = image.digest.replace(":", "-");
    const index = JSON.parse(
      Buffer.from(
        from.storage.get("app")?.manifests.get(tagOf(from, "app", tag) ?? image.digest)?.bytes ?? [],
      ).toString(),
    );
    const gone = { ...stray.descriptor, digest: `sha256:${"0".repeat(64)}` };
    const bytes = Buffer.from(JSON.stringify({ ...index, manifests: [...index.manifests, stray.descriptor, gone] }));
    await storageSink(from.storage, "app").putManifest(tag, { bytes, mediaType: OCI_INDEX });
    const { exit, report } = await promote([...trust, `${from.host}/app:1`, `${to.host}/app:1`]);
    expect(exit).toBe(0);
    expect(report.warnings.join("\n")).toMatch(
      new RegExp(`${stray.digest} is listed .* but refers to ${other.digest}: left behind`),
    );
    expect(report.warnings.join("\n")).toMatch(/0000 is listed .* but is not there: left behind/);
    expect(to.storage.get("app")?.manifests.has(stray.digest)).toBe(false);
  });

  it.each([
    ["the signature tag", /manifests\/sha256-[0-9a-f]{64}\.att$/],
    ["the referrers", /referrers/],
  ])("stops the promotion when the source does not show it: %s", async (_, path) => {
    const broken: FaultRule = { path, method: "GET", fault: status(500) };
    const [from, to] = [await start(), await start()];
    await signed(from, "app");
    const proxy = await start({
      wrap: [
        () =>
          withFaults(
            async (request) => {
              const answer = await fetch(`${from.origin}${request.url.pathname}${request.url.search}`, {
                method: request.method,
              });
              return {
                status: answer.status,
                headers: Object.fromEntries(answer.headers),
                body: new Uint8Array(await answer.arrayBuffer()),
              };
            },
            [broken],
          ),
      ],
    });
    const { exit, image } = await promote([...trust, `${proxy.host}/app:1`, `${to.host}/app:1`]);
    expect([exit, image?.status, image?.tag?.status]).toEqual([3, "failed", "kept"]);
    expect(to.storage.get("app")?.tags.has("1") ?? false).toBe(false);
  });
});

describe("an image that does not verify", () => {
  it.each([
    ["unsigned", false, trust, 1, "E_NOT_VERIFIED"],
    ["signed by a stranger", true, ["--key", keys.strangerPublic], 1, "E_NOT_VERIFIED"],
  ])("is refused, and nothing is written: %s", async (_, isSigned, flags, code, error) => {
    const [from, to] = [await start(), await start()];
    await pushImage(storageSink(from.storage, "app"), { tag: "1" });
    if (isSigned) await sign(`${from.host}/app:1`);
    const { exit, report, image } = await promote([...flags, `${from.host}/app:1`, `${to.host}/app:1`]);
    expect([exit, image?.status, errorCodes(report)]).toEqual([code, "refused", [error]]);
    expect(image?.verification).toMatchObject({ destination: null });
    expect(to.storage.repositories()).toEqual([]);
  });

  it("is refused for one unsigned platform, with --recursive", async () => {
    const [from, to] = [await start(), await start()];
    await pushImage(storageSink(from.storage, "app"), { tag: "1", platforms });
    await sign(`${from.host}/app:1`);
    const pair = [`${from.host}/app:1`, `${to.host}/app:1`];
    const refused = await promote([...trust, "--recursive", ...pair]);
    expect([refused.exit, refused.image?.status]).toEqual([1, "refused"]);
    expect(refused.image?.verification.source?.images.map(({ verdict: each }) => each)).toEqual([
      "trusted",
      "unsigned",
      "unsigned",
    ]);
    expect((await promote([...trust, ...pair])).exit).toBe(0);
  });

  it.each([
    ["throttled", throttled(1000)],
    ["failing", status(500)],
    ["silent", reset()],
  ])("is not called unsigned when its source is %s: exit 3", async (_, fault) => {
    const rules: FaultRule[] = [];
    const [from, to] = [await start({ wrap: [(handler) => withFaults(handler, rules)] }), await start()];
    await pushImage(storageSink(from.storage, "app"), { tag: "1" });
    rules.push({ path: /\.sig$|referrers|manifests\/sha256-/, fault });
    const { exit, report, image } = await promote([...trust, `${from.host}/app:1`, `${to.host}/app:1`]);
    expect([exit, image?.status, errorCodes(report)]).toEqual([3, "failed", ["E_UNDETERMINED"]]);
    expect(to.storage.repositories()).toEqual([]);
  });

  it("keeps the tag as it was when the destination's own trust is not met", async () => {
    const [from, to] = [await start(), await start()];
    await signed(from, "app");
    const old = await pushImage(storageSink(to.storage, "app"), { tag: "1" });
    const args = [...trust, "--destination-key", keys.productionPublic, `${from.host}/app:1`, `${to.host}/app:1`];
    const { exit, report, image } = await promote(args);
    expect([exit, image?.status, errorCodes(report)]).toEqual([1, "refused", ["E_NOT_VERIFIED"]]);
    expect(image?.tag).toEqual({ name: "1", previous: old.digest, status: "kept" });
    expect(tagOf(to, "app")).toBe(old.digest);
  });

  it("does not stop the others of a list, each of which is reported", async () => {
    const [from, to] = [await start(), await start()];
    for (const name of ["app-a", "app-b", "app-c"]) await pushImage(storageSink(from.storage, name), { tag: "1" });
    for (const name of ["app-a", "app-c"]) await sign(`${from.host}/${name}:1`);
    const lines = ["app-a", "app-b", "app-c", "missing"].map(
      (name) => `${from.host}/${name}:1  ${to.host}/prod/${name}`,
    );
    const list = machine.file("release.txt", `# a release\n\n${lines.join("\n")}\n`);
    const { exit, report } = await promote([...trust, "--images", list]);
    expect(exit).toBe(1);
    expect(report.images.map(({ status: each }) => each)).toEqual(["promoted", "refused", "promoted", "refused"]);
    expect([tagOf(to, "prod/app-a"), tagOf(to, "prod/app-c")].every(Boolean)).toBe(true);
    expect(to.storage.repositories()).toEqual(["prod/app-a", "prod/app-c"]);
    const piped = await promote([...trust, "--images", "-"], { stdin: `${lines[0]}\n` });
    expect(piped.report.images.map(({ status: each }) => each)).toEqual(["unchanged"]);
  });
});

describe("signing for the destination", () => {
  const resign = ["--resign", "--resign-key", keys.production, "--resign-format", "cosign,bundle"];

  it("makes the image verify by the destination's key, beside the signatures that came along", async () => {
    const [from, to] = [await start(), await start()];
    const image = await signed(from, "app");
    const args = [
      ...trust,
      ...resign,
      "--destination-key",
      keys.productionPublic,
      "--destination-require-reference",
      "none",
    ];
    const pair = [`${from.host}/app:1`, `${to.host}/app:1`];
    const { exit, image: outcome } = await promote([...args, ...pair]);
    expect([exit, outcome?.status]).toEqual([0, "promoted"]);
    expect(outcome?.resigned.map(({ format, subject, status: each }) => [format, subject, each])).toEqual([
      ["cosign", image.digest, "added"],
      ["bundle", image.digest, "added"],
    ]);
    expect(await verdict(`${to.host}/app:1`, keys.productionPublic)).toBe("trusted");
    expect(await verdict(`${to.host}/app:1`)).toBe("trusted");
    expect(await verdict(`${from.host}/app:1`, keys.productionPublic)).toBe("untrusted");
    const again = await promote([...args, ...pair]);
    expect([again.exit, again.image?.status]).toEqual([0, "unchanged"]);
  });

  it("signs each image of an index with --recursive, and names the destination's repository", async () => {
    const [from, to] = [await start(), await start()];
    await signed(from, "app");
    const flags = [
      "--destination-key",
      keys.productionPublic,
      "--destination-require-reference",
      "repository",
      "--recursive",
    ];
    const { exit, image } = await promote([
      ...trust,
      "--resign",
      "--resign-key",
      keys.production,
      ...flags,
      `${from.host}/app:1`,
      `${to.host}/prod/app:1`,
    ]);
    expect([exit, image?.resigned.length]).toEqual([0, 3]);
  });

  it("is planned without signing", async () => {
    const [from, to] = [await start(), await start()];
    await signed(from, "app");
    const { image } = await promote([...trust, ...resign, "--dry-run", `${from.host}/app:1`, `${to.host}/app:1`]);
    expect(image?.resigned.map(({ status: each, place }) => [each, place])).toEqual([
      ["planned", null],
      ["planned", null],
    ]);
    expect(to.storage.repositories()).toEqual([]);
  });

  it("demands both its own signature and the source's where nothing is said of the destination", async () => {
    const [from, to] = [await start(), await start()];
    await signed(from, "app");
    const { exit, image } = await promote([...trust, ...resign, `${from.host}/app:1`, `${to.host}/app:1`]);
    expect(exit).toBe(0);
    const counted = image?.verification.destination?.images[0]?.signatures.filter(({ trusted }) => trusted);
    expect(new Set(counted?.map(({ signer }) => signer?.fingerprint)).size).toBe(2);
  });
});

describe("names inside signatures", () => {
  it("are those of the source when the source's trust holds at the destination too", async () => {
    const [from, to] = [await start(), await start()];
    await signed(from, "app");
    const pair = [`${from.host}/app:1`, `${to.host}/prod/app:1`];
    expect((await promote([...trust, "--require-reference", "repository", ...pair])).exit).toBe(0);
    const own = ["--destination-key", keys.stagingPublic, "--destination-require-reference", "repository"];
    const refused = await promote([...trust, ...own, ...pair]);
    expect([refused.exit, errorCodes(refused.report)]).toEqual([1, ["E_NOT_VERIFIED"]]);
  });
});

describe("a destination tag", () => {
  it.each([
    ["ignores conditions", {}],
    ["honours them", { conditionalWrites: true }],
  ])("that somebody else has moved meanwhile is left alone, on a registry that %s", async (_, options) => {
    const [from] = [await start()];
    await signed(from, "app");
    const state: { to?: StartedRegistry; other?: PushedImage } = {};
    const meddling: FaultRule = {
      method: "PUT",
      path: /manifests\/sha256:/,
      nth: 1,
      fault: async (_request, next) => {
        if (state.to && state.other) state.to.storage.get("app")?.tags.set("1", state.other.digest);
        return next();
      },
    };
    const to = await start(options, [meddling]);
    const old = await pushImage(storageSink(to.storage, "app"), { tag: "1" });
    state.to = to;
    state.other = await pushImage(storageSink(to.storage, "app"), {});
    const { exit, report, image } = await promote([...trust, `${from.host}/app:1`, `${to.host}/app:1`]);
    expect([exit, image?.status, errorCodes(report)]).toEqual([1, "refused", ["E_TAG_MOVED"]]);
    expect(image?.tag).toEqual({ name: "1", previous: old.digest, status: "kept" });
    expect(tagOf(to, "app")).toBe(state.other.digest);
  });

  it("that is moved between the last look and the writing stays, where conditions are honoured", async () => {
    const from = await start();
    await signed(from, "app");
    const state: { to?: StartedRegistry; other?: PushedImage } = {};
    const meddling: FaultRule = {
      method: "PUT",
      path: /manifests\/1$/,
      nth: 1,
      fault: async (_request, next) => {
        if (state.to && state.other) state.to.storage.get("app")?.tags.set("1", state.other.digest);
        return next();
      },
    };
    const to = await start({ conditionalWrites: true }, [meddling]);
    await pushImage(storageSink(to.storage, "app"), { tag: "1" });
    state.to = to;
    state.other = await pushImage(storageSink(to.storage, "app"), {});
    const { exit, report } = await promote([...trust, `${from.host}/app:1`, `${to.host}/app:1`]);
    expect([exit, errorCodes(report)]).toEqual([1, ["E_TAG_MOVED"]]);
    expect(tagOf(to, "app")).toBe(state.other.digest);
  });

  it("that may not change is told of", async () => {
    const from = await start();
    await signed(from, "app");
    const to = await start({}, [{ method: "PUT", path: /manifests\/1$/, fault: status(409) }]);
    const { exit, report, image } = await promote([...trust, `${from.host}/app:1`, `${to.host}/app:1`]);
    expect([exit, errorCodes(report), image?.tag?.status]).toEqual([3, ["E_REGISTRY_CONFLICT"], "kept"]);
  });

  it("whose answer gets lost is found to be moved", async () => {
    const from = await start();
    const image = await signed(from, "app");
    const to = await start({ conditionalWrites: true }, [
      { method: "PUT", path: /manifests\/1$/, nth: 1, fault: resetAfter() },
    ]);
    await pushImage(storageSink(to.storage, "app"), { tag: "1" });
    const { exit, image: outcome } = await promote([...trust, `${from.host}/app:1`, `${to.host}/app:1`]);
    expect([exit, outcome?.tag?.status]).toEqual([0, "moved"]);
    expect(tagOf(to, "app")).toBe(image.digest);
  });

  it("that the registry says it wrote and did not is told of", async () => {
    const from = await start();
    await signed(from, "app");
    const to = await start({}, [{ method: "PUT", path: /manifests\/1$/, fault: status(201) }]);
    const { exit, report, image } = await promote([...trust, `${from.host}/app:1`, `${to.host}/app:1`]);
    expect([exit, errorCodes(report), image?.tag?.status]).toEqual([1, ["E_STORED_DIFFERS"], "unknown"]);
  });

  it("is not needed: by digest only", async () => {
    const [from, to] = [await start(), await start()];
    const image = await signed(from, "app");
    const args = [...trust, `${from.host}/app:1`, `${to.host}/app@${image.digest}`];
    const { exit, image: outcome } = await promote(args);
    expect([exit, outcome?.status, outcome?.tag]).toEqual([0, "promoted", null]);
    expect(to.storage.get("app")?.tags.has("1")).toBe(false);
    expect((await promote(args)).image?.status).toBe("unchanged");
    const other = `sha256:${"1".repeat(64)}`;
    const refused = await promote([...trust, `${from.host}/app:1`, `${to.host}/app@${other}`]);
    expect([refused.exit, errorCodes(refused.report)]).toEqual([1, ["E_SUBJECT_MISMATCH"]]);
  });

  it("is the source's when none is written", async () => {
    const [from, to] = [await start(), await start()];
    const image = await signed(from, "app", "2.1");
    expect((await promote([...trust, `${from.host}/app:2.1`, `${to.host}/app`])).image?.tag?.name).toBe("2.1");
    const byDigest = await promote([...trust, `${from.host}/app@${image.digest}`, `${to.host}/other`]);
    expect(byDigest.image?.tag).toBeNull();
  });
});

describe("folders", () => {
  it("take images with their signatures, and give them back", async () => {
    const [from, to] = [await start(), await start({ referrersApi: false })];
    const image = await signed(from, "app");
    const folder = `oci:${join(temporaryFolder(), "carried")}:1`;
    expect((await promote([...trust, "-r", `${from.host}/app:1`, folder])).image?.status).toBe("promoted");
    expect((await promote([...trust, "-r", `${from.host}/app:1`, folder])).image?.status).toBe("unchanged");
    expect((await promote([...trust, "-r", folder, `${to.host}/app:1`])).image?.status).toBe("promoted");
    expect(tagOf(to, "app")).toBe(image.digest);
    expect(await verdict(`${to.host}/app@${image.children[1]?.digest}`)).toBe("trusted");
  });
});

describe("credentials", () => {
  it("of one end never go to the other, and each end gets its own", async () => {
    const secrets = { READER: "reading-4711", WRITER: "writing-4711" };
    const seen = (registry: StartedRegistry) =>
      registry.requests.map(({ headers }) =>
        Buffer.from((headers["authorization"] ?? "").replace("Basic ", ""), "base64").toString(),
      );
    const guard = (user: string, password: string): StartOptions => ({
      wrap: [withBasicAuth({ username: user, password })],
    });
    const open = await start();
    await signed(open, "app");
    const [from, to] = [await start(guard("reader", secrets.READER)), await start(guard("writer", secrets.WRITER))];
    fill(from, open);
    const flags = [
      ...["--registry-username", "reader", "--registry-password", "env://READER"],
      ...["--destination-username", "writer", "--destination-password", "env://WRITER"],
    ];
    const { exit } = await promote([...trust, ...flags, `${from.host}/app:1`, `${to.host}/app:1`], { env: secrets });
    expect(exit).toBe(0);
    expect(seen(from).join()).toContain(secrets.READER);
    expect(seen(from).join()).not.toContain(secrets.WRITER);
    expect(seen(to).join()).toContain(secrets.WRITER);
    expect(seen(to).join()).not.toContain(secrets.READER);
    const swapped = await promote([...trust, ...flags.slice(0, 4), `${from.host}/app:1`, `${to.host}/app:1`], {
      env: secrets,
    });
    expect([swapped.exit, errorCodes(swapped.report)]).toEqual([3, ["E_REGISTRY_DENIED"]]);
  });
});

describe("wrong use", () => {
  it.each([
    ["no trust", ["a.example/app:1", "b.example/app:1"], "nothing is trusted"],
    ["one image", [...trust, "a.example/app:1"], "of one source to one destination"],
    [
      "three images",
      [...trust, "a.example/app:1", "b.example/app:1", "c.example/app:1"],
      "Expected 2 arguments but got 3",
    ],
    ["an empty name", [...trust, "a.example/app:1", ""], "of one source to one destination"],
    [
      "a tag of signatures",
      [...trust, "a.example/app:1", `b.example/app:sha256-${"0".repeat(64)}.sig`],
      "carries signatures",
    ],
    ["a folder by digest", [...trust, `a.example/app@sha256:${"0".repeat(64)}`, "oci:folder"], "has no tag"],
    [
      "a flag for signing alone",
      [...trust, "--resign-key", keys.production, "a.example/app:1", "b.example/app:1"],
      "--resign-key stands without --resign",
    ],
    ["no key to sign with", [...trust, "--resign", "a.example/app:1", "b.example/app:1"], "--resign: no key is named"],
    [
      "contradicting trust there",
      [
        ...trust,
        "--destination-key",
        keys.stagingPublic,
        "--destination-ca-roots",
        keys.stagingPublic,
        "a.example/app:1",
        "b.example/app:1",
      ],
      "trust at the destination",
    ],
  ])("is told before any request: %s", async (_, args, says) => {
    const run = await machine.run(["promote", ...args]);
    expect(run.exit, run.stderr).toBe(2);
    expect(run.stderr).toContain(says);
    expect(run.stderr).toContain("mend:");
  });

  it.each([
    ["a line of one word", "a.example/app:1\n", "line 1 of the list"],
    [
      "one destination twice",
      "a.example/one:1 b.example/app:1\na.example/two:1 b.example/app:1\n",
      "the destination of two images",
    ],
    ["nothing", "# nothing\n", "names no image"],
  ])("is told of a list with %s", async (_, list, says) => {
    const run = await machine.run(["promote", ...trust, "--images", machine.file("list.txt", list)]);
    expect([run.exit, run.stderr.includes(says)], run.stderr).toEqual([2, true]);
  });
});

describe("the report for people", () => {
  it("tells what was verified, what came along and what became of the tag", async () => {
    const [from, to] = [await start(), await start()];
    const image = await signed(from, "app");
    const run = await machine.run(["promote", ...trust, `${from.host}/app:1`, `${to.host}/app:1`]);
    expect(run.stdout).toContain(`${from.host}/app:1 -> ${to.host}/app:1: promoted`);
    expect(run.stdout).toContain(image.digest);
    expect(run.stdout).toMatch(/source {7}trusted\n/);
    expect(run.stdout).toMatch(/copied {7}signature cosign in tag sha256-/);
    expect(run.stdout).toMatch(/destination {2}trusted\n/);
    expect(run.stdout).toMatch(/tag {10}1 moved, new\n/);
    expect(run.stdout).toMatch(/1 image: 1 promoted\n$/);
  });
});

const faults = [
  { name: "a 429", fault: throttled(1), step: 3 },
  { name: "a 500", fault: status(500), step: 1 },
  { name: "a reset", fault: reset(), step: 3 },
  { name: "an answer that is lost", fault: resetAfter(), step: 1 },
  { name: "a truncated answer", fault: truncated(), step: 2 },
  { name: "another body", fault: wrongDigest(), step: 1 },
  { name: "another digest", fault: withHeaders({ "docker-content-digest": `sha256:${"0".repeat(64)}` }), step: 2 },
] as const;

/** Gives one registry what another holds. */
function fill({ storage }: StartedRegistry, from: StartedRegistry): void {
  for (const name of from.storage.repositories()) {
    const [kept, given] = [storage.getOrCreate(name), from.storage.getOrCreate(name)];
    for (const [digest, manifest] of given.manifests) storage.put(name, digest, manifest);
    for (const [digest, bytes] of given.blobs) kept.blobs.set(digest, bytes);
    for (const [tag, digest] of given.tags) kept.tags.set(tag, digest);
  }
}

describe("a registry that faults once, at any of its requests", () => {
  it.each(faults.flatMap((one) => (["source", "destination"] as const).map((side) => ({ ...one, side }))))(
    "completes or is refused, never wrong: $name at the $side",
    async ({ fault, side, step }) => {
      const template = await start({ referrersApi: false });
      const image = await pushImage(storageSink(template.storage, "app"), { tag: "1" });
      await sign(`${template.host}/app:1`, "--format", "cosign");
      for (let turn = 1; ; turn += side === "source" ? step + 1 : step) {
        const rule: FaultRule = { nth: turn, fault };
        const from = await start({ referrersApi: false }, side === "source" ? [rule] : []);
        const to = await start({ referrersApi: false }, side === "destination" ? [rule] : []);
        fill(from, template);
        const old = await pushImage(storageSink(to.storage, "app"), { tag: "1", seed: "old" });
        const args = [...trust, `${from.host}/app:1`, `${to.host}/app:1`];
        const { exit, image: outcome } = await promote(args);
        const over = (side === "source" ? from : to).requests.length < turn;
        if (exit === 0) {
          expect(tagOf(to, "app")).toBe(image.digest);
          if (!over) expect(await verdict(`${to.host}/app:1`)).toBe("trusted");
        } else {
          expect([1, 3]).toContain(exit);
          if (outcome?.tag?.status === "kept") expect(tagOf(to, "app")).toBe(old.digest);
          // Whatever was left behind, a second run completes.
          expect((await promote(args)).exit).toBe(0);
          expect(tagOf(to, "app")).toBe(image.digest);
        }
        for (const [digest, bytes] of to.storage.get("app")?.blobs ?? []) expect(digestOf(bytes)).toBe(digest);
        await Promise.all(started.splice(1).map((each) => each.close()));
        if (over) break;
      }
    },
    60_000,
  );
});
