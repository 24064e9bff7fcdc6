import { afterEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/model/digest.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/model/media-types.ts";
import type { Actions } from "../../src/oci/auth.ts";
import { ANONYMOUS } from "../../src/oci/credential.ts";
import { createRegistry, type RegistryOptions } from "../../src/oci/registry-client.ts";
import { createExchange, type HttpOptions } from "../../src/platform/http.ts";
import * as faults from "../support/faults.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, type StartOptions, startRegistry } from "../support/start-registry.ts";
import { createFakeHost, failureOf } from "./fake-network.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A client of a registry behind a real socket. */
async function start(options: StartOptions & { http?: HttpOptions; client?: Partial<RegistryOptions> } = {}) {
  const served = await startRegistry(options);
  const exchange = createExchange(options.http);
  closers.push(served.close, exchange.close);
  const fake = createFakeHost();
  const registry = createRegistry({ exchange, host: fake.host, credentials: ANONYMOUS, ...options.client });
  const open = (repository = "app", actions: Actions = "pull,push") =>
    registry.repository({ registry: served.host, repository }, { actions });
  return { ...fake, served, open, repository: open() };
}

const faulty = (...rules: faults.FaultRule[]) => [
  (handler: Parameters<typeof faults.withFaults>[0]) => faults.withFaults(handler, rules),
];
const lines = (served: StartedRegistry) => served.requests.map(({ method, path }) => `${method} ${path}`);
const text = (value: string) => new TextEncoder().encode(value);

describe("a repository of a registry", () => {
  it("gives back what was put into it, by tag and by digest", async () => {
    const { repository, served } = await start();
    const image = await pushImage(repository, { tag: "v1" });
    const byTag = await repository.getManifest("v1");
    expect(byTag).toMatchObject({ digest: image.digest, mediaType: OCI_MANIFEST, size: image.bytes.length });
    expect(Buffer.from(byTag?.bytes ?? [])).toEqual(Buffer.from(image.bytes));
    expect((await repository.getManifest(image.digest))?.digest).toBe(image.digest);
    const config = byTag?.content.config;
    if (!config) throw new Error("an image has a configuration");
    expect(digestOf(await repository.getBlob(config, 10_000))).toBe(config.digest);
    expect(repository).toMatchObject({ kind: "registry", name: `${served.host}/app` });
  });

  it("answers undefined, and no error, for what is not there", async () => {
    const { repository, open } = await start();
    await pushImage(repository, { tag: "v1" });
    expect(await repository.getManifest("v2")).toBeUndefined();
    expect(await repository.getManifest(digestOf(text("nothing")))).toBeUndefined();
    expect(await open("nobody/knows").getManifest("v1")).toBeUndefined();
  });

  it("tells a blob that is missing from anything else", async () => {
    const { repository } = await start();
    const digest = digestOf(text("nothing"));
    const failure = await failureOf(repository.getBlob({ mediaType: "text/plain", digest, size: 7 }, 100));
    expect(failure).toMatchObject({ code: "E_BLOB_MISSING", exit: 3 });
    expect(failure.message).toContain(digest);
  });

  it("uploads a blob by two requests, and the same blob once in a run", async () => {
    const { repository, served, open } = await start();
    const [one, two] = await Promise.all([repository.putBlob(text("payload")), open().putBlob(text("payload"))]);
    expect(two).toBe(one);
    await open().putBlob(text("payload"));
    expect(served.requests.map(({ method }) => method)).toEqual(["POST", "PUT"]);
    await open("other").putBlob(text("payload"));
    expect(served.count("PUT")).toBe(2);
  });

  it("starts an upload again when the registry has forgotten it", async () => {
    const forgetting = faulty({ method: "PUT", path: /uploads/, nth: 1, fault: faults.status(404) });
    const { repository, served } = await start({ wrap: forgetting });
    await repository.putBlob(text("payload"));
    expect(served.requests.map(({ method }) => method)).toEqual(["POST", "PUT", "POST", "PUT"]);
  });

  it("finishes an upload whose answer got lost", async () => {
    const losing = faulty({ method: "PUT", path: /uploads/, nth: 1, fault: faults.resetAfter() });
    const { repository, served } = await start({ wrap: losing });
    const digest = await repository.putBlob(text("payload"));
    expect(served.storage.get("app")?.blobs.has(digest)).toBe(true);
  });

  it("tells whether the registry indexed a referrer", async () => {
    for (const referrersApi of [true, false]) {
      const { repository } = await start({ referrersApi });
      const image = await pushImage(repository);
      const referrer = await pushImage(
        { ...repository, putManifest: async () => ({ digest: image.digest }) },
        { subject: image.descriptor },
      );
      const answer = await repository.putManifest(referrer.digest, referrer);
      expect(answer.subject).toBe(referrersApi ? image.digest : undefined);
    }
  });

  it("writes a tag only while it is as it was read", async () => {
    const { repository, served } = await start({ conditionalWrites: true });
    await pushImage(repository, { tag: "v1", seed: "one" });
    const read = await repository.getManifest("v1");
    const etag = read?.etag ?? "";
    expect(etag).not.toBe("");
    const other = await pushImage(storageSink(served.storage, "app"), { seed: "two" });
    await repository.putManifest("v1", other, { ifMatch: etag });
    const stale = await failureOf(repository.putManifest("v1", other, { ifMatch: etag }));
    expect(stale).toMatchObject({ code: "E_REGISTRY_CONFLICT", retry: true });
    expect(await failureOf(repository.putManifest("v1", other, { ifNoneMatch: true }))).toMatchObject({
      code: "E_REGISTRY_CONFLICT",
    });
    await repository.putManifest("v2", other, { ifNoneMatch: true });
  });

  it("lists tags over all pages", async () => {
    const { repository, served } = await start({ tagsPage: 2 });
    for (const tag of ["a", "b", "c", "d", "e"]) await pushImage(repository, { tag, seed: "same" });
    served.clear();
    expect(await repository.listTags()).toEqual(["a", "b", "c", "d", "e"]);
    expect(served.requests).toHaveLength(3);
  });

  it("says that a repository is not there, rather than that it has no tags", async () => {
    const { open } = await start();
    expect(await failureOf(open("none").listTags())).toMatchObject({ code: "E_SUBJECT_NOT_FOUND" });
  });

  it("lists referrers over all pages", async () => {
    const { repository, served } = await start({ referrersPage: 3 });
    const image = await pushImage(repository);
    const sink = storageSink(served.storage, "app");
    const digests = new Set<string>();
    for (let n = 0; n < 10; n += 1)
      digests.add((await pushImage(sink, { subject: image.descriptor, artifactType: "a/b" })).digest);
    served.clear();
    const answer = await repository.listReferrers(image.digest);
    expect(answer.supported).toBe(true);
    expect(answer.truncated).toBeUndefined();
    expect(new Set(answer.descriptors.map(({ digest }) => digest))).toEqual(digests);
    expect(answer.descriptors.every(({ artifactType }) => artifactType === "a/b")).toBe(true);
    expect(served.requests).toHaveLength(4);
  });

  it("asks a registry without a referrers API only once", async () => {
    const { repository, open, served } = await start({ referrersApi: false });
    const image = await pushImage(repository);
    served.clear();
    expect(await repository.listReferrers(image.digest)).toEqual({ supported: false, descriptors: [] });
    expect(await open("app", "pull").listReferrers(digestOf(text("another")))).toMatchObject({ supported: false });
    expect(lines(served)).toEqual([`GET /v2/app/referrers/${image.digest}`]);
  });

  it("asks it once too for many images at the same time", async () => {
    const { repository, served } = await start({ referrersApi: false });
    const image = await pushImage(repository);
    served.clear();
    const digests = [image.digest, digestOf(text("another")), digestOf(text("a third"))];
    const answers = await Promise.all(digests.map((digest) => repository.listReferrers(digest)));
    expect(answers.map(({ supported }) => supported)).toEqual([false, false, false]);
    expect(lines(served)).toEqual([`GET /v2/app/referrers/${image.digest}`]);
  });

  it("asks for each of many images where there is the API, or where the first could not be told", async () => {
    const fault = faults.status(403);
    const wrap = faulty({ path: /referrers/, nth: { upTo: 1 }, fault });
    const { repository, served } = await start({ referrersApi: true, wrap });
    const image = await pushImage(repository);
    served.clear();
    const digests = [image.digest, digestOf(text("another")), digestOf(text("a third"))];
    const [first, ...others] = await Promise.allSettled(digests.map((digest) => repository.listReferrers(digest)));
    expect(first?.status).toBe("rejected");
    expect(others).toMatchObject([{ value: { supported: true } }, { value: { supported: true } }]);
    expect(served.requests).toHaveLength(3);
  });
});

describe("a registry that fails for a moment", () => {
  const resetting = faults.reset();
  const cases: [string, faults.Fault][] = [
    ["408", faults.status(408)],
    ["429", faults.throttled()],
    ["500", faults.status(500)],
    ["503", faults.status(503)],
    ["a reset", resetting],
    ["a body that breaks off", faults.truncated()],
  ];
  it.each(cases)("is asked again after %s", async (_, fault) => {
    const wrap = faulty({ method: "GET", path: /manifests/, nth: { upTo: 2 }, fault });
    const { repository, sleeps } = await start({ wrap });
    const image = await pushImage(repository, { tag: "v1" });
    expect((await repository.getManifest("v1"))?.digest).toBe(image.digest);
    // A kept connection that was reset is tried once more at once.
    expect(sleeps.length).toBe(fault === resetting ? 1 : 2);
  });

  it("is not asked forever: 5 attempts, then an error that is no verdict", async () => {
    const { repository, served } = await start({ wrap: faulty({ fault: faults.status(500) }) });
    expect(await failureOf(repository.getManifest("v1"))).toMatchObject({
      code: "E_REGISTRY_FAILING",
      exit: 3,
      retry: true,
    });
    expect(served.requests).toHaveLength(5);
  });

  it("is asked once, and not waited for, where the caller can do without", async () => {
    const { repository, served, sleeps } = await start({ wrap: faulty({ fault: faults.throttled(2) }) });
    const blob = { mediaType: "text/plain", digest: digestOf(Buffer.from("x")), size: 1 };
    const failure = await failureOf(repository.getBlob(blob, 10, { once: true }));
    expect(failure).toMatchObject({ code: "E_REGISTRY_THROTTLED" });
    expect(served.requests).toHaveLength(1);
    expect(sleeps).toHaveLength(0);
  });

  it("ends as throttled when it goes on throttling", async () => {
    const { repository, sleeps } = await start({ wrap: faulty({ fault: faults.throttled(2) }) });
    const failure = await failureOf(repository.getManifest("v1"));
    expect(failure).toMatchObject({ code: "E_REGISTRY_THROTTLED", exit: 3, retry: true });
    expect(sleeps).toHaveLength(4);
    expect(Math.min(...sleeps)).toBeGreaterThanOrEqual(2000);
  });

  it("is not waited for longer than a minute", async () => {
    const { repository, served, sleeps } = await start({ wrap: faulty({ fault: faults.throttled(3600) }) });
    const failure = await failureOf(repository.getManifest("v1"));
    expect(failure.code).toBe("E_REGISTRY_THROTTLED");
    expect(failure.message).toContain("3600 s");
    expect(served.requests).toHaveLength(1);
    expect(sleeps).toEqual([]);
  });

  it("ends with a time limit when it only dribbles", async () => {
    const wrap = faulty({ method: "GET", fault: faults.dribbling(200) });
    const { repository, served } = await start({ wrap, http: { requestTimeout: 300 } });
    await pushImage(repository, { tag: "v1" });
    served.clear();
    expect(await failureOf(repository.getManifest("v1"))).toMatchObject({ code: "E_TIMEOUT", exit: 3, retry: true });
  });
});

describe("a registry that lies", () => {
  const lying = async (fault: faults.Fault, path = /manifests/) => {
    const started = await start({ wrap: faulty({ method: "GET", path, fault }) });
    const image = await pushImage(started.repository, { tag: "v1" });
    return { ...started, image };
  };

  it("is caught when a manifest has another digest than was asked for", async () => {
    const { repository, image } = await lying(faults.wrongDigest());
    expect(await failureOf(repository.getManifest(image.digest))).toMatchObject({ code: "E_DIGEST_MISMATCH", exit: 1 });
  });

  it("is caught when its digest header contradicts the bytes behind a tag", async () => {
    const digest = digestOf(text("another"));
    const { repository } = await lying(faults.withHeaders({ "docker-content-digest": digest }));
    const failure = await failureOf(repository.getManifest("v1"));
    expect(failure.code).toBe("E_DIGEST_MISMATCH");
    expect(failure.message).toContain(digest);
  });

  it("is believed without a digest header", async () => {
    const { repository, image } = await lying(faults.withHeaders({ "docker-content-digest": undefined }));
    expect((await repository.getManifest("v1"))?.digest).toBe(image.digest);
  });

  it("is caught when a blob is another, shorter or longer", async () => {
    const manifest = async (fault: faults.Fault) => {
      const { repository } = await lying(fault, /blobs/);
      const config = (await repository.getManifest("v1"))?.content.config;
      if (!config) throw new Error("an image has a configuration");
      return failureOf(repository.getBlob(config, 100_000));
    };
    expect((await manifest(faults.wrongDigest())).code).toBe("E_DIGEST_MISMATCH");
    expect((await manifest(faults.withBody("short"))).code).toBe("E_DIGEST_MISMATCH");
    expect((await manifest(faults.withBody("long".repeat(9999)))).code).toBe("E_TOO_LARGE");
    expect((await manifest(faults.endless())).code).toBe("E_TOO_LARGE");
  });

  it("is not read to the end of a manifest that has none", async () => {
    const { repository } = await lying(faults.endless());
    expect((await failureOf(repository.getManifest("v1"))).code).toBe("E_TOO_LARGE");
    expect((await failureOf(repository.getManifest("v1", { limit: 10 }))).code).toBe("E_TOO_LARGE");
  });

  it("is caught when the header names another type than the document", async () => {
    const { repository } = await lying(faults.withHeaders({ "content-type": OCI_INDEX }));
    expect((await failureOf(repository.getManifest("v1"))).code).toBe("E_MANIFEST_INVALID");
  });

  it("cannot pass off schema 1, or a web page, as a manifest", async () => {
    const schema1 = await lying(
      faults.withBody('{"schemaVersion":1}', "application/vnd.docker.distribution.manifest.v1+prettyjws"),
    );
    expect((await failureOf(schema1.repository.getManifest("v1"))).code).toBe("E_MANIFEST_UNSUPPORTED");
    const page = await lying(faults.withBody("<html>Log in</html>", "text/html"));
    expect((await failureOf(page.repository.getManifest("v1"))).code).toBe("E_REGISTRY_ANSWER");
  });

  it("is caught when it stored something else than was sent", async () => {
    const digest = digestOf(text("another"));
    const stored = faulty({
      method: "PUT",
      path: /manifests/,
      fault: faults.withHeaders({ "docker-content-digest": digest }),
    });
    const { repository } = await start({ wrap: stored });
    expect((await failureOf(pushImage(repository, { tag: "v1" }))).code).toBe("E_DIGEST_MISMATCH");
  });

  it("cannot break out of its error message", async () => {
    const body = JSON.stringify({
      errors: [{ code: "DENIED", message: `no\u001b[31m\n::set-output name=x::\u202e${"x".repeat(500)}` }],
    });
    const { repository } = await start({ wrap: faulty({ fault: faults.status(418, {}, body) }) });
    const { code, message, retry } = await failureOf(repository.getManifest("v1"));
    expect({ code, retry }).toEqual({ code: "E_REGISTRY_ANSWER", retry: false });
    expect(message).toContain("418 DENIED: no [31m ::set-output");
    expect(message).not.toMatch(/[\u0000-\u001f\u202e]/);
    expect(message.length).toBeLessThan(400);
  });
});

describe("what a caller may not ask", () => {
  it.each(["../v1", "a b", "", "x".repeat(129), "sha256:short"])(
    "is refused before any request: the reference %j",
    async (reference) => {
      const { repository, served } = await start();
      expect(await failureOf(repository.getManifest(reference))).toMatchObject({
        code: "E_REFERENCE_INVALID",
        exit: 2,
      });
      expect(served.requests).toEqual([]);
    },
  );

  it.each(["../x", "UPPER", "a//b", "a/../b", "a?b", ""])("is refused: the repository %j", async (name) => {
    const { open } = await start();
    expect(() => open(name)).toThrow(/is no repository's path/);
  });

  it.each(["user@host", "host/path", "ho st", "host:port", ""])("is refused: the registry %j", (registry) => {
    const client = createRegistry({ exchange: createExchange(), host: createFakeHost().host, credentials: ANONYMOUS });
    expect(() => client.repository({ registry, repository: "app" })).toThrow(/is not a registry's host/);
  });

  it("is refused: a manifest under another digest than its own", async () => {
    const { repository } = await start();
    const put = repository.putManifest(digestOf(text("another")), { bytes: text("{}"), mediaType: OCI_MANIFEST });
    expect((await failureOf(put)).code).toBe("E_DIGEST_MISMATCH");
  });
});
