import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/model/digest.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../src/model/media-types.ts";
import { buildImageManifest, buildIndex } from "../../src/oci/build-manifest.ts";
import { type CopyOptions, createCopying, newTally } from "../../src/oci/copy.ts";
import { ANONYMOUS } from "../../src/oci/credential.ts";
import { openLayout } from "../../src/oci/layout.ts";
import { readTree } from "../../src/oci/manifest-tree.ts";
import { createRegistry } from "../../src/oci/registry-client.ts";
import type { StreamingRepository } from "../../src/oci/repository.ts";
import { createExchange, type HttpOptions } from "../../src/platform/http.ts";
import { createNodeHost } from "../../src/platform/node-host.ts";
import { withTokenAuth } from "../support/authentication.ts";
import {
  type FaultRule,
  redirect,
  reset,
  resetAfter,
  status,
  throttled,
  truncated,
  withFaults,
  withHeaders,
  wrongDigest,
} from "../support/faults.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, type StartOptions, startRegistry } from "../support/start-registry.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const platforms = [
  { os: "linux", architecture: "amd64" },
  { os: "linux", architecture: "arm64" },
];
const host = { ...createNodeHost(), sleep: async () => {}, random: () => 0 };
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function registryWith(rules: readonly FaultRule[] = [], options: StartOptions = {}): Promise<StartedRegistry> {
  const started = await startRegistry({ ...options, wrap: [(handler) => withFaults(handler, rules)] });
  closers.push(started.close);
  return started;
}

function client(options: HttpOptions = {}) {
  const exchange = createExchange(options);
  closers.push(exchange.close);
  const registry = createRegistry({ exchange, host, credentials: ANONYMOUS });
  return (at: StartedRegistry, repository: string): StreamingRepository =>
    registry.repository({ registry: at.host, repository }, { actions: "pull,push" });
}

async function copy(
  source: StreamingRepository,
  destination: StreamingRepository,
  reference: string,
  options: CopyOptions = {},
) {
  const manifest = await source.getManifest(reference);
  if (manifest === undefined) throw new Error(`no ${reference}`);
  const tally = newTally();
  await createCopying(options)
    .between(source, destination)
    .copy(await readTree(source, manifest), tally);
  return tally;
}

describe("copying between two registries", () => {
  it("brings an index whole: blobs before their manifests, images before the index, no tag", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    const image = await pushImage(storageSink(from.storage, "app"), { tag: "1", platforms, layerSize: 300_000 });
    const open = client();
    const tally = await copy(open(from, "app"), open(to, "prod/app"), "1");
    expect(tally).toEqual({ manifests: 3, blobs: 4, mounted: 0, present: 0, foreign: 0, bytes: expect.any(Number) });
    const kept = to.storage.get("prod/app");
    for (const one of [image, ...image.children]) {
      expect(Buffer.from(kept?.manifests.get(one.digest)?.bytes ?? []).equals(one.bytes)).toBe(true);
    }
    expect(new Set(kept?.blobs.keys())).toEqual(new Set(from.storage.get("app")?.blobs.keys()));
    expect([...(kept?.tags.keys() ?? [])]).toEqual([]);
    const written = to.requests.filter(({ method }) => method === "PUT").map(({ path }) => path);
    expect(written.at(-1)).toBe(`/v2/prod/app/manifests/${image.digest}`);
  });

  it("moves nothing the second time, and reads no blob", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    await pushImage(storageSink(from.storage, "app"), { tag: "1", platforms });
    const open = client();
    await copy(open(from, "app"), open(to, "app"), "1");
    from.clear();
    to.clear();
    expect(await copy(open(from, "app"), open(to, "app"), "1")).toMatchObject({ manifests: 0, blobs: 0, present: 3 });
    expect([from.count("*", /blobs/), to.count("PUT"), to.count("POST")]).toEqual([0, 0, 0]);
  });

  it("uploads only the blobs that are missing", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    await pushImage(storageSink(from.storage, "app"), { tag: "1" });
    for (const [digest, bytes] of [...(from.storage.get("app")?.blobs ?? [])].slice(0, 1)) {
      to.storage.getOrCreate("app").blobs.set(digest, bytes);
    }
    const open = client();
    expect(await copy(open(from, "app"), open(to, "app"), "1")).toMatchObject({ manifests: 1, blobs: 1, present: 1 });
  });

  it("completes an index that is there without its images", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    const image = await pushImage(storageSink(from.storage, "app"), { tag: "1", platforms });
    to.storage.put("app", image.digest, { mediaType: image.mediaType, bytes: image.bytes });
    const open = client();
    expect(await copy(open(from, "app"), open(to, "app"), "1")).toMatchObject({ manifests: 2, blobs: 4 });
  });

  it("takes from its own other repository what this run has brought to the registry", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    const names = ["a", "b", "c", "d"];
    for (const name of names) await pushImage(storageSink(from.storage, name), { tag: "1", seed: "shared" });
    const open = client();
    const copying = createCopying();
    const tallies = await Promise.all(
      names.map(async (name) => {
        const [source, destination, tally] = [open(from, name), open(to, name), newTally()];
        const manifest = await source.getManifest("1");
        if (manifest === undefined) throw new Error("no image");
        await copying.between(source, destination).copy(await readTree(source, manifest), tally);
        return tally;
      }),
    );
    const sum = (member: "blobs" | "mounted") => tallies.reduce((total, tally) => total + tally[member], 0);
    expect([sum("blobs"), sum("mounted")]).toEqual([2, 6]);
    expect(from.count("GET", /blobs/)).toBe(2);
  });

  it("goes on with one connection to each, many blobs at once", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    await pushImage(storageSink(from.storage, "app"), { tag: "1", platforms, layerSize: 500_000 });
    const open = client({ perOrigin: 1 });
    expect(await copy(open(from, "app"), open(to, "app"), "1")).toMatchObject({ manifests: 3, blobs: 4 });
  });

  it("writes nothing when it only plans, and counts what it would do", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    await pushImage(storageSink(from.storage, "app"), { tag: "1", platforms });
    const open = client();
    const planned = await copy(open(from, "app"), open(to, "app"), "1", { dryRun: true });
    expect([to.count("PUT"), to.count("POST"), from.count("GET", /blobs/)]).toEqual([0, 0, 0]);
    expect(await copy(open(from, "app"), open(to, "app"), "1")).toEqual(planned);
  });

  it("keeps Docker's manifests and digests by sha512 as they are", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    const sink = storageSink(from.storage, "app");
    await pushImage(sink, { tag: "docker", docker: true, platforms });
    const layer = Buffer.from("by sha512");
    const digest = digestOf(layer, "sha512");
    from.storage.getOrCreate("app").blobs.set(digest, layer);
    const config = { mediaType: OCI_CONFIG, digest: await sink.putBlob(Buffer.from("{}")), size: 2 };
    const layers = [{ mediaType: "application/vnd.oci.image.layer.v1.tar", digest, size: layer.length }];
    await sink.putManifest("long", { bytes: buildImageManifest({ config, layers }), mediaType: OCI_MANIFEST });
    const open = client();
    expect(await copy(open(from, "app"), open(to, "app"), "docker")).toMatchObject({ manifests: 3 });
    expect(await copy(open(from, "app"), open(to, "app"), "long")).toMatchObject({ manifests: 1, blobs: 2 });
    expect(to.storage.get("app")?.blobs.get(digest)?.length).toBe(layer.length);
  });

  it("copies what an index lists that is no manifest, as build caches do", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    const cache = Buffer.from("cache");
    const descriptor = {
      mediaType: "application/vnd.buildkit.cacheconfig.v0",
      digest: digestOf(cache),
      size: cache.length,
    };
    from.storage.getOrCreate("app").blobs.set(descriptor.digest, cache);
    const bytes = buildIndex({ manifests: [descriptor] });
    from.storage.put("app", digestOf(bytes), { bytes, mediaType: OCI_INDEX });
    const open = client();
    // The embedded registry asks for a manifest there, so the other end is a folder.
    const layout = openLayout(host, join(temporaryFolder(), "layout"), { fresh: true });
    expect(await copy(open(from, "app"), layout, digestOf(bytes))).toMatchObject({ manifests: 1, blobs: 1 });
    expect(to.requests).toEqual([]);
  });
});

describe("layers that are fetched from elsewhere", () => {
  it.each([
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  ])("stay away when the source has none: %s", async (mediaType) => {
    const [from, to, elsewhere] = [await registryWith(), await registryWith(), await registryWith()];
    const sink = storageSink(from.storage, "app");
    const layer = Buffer.from("layer of elsewhere");
    const config = { mediaType: OCI_CONFIG, digest: await sink.putBlob(Buffer.from("{}")), size: 2 };
    const document = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config,
      layers: [{ mediaType, digest: digestOf(layer), size: layer.length, urls: [`${elsewhere.origin}/layer`] }],
    };
    const bytes = Buffer.from(JSON.stringify(document));
    await sink.putManifest("1", { bytes, mediaType: OCI_MANIFEST });
    const open = client();
    expect(await copy(open(from, "app"), open(to, "app"), "1")).toMatchObject({ manifests: 1, blobs: 1, foreign: 1 });
    expect(elsewhere.requests).toEqual([]);
    await sink.putBlob(layer);
    expect(await copy(open(from, "app"), open(to, "other"), "1")).toMatchObject({ manifests: 1, blobs: 2, foreign: 0 });
    expect(elsewhere.requests).toEqual([]);
  });
});

describe("copying within one registry", () => {
  it("mounts: no byte of a layer moves", async () => {
    const registry = await registryWith();
    await pushImage(storageSink(registry.storage, "staging/app"), { tag: "1", platforms, layerSize: 200_000 });
    const open = client();
    const tally = await copy(open(registry, "staging/app"), open(registry, "prod/app"), "1");
    expect(tally).toMatchObject({ manifests: 3, blobs: 0, bytes: 0, mounted: 4 });
    expect([registry.count("GET", /blobs/), registry.count("PUT", /blobs/)]).toEqual([0, 0]);
  });

  it.each([
    [
      "answers a mount with an upload",
      (): FaultRule => ({
        method: "POST",
        path: /mount=/,
        fault: async (request, next) => {
          request.url.search = "";
          return next();
        },
      }),
    ],
    ["denies mounts", (): FaultRule => ({ method: "POST", path: /mount=/, fault: status(403) })],
    ["does not know mounts", (): FaultRule => ({ method: "POST", path: /mount=/, fault: status(405) })],
  ])("sends the bytes where the registry %s, with a single connection too", async (_, rule) => {
    const registry = await registryWith([rule()]);
    await pushImage(storageSink(registry.storage, "staging/app"), { tag: "1", platforms, layerSize: 900_000 });
    const open = client({ perOrigin: 1 });
    const tally = await copy(open(registry, "staging/app"), open(registry, "prod/app"), "1");
    expect(tally).toMatchObject({ manifests: 3, blobs: 4, mounted: 0 });
  });
});

describe("copying within one registry that wants tokens", () => {
  it("asks for one that may read the source and write the destination, and mounts with it", async () => {
    const account = { username: "ci", password: "secret" };
    const guard = withTokenAuth({ account, anonymousPull: false });
    const registry = await startRegistry({ wrap: [guard] });
    closers.push(registry.close);
    await pushImage(storageSink(registry.storage, "staging/app"), { tag: "1" });
    const exchange = createExchange();
    closers.push(exchange.close);
    const credentials = { find: async () => ({ kind: "password", ...account, source: "the test" }) as const };
    const opened = createRegistry({ exchange, host, credentials });
    const at = (repository: string) =>
      opened.repository({ registry: registry.host, repository }, { actions: "pull,push" });
    expect(await copy(at("staging/app"), at("prod/app"), "1")).toMatchObject({ mounted: 2, blobs: 0 });
    const asked = registry.requests
      .filter(({ path }) => path.startsWith("/token"))
      .map(({ path }) => decodeURIComponent(path));
    expect(
      asked.some((path) => /scope=repository:prod\/app:pull,push&scope=repository:staging\/app:pull$/.test(path)),
    ).toBe(true);
  });
});

describe("copying to and from layout folders", () => {
  it("keeps every byte on the way out and back, and leaves no temporary file", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    const image = await pushImage(storageSink(from.storage, "app"), { tag: "1", platforms, layerSize: 600_000 });
    const open = client();
    const path = join(temporaryFolder(), "layout");
    expect(await copy(open(from, "app"), openLayout(host, path, { fresh: true }), "1")).toMatchObject({
      manifests: 3,
      blobs: 4,
    });
    expect(await copy(open(from, "app"), openLayout(host, path), "1")).toMatchObject({ manifests: 0, blobs: 0 });
    expect(readdirSync(join(path, "blobs", "sha256")).filter((name) => !/^[0-9a-f]{64}$/.test(name))).toEqual([]);
    await copy(openLayout(host, path), open(to, "app"), image.digest);
    expect(new Set(to.storage.get("app")?.blobs.keys())).toEqual(new Set(from.storage.get("app")?.blobs.keys()));
  });

  it("refuses a blob that the folder holds otherwise than its name says", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    const image = await pushImage(storageSink(from.storage, "app"), { tag: "1" });
    const open = client();
    const path = join(temporaryFolder(), "layout");
    const lying = openLayout(
      {
        ...host,
        files: {
          ...host.files,
          open: async function* () {
            yield Buffer.alloc(2048, 1);
          },
        },
      },
      path,
    );
    await copy(open(from, "app"), openLayout(host, path, { fresh: true }), "1");
    await expect(copy(lying, open(to, "app"), image.digest)).rejects.toMatchObject({ code: "E_DIGEST_MISMATCH" });
    expect(to.storage.get("app")?.manifests.size ?? 0).toBe(0);
  });
});

describe("a blob whose connection breaks", () => {
  const large = { tag: "1", layerSize: 400_000 };

  it("is gone on with from where it broke, where the registry can", async () => {
    const ranges: (string | undefined)[] = [];
    const ranged: FaultRule = {
      method: "GET",
      path: /blobs/,
      fault: async (request, next) => {
        const answer = await next();
        if (!(answer?.body instanceof Uint8Array) || answer.body.length < 1000) return answer;
        const { range } = request.headers;
        ranges.push(range);
        const start = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
        const rest = answer.body.subarray(start);
        const cut = async function* () {
          yield rest.subarray(0, Math.min(rest.length, 150_000));
          if (rest.length > 150_000) {
            await new Promise((resolve) => setTimeout(resolve, 20));
            throw new Error("cut on purpose");
          }
        };
        const headers = { ...answer.headers, "content-length": String(rest.length) };
        const partial = { "content-range": `bytes ${start}-${answer.body.length - 1}/${answer.body.length}` };
        return start === 0
          ? { ...answer, headers, body: cut() }
          : { status: 206, headers: { ...headers, ...partial }, body: cut() };
      },
    };
    const [from, to] = [await registryWith([ranged]), await registryWith()];
    await pushImage(storageSink(from.storage, "app"), large);
    const open = client();
    expect(await copy(open(from, "app"), open(to, "app"), "1")).toMatchObject({ manifests: 1, blobs: 2 });
    expect(ranges).toEqual([undefined, "bytes=150000-", "bytes=300000-"]);
    expect(to.count("PUT", /blobs/)).toBe(2);
  });

  it("is read again where the registry has no ranges, and nothing is sent twice", async () => {
    const [from, to] = [
      await registryWith([{ method: "GET", path: /blobs/, nth: { upTo: 2 }, fault: truncated() }]),
      await registryWith(),
    ];
    await pushImage(storageSink(from.storage, "app"), large);
    const open = client();
    expect(await copy(open(from, "app"), open(to, "app"), "1")).toMatchObject({ manifests: 1, blobs: 2 });
    expect(to.count("PUT", /blobs/)).toBe(2);
  });

  it("is given up where it breaks each time", async () => {
    const [from, to] = [
      await registryWith([{ method: "GET", path: /blobs/, fault: truncated() }]),
      await registryWith(),
    ];
    await pushImage(storageSink(from.storage, "app"), large);
    const open = client();
    await expect(copy(open(from, "app"), open(to, "app"), "1")).rejects.toMatchObject({ code: "E_NETWORK", exit: 3 });
    expect(to.storage.get("app")?.manifests.size ?? 0).toBe(0);
  });
});

const passing = [
  ["a 429", throttled(1)],
  ["a 500", status(500)],
  ["a 503", status(503)],
  ["a reset", reset()],
] as const;
const steps = [
  ["HEAD", /blobs/],
  ["POST", /uploads/],
  ["PUT", /uploads/],
  ["GET", /manifests/],
  ["PUT", /manifests/],
] as const;

describe("a destination that faults once", () => {
  const table = steps.flatMap(([method, path]) => passing.map(([name, fault]) => ({ name, method, path, fault })));
  it.each([
    ...table,
    ...steps.map(([method, path]) => ({ name: "an answer that is lost", method, path, fault: resetAfter() })),
  ])("gets all the same by $method $path after $name", async ({ method, path, fault }) => {
    const [from, to] = [await registryWith(), await registryWith([{ method, path, nth: 1, fault }])];
    const image = await pushImage(storageSink(from.storage, "app"), { tag: "1" });
    const open = client();
    await copy(open(from, "app"), open(to, "app"), "1");
    expect(Buffer.from(to.storage.get("app")?.manifests.get(image.digest)?.bytes ?? []).equals(image.bytes)).toBe(true);
    for (const [digest, bytes] of to.storage.get("app")?.blobs ?? []) expect(digestOf(bytes)).toBe(digest);
  });
});

describe("a destination that faults each time", () => {
  it.each(steps.flatMap(([method, path]) => passing.map(([name, fault]) => ({ name, method, path, fault }))))(
    "is told of, exit 3, at $method $path with $name",
    async ({ method, path, fault }) => {
      const [from, to] = [await registryWith(), await registryWith([{ method, path, fault }])];
      await pushImage(storageSink(from.storage, "app"), { tag: "1" });
      const open = client();
      await expect(copy(open(from, "app"), open(to, "app"), "1")).rejects.toMatchObject({ exit: 3 });
      expect(to.storage.get("app")?.manifests.size ?? 0).toBe(0);
    },
  );
});

describe("a source or a destination that lies", () => {
  it("about a blob is refused before the destination has the whole of it", async () => {
    const [from, to] = [
      await registryWith([{ method: "GET", path: /blobs/, fault: wrongDigest() }]),
      await registryWith(),
    ];
    await pushImage(storageSink(from.storage, "app"), { tag: "1", layerSize: 300_000 });
    const open = client();
    await expect(copy(open(from, "app"), open(to, "app"), "1")).rejects.toMatchObject({
      code: "E_DIGEST_MISMATCH",
      exit: 1,
    });
    expect(to.storage.get("app")?.blobs.size ?? 0).toBe(0);
    expect(
      to.requests.filter(({ method, status }) => method === "PUT" && status !== undefined && status < 300),
    ).toEqual([]);
  });

  it("about a manifest is refused", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    const image = await pushImage(storageSink(from.storage, "app"), { tag: "1", platforms });
    const child = image.children[0];
    if (child === undefined) throw new Error("no child");
    from.storage.getOrCreate("app").manifests.set(child.digest, { mediaType: OCI_MANIFEST, bytes: Buffer.from("{}") });
    const open = client();
    await expect(copy(open(from, "app"), open(to, "app"), "1")).rejects.toMatchObject({ code: "E_DIGEST_MISMATCH" });
    expect(to.count("PUT")).toBe(0);
  });

  it.each([
    ["a blob", /uploads/],
    ["a manifest", /manifests/],
  ])("by storing %s as something else is refused", async (_, path) => {
    const other = `sha256:${createHash("sha256").update("other").digest("hex")}`;
    const [from, to] = [
      await registryWith(),
      await registryWith([{ method: "PUT", path, fault: withHeaders({ "docker-content-digest": other }) }]),
    ];
    await pushImage(storageSink(from.storage, "app"), { tag: "1" });
    const open = client();
    await expect(copy(open(from, "app"), open(to, "app"), "1")).rejects.toMatchObject({ code: "E_DIGEST_MISMATCH" });
  });

  it("by holding another manifest under the digest is refused", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    const image = await pushImage(storageSink(from.storage, "app"), { tag: "1" });
    to.storage.put("app", image.digest, { mediaType: OCI_MANIFEST, bytes: Buffer.from('{"schemaVersion":2}') });
    const open = client();
    await expect(copy(open(from, "app"), open(to, "app"), "1")).rejects.toMatchObject({ code: "E_DIGEST_MISMATCH" });
  });

  it("by sending an upload elsewhere gets no bytes of ours there by plain http within https rules, and no redirected write", async () => {
    const elsewhere = await registryWith();
    const [from, to] = [
      await registryWith(),
      await registryWith([{ method: "PUT", path: /uploads/, fault: redirect(`${elsewhere.origin}/steal`) }]),
    ];
    await pushImage(storageSink(from.storage, "app"), { tag: "1" });
    const open = client();
    await expect(copy(open(from, "app"), open(to, "app"), "1")).rejects.toMatchObject({ code: "E_REGISTRY_REDIRECT" });
    expect(elsewhere.requests).toEqual([]);
  });
});

describe("an index without one of its images", () => {
  it("is not copied in parts", async () => {
    const [from, to] = [await registryWith(), await registryWith()];
    const image = await pushImage(storageSink(from.storage, "app"), { tag: "1", platforms });
    const child = image.children[1];
    if (child !== undefined) from.storage.remove("app", child.digest);
    const open = client();
    await expect(copy(open(from, "app"), open(to, "app"), "1")).rejects.toMatchObject({ code: "E_BLOB_MISSING" });
    expect(to.requests).toEqual([]);
  });
});
