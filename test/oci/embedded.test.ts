import { afterEach, describe, expect, it } from "vitest";
import { type Digest, digestOf } from "../../src/model/digest.ts";
import { OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST } from "../../src/model/media-types.ts";
import { buildImageManifest, buildIndex } from "../../src/oci/build-manifest.ts";
import { parseManifest } from "../../src/oci/manifest.ts";
import { type PushedImage, pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, type StartOptions, startRegistry } from "../support/start-registry.ts";

const started: StartedRegistry[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((registry) => registry.close()));
});

async function start(options: StartOptions = {}): Promise<StartedRegistry> {
  const registry = await startRegistry(options);
  started.push(registry);
  return registry;
}

interface Request {
  readonly method?: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Record<string, string>;
}

async function ask(registry: StartedRegistry, path: string, { method = "GET", body, headers }: Request = {}) {
  const response = await fetch(new URL(path, registry.origin), {
    method,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : Buffer.from(body) }),
    ...(headers === undefined ? {} : { headers }),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = new TextDecoder().decode(bytes);
  const code = response.status < 400 || text === "" ? undefined : JSON.parse(text).errors[0].code;
  return { status: response.status, header: (name: string) => response.headers.get(name), bytes, text, code };
}

async function pushed(registry: StartedRegistry, options = {}): Promise<PushedImage> {
  return pushImage(storageSink(registry.storage, "team/app"), options);
}

/** A referrer of `image`, pushed over HTTP as a client does. */
async function refer(registry: StartedRegistry, image: PushedImage, artifactType: string, note: string) {
  const sink = storageSink(registry.storage, "team/app");
  const empty = new TextEncoder().encode("{}");
  const content = { mediaType: OCI_EMPTY, digest: await sink.putBlob(empty), size: 2 };
  const bytes = buildImageManifest({
    config: content,
    layers: [content],
    annotations: { note },
    subject: image.descriptor,
    artifactType,
  });
  const digest = digestOf(bytes);
  const answer = await ask(registry, `/v2/team/app/manifests/${digest}`, {
    method: "PUT",
    body: bytes,
    headers: { "content-type": OCI_MANIFEST },
  });
  return { digest, answer };
}

describe("a blob that is pushed", () => {
  const bytes = new TextEncoder().encode("some bytes");
  const digest = digestOf(bytes);
  const begin = async (registry: StartedRegistry) => {
    const answer = await ask(registry, "/v2/team/app/blobs/uploads/", { method: "POST" });
    expect(answer.status).toBe(202);
    return answer.header("location") ?? "";
  };

  it("is kept when sent whole behind an upload", async () => {
    const registry = await start();
    const location = await begin(registry);
    const answer = await ask(registry, `${location}?digest=${digest}`, { method: "PUT", body: bytes });
    expect([answer.status, answer.header("docker-content-digest")]).toEqual([201, digest]);
    const back = await ask(registry, answer.header("location") ?? "");
    expect([back.status, back.text]).toEqual([200, "some bytes"]);
    const head = await ask(registry, `/v2/team/app/blobs/${digest}`, { method: "HEAD" });
    expect([head.status, head.header("content-length"), head.text]).toEqual([200, "10", ""]);
  });

  it("is kept when sent in one request", async () => {
    const registry = await start();
    const path = `/v2/team/app/blobs/uploads/?digest=${encodeURIComponent(digest)}`;
    expect((await ask(registry, path, { method: "POST", body: bytes })).status).toBe(201);
    expect((await ask(registry, `/v2/team/app/blobs/${encodeURIComponent(digest)}`)).text).toBe("some bytes");
  });

  it("is kept when sent in chunks, in order", async () => {
    const registry = await start();
    const location = await begin(registry);
    const first = await ask(registry, location, {
      method: "PATCH",
      body: bytes.subarray(0, 4),
      headers: { "content-range": "0-3" },
    });
    expect([first.status, first.header("range")]).toEqual([202, "0-3"]);
    const skipped = await ask(registry, location, {
      method: "PATCH",
      body: bytes.subarray(6),
      headers: { "content-range": "6-9" },
    });
    expect([skipped.status, skipped.code]).toEqual([416, "BLOB_UPLOAD_INVALID"]);
    expect((await ask(registry, location)).header("range")).toBe("0-3");
    const last = await ask(registry, `${location}?digest=${digest}`, { method: "PUT", body: bytes.subarray(4) });
    expect(last.status).toBe(201);
    expect((await ask(registry, `/v2/team/app/blobs/${digest}`)).text).toBe("some bytes");
  });

  it("is refused when it is not what its digest names", async () => {
    const registry = await start();
    for (const wrong of [digestOf(new Uint8Array()), "sha256:short", "md5:00"]) {
      const location = await begin(registry);
      const answer = await ask(registry, `${location}?digest=${wrong}`, { method: "PUT", body: bytes });
      expect([answer.status, answer.code]).toEqual([400, "DIGEST_INVALID"]);
    }
    const location = await begin(registry);
    expect((await ask(registry, location, { method: "PUT", body: bytes })).code).toBe("DIGEST_INVALID");
    expect(registry.storage.get("team/app")?.blobs.size ?? 0).toBe(0);
  });

  it("is refused when it is too large, however it comes", async () => {
    const registry = await start({ maxBlob: 9 });
    const whole = await ask(registry, `/v2/team/app/blobs/uploads/?digest=${digest}`, { method: "POST", body: bytes });
    expect([whole.status, whole.code]).toEqual([413, "SIZE_INVALID"]);
    const location = await begin(registry);
    await ask(registry, location, { method: "PATCH", body: bytes.subarray(0, 6) });
    expect((await ask(registry, location, { method: "PATCH", body: bytes.subarray(6) })).status).toBe(413);
  });

  it("cannot be finished twice, or in another repository, or when given up", async () => {
    const registry = await start();
    const location = await begin(registry);
    const elsewhere = location.replace("team/app", "team/other");
    expect((await ask(registry, elsewhere, { method: "PATCH", body: bytes })).code).toBe("BLOB_UPLOAD_UNKNOWN");
    await ask(registry, `${location}?digest=${digest}`, { method: "PUT", body: bytes });
    expect((await ask(registry, `${location}?digest=${digest}`, { method: "PUT" })).code).toBe("BLOB_UPLOAD_UNKNOWN");
    const other = await begin(registry);
    expect((await ask(registry, other, { method: "DELETE" })).status).toBe(204);
    expect((await ask(registry, other)).code).toBe("BLOB_UPLOAD_UNKNOWN");
  });

  it("is mounted from where it is, and else an upload begins", async () => {
    const registry = await start();
    const held = await storageSink(registry.storage, "team/base").putBlob(bytes);
    const mount = (from: string, wanted: Digest) =>
      ask(registry, `/v2/team/app/blobs/uploads/?mount=${wanted}&from=${from}`, { method: "POST" });
    expect((await mount("team/nowhere", held)).status).toBe(202);
    expect((await mount("team/base", digestOf(new Uint8Array()))).status).toBe(202);
    expect(registry.storage.get("team/app")).toBeUndefined();
    expect((await mount("team/base", held)).status).toBe(201);
    expect((await ask(registry, `/v2/team/app/blobs/${held}`)).text).toBe("some bytes");
  });

  it("is gone once deleted", async () => {
    const registry = await start();
    const held = await storageSink(registry.storage, "team/app").putBlob(bytes);
    expect((await ask(registry, `/v2/team/app/blobs/${held}`, { method: "DELETE" })).status).toBe(202);
    expect((await ask(registry, `/v2/team/app/blobs/${held}`)).code).toBe("BLOB_UNKNOWN");
  });
});

describe("a manifest that is pushed", () => {
  const put = (registry: StartedRegistry, reference: string, body: Uint8Array, headers: Record<string, string> = {}) =>
    ask(registry, `/v2/team/app/manifests/${reference}`, {
      method: "PUT",
      body,
      headers: { "content-type": OCI_MANIFEST, ...headers },
    });

  it("comes back by tag and by digest, as it was and as what it was", async () => {
    const registry = await start();
    const image = await pushed(registry);
    const answer = await put(registry, "v1", image.bytes, { "content-type": `${OCI_MANIFEST}; charset=utf-8` });
    expect([answer.status, answer.header("docker-content-digest")]).toEqual([201, image.digest]);
    for (const reference of ["v1", image.digest]) {
      const back = await ask(registry, `/v2/team/app/manifests/${reference}`);
      expect(back.bytes).toEqual(new Uint8Array(image.bytes));
      expect(back.header("content-type")).toBe(`${OCI_MANIFEST}; charset=utf-8`);
      expect(back.header("docker-content-digest")).toBe(image.digest);
      const head = await ask(registry, `/v2/team/app/manifests/${reference}`, { method: "HEAD" });
      expect([head.status, head.header("content-length")]).toEqual([200, String(image.bytes.length)]);
    }
  });

  it("is refused when something that it refers to is not there", async () => {
    const registry = await start();
    const image = await pushed(registry);
    const { config, layers = [] } = parseManifest(image.bytes, OCI_MANIFEST);
    for (const blob of [config, ...layers]) {
      const bytes = registry.storage.get("team/app")?.blobs.get(blob?.digest ?? image.digest) ?? new Uint8Array();
      await ask(registry, `/v2/team/app/blobs/${blob?.digest}`, { method: "DELETE" });
      const answer = await put(registry, "v1", image.bytes);
      expect([answer.status, answer.code]).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
      await storageSink(registry.storage, "team/app").putBlob(bytes);
    }
    const absent = { ...image.descriptor, digest: digestOf(new Uint8Array()) };
    const index = buildIndex({ manifests: [image.descriptor, absent] });
    expect((await put(registry, "v1", index, { "content-type": OCI_INDEX })).code).toBe("MANIFEST_BLOB_UNKNOWN");
    expect(registry.storage.get("team/app")?.tags.size).toBe(0);
  });

  it("may refer to layers that are kept elsewhere, and to a subject that comes later", async () => {
    const registry = await start();
    const sink = storageSink(registry.storage, "team/app");
    const config = { mediaType: OCI_CONFIG, digest: await sink.putBlob(new TextEncoder().encode("{}")), size: 2 };
    const foreign = {
      mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
      digest: digestOf(new Uint8Array([1])),
      size: 1,
    };
    const subject = { mediaType: OCI_MANIFEST, digest: digestOf(new Uint8Array([2])), size: 1 };
    expect((await put(registry, "v1", buildImageManifest({ config, layers: [foreign], subject }))).status).toBe(201);
  });

  it.each([
    ["that is no JSON", "nonsense", OCI_MANIFEST],
    ["that is not of its type", '{"schemaVersion":2,"manifests":[]}', OCI_MANIFEST],
    ["of schema 1", '{"schemaVersion":1}', "application/vnd.docker.distribution.manifest.v1+json"],
  ])("is refused: one %s", async (_, text, type) => {
    const registry = await start();
    const answer = await put(registry, "v1", new TextEncoder().encode(text), { "content-type": type });
    expect([answer.status, answer.code]).toEqual([400, "MANIFEST_INVALID"]);
  });

  it("is refused under another's digest, under no tag, and when it is too large", async () => {
    const registry = await start({ maxManifest: 300 });
    const image = await pushed(registry);
    expect((await put(registry, digestOf(new Uint8Array()), image.bytes)).status).toBe(413);
    const small = buildIndex({ manifests: [] });
    const index = { "content-type": OCI_INDEX };
    expect((await put(registry, digestOf(new Uint8Array()), small, index)).code).toBe("DIGEST_INVALID");
    expect((await put(registry, "sha256:00", small, index)).code).toBe("DIGEST_INVALID");
    expect((await put(registry, "-v1", small, index)).code).toBe("TAG_INVALID");
    expect((await put(registry, "v".repeat(129), small, index)).code).toBe("TAG_INVALID");
    expect((await put(registry, digestOf(small, "sha512"), small, index)).status).toBe(201);
  });

  it("is gone with its tags once deleted by digest; by tag only the tag goes", async () => {
    const registry = await start();
    const image = await pushed(registry, { tag: "v1" });
    await put(registry, "v2", image.bytes);
    const at = (reference: string, method = "GET") => ask(registry, `/v2/team/app/manifests/${reference}`, { method });
    expect((await at("v1", "DELETE")).status).toBe(202);
    expect((await at("v1")).code).toBe("MANIFEST_UNKNOWN");
    expect((await at("v2")).status).toBe(200);
    expect((await at(image.digest, "DELETE")).status).toBe(202);
    expect((await at("v2")).code).toBe("MANIFEST_UNKNOWN");
    expect((await at(image.digest, "DELETE")).code).toBe("MANIFEST_UNKNOWN");
  });

  it("is not sent again to who has it", async () => {
    const registry = await start();
    const image = await pushed(registry, { tag: "v1" });
    const etag = (await ask(registry, "/v2/team/app/manifests/v1")).header("etag") ?? "";
    const again = await ask(registry, "/v2/team/app/manifests/v1", { headers: { "if-none-match": etag } });
    expect([again.status, again.text, again.header("docker-content-digest")]).toEqual([304, "", image.digest]);
  });

  describe("under a condition", () => {
    const two = async (registry: StartedRegistry) => {
      const [one, other] = [await pushed(registry), await pushed(registry)];
      return { one: one.bytes, other: other.bytes };
    };

    it("is written only where the condition holds", async () => {
      const registry = await start({ conditionalWrites: true });
      const { one, other } = await two(registry);
      expect((await put(registry, "v1", one, { "if-match": '"x"' })).status).toBe(412);
      expect((await put(registry, "v1", one, { "if-none-match": "*" })).status).toBe(201);
      expect((await put(registry, "v1", other, { "if-none-match": "*" })).status).toBe(412);
      const etag = (await ask(registry, "/v2/team/app/manifests/v1")).header("etag") ?? "";
      expect((await put(registry, "v1", other, { "if-match": etag })).status).toBe(201);
      expect((await put(registry, "v1", one, { "if-match": etag })).status).toBe(412);
      expect(registry.storage.get("team/app")?.tags.get("v1")).toBe(digestOf(other));
    });

    it("lets exactly one of many writers through", async () => {
      const registry = await start({ conditionalWrites: true });
      const images = await Promise.all(Array.from({ length: 8 }, () => pushed(registry)));
      const answers = await Promise.all(
        images.map(({ bytes }) => put(registry, "v1", bytes, { "if-none-match": "*" })),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 7 }, () => 412)]);
    });

    it("is written all the same by a registry that knows no conditions", async () => {
      const registry = await start();
      const { one, other } = await two(registry);
      await put(registry, "v1", one);
      expect((await put(registry, "v1", other, { "if-none-match": "*" })).status).toBe(201);
    });
  });
});

describe("referrers", () => {
  it("are told of at the push and listed as descriptors", async () => {
    const registry = await start();
    const image = await pushed(registry);
    const { digest, answer } = await refer(registry, image, "application/vnd.test", "one");
    expect([answer.status, answer.header("oci-subject")]).toEqual([201, image.digest]);
    const listed = await ask(registry, `/v2/team/app/referrers/${image.digest}`);
    expect(listed.header("content-type")).toBe(OCI_INDEX);
    const { manifests } = parseManifest(listed.bytes, OCI_INDEX);
    const size = registry.storage.get("team/app")?.manifests.get(digest)?.bytes.length;
    expect(manifests).toEqual([
      { mediaType: OCI_MANIFEST, digest, size, artifactType: "application/vnd.test", annotations: { note: "one" } },
    ]);
  });

  it("have the config's type where they declare none", async () => {
    const registry = await start();
    const image = await pushed(registry);
    await pushed(registry, { subject: image.descriptor });
    const listed = await ask(registry, `/v2/team/app/referrers/${image.digest}`);
    expect(parseManifest(listed.bytes, OCI_INDEX).manifests?.[0]?.artifactType).toBe(OCI_CONFIG);
  });

  it("of nothing are an empty index, and of no digest an error", async () => {
    const registry = await start();
    const none = await ask(registry, `/v2/team/app/referrers/${digestOf(new Uint8Array())}`);
    expect([none.status, parseManifest(none.bytes, OCI_INDEX).manifests]).toEqual([200, []]);
    expect((await ask(registry, "/v2/team/app/referrers/v1")).code).toBe("DIGEST_INVALID");
  });

  it("are filtered by type when asked", async () => {
    const registry = await start();
    const image = await pushed(registry);
    await refer(registry, image, "a/a", "1");
    const { digest } = await refer(registry, image, "b/b", "2");
    const listed = await ask(
      registry,
      `/v2/team/app/referrers/${image.digest}?artifactType=${encodeURIComponent("b/b")}`,
    );
    expect(listed.header("oci-filters-applied")).toBe("artifactType");
    expect(parseManifest(listed.bytes, OCI_INDEX).manifests?.map((entry) => entry.digest)).toEqual([digest]);
  });

  it("come in pages that hold each of them once, the filter kept", async () => {
    const registry = await start({ referrersPage: 2 });
    const image = await pushed(registry);
    const wanted: string[] = [];
    for (const note of ["1", "2", "3", "4", "5"]) wanted.push((await refer(registry, image, "a/a", note)).digest);
    await refer(registry, image, "b/b", "6");
    const found: string[] = [];
    let pages = 0;
    let next: string | undefined = `/v2/team/app/referrers/${image.digest}?artifactType=a%2Fa`;
    while (next !== undefined) {
      const page = await ask(registry, next);
      pages += 1;
      found.push(...(parseManifest(page.bytes, OCI_INDEX).manifests ?? []).map(({ digest }) => digest));
      next = /^<([^>]+)>; rel="next"$/.exec(page.header("link") ?? "")?.[1];
    }
    expect([found, pages]).toEqual([wanted, 3]);
  });

  it("are gone once deleted", async () => {
    const registry = await start();
    const image = await pushed(registry);
    const { digest } = await refer(registry, image, "a/a", "1");
    await ask(registry, `/v2/team/app/manifests/${digest}`, { method: "DELETE" });
    const listed = await ask(registry, `/v2/team/app/referrers/${image.digest}`);
    expect(parseManifest(listed.bytes, OCI_INDEX).manifests).toEqual([]);
  });

  it("are unknown to a registry without the API", async () => {
    const registry = await start({ referrersApi: false });
    const image = await pushed(registry);
    const { answer } = await refer(registry, image, "a/a", "1");
    expect([answer.status, answer.header("oci-subject")]).toEqual([201, null]);
    expect((await ask(registry, `/v2/team/app/referrers/${image.digest}`)).status).toBe(404);
  });

  it("stay listed when the bytes behind one are tampered with", async () => {
    const registry = await start();
    const image = await pushed(registry);
    const { digest } = await refer(registry, image, "a/a", "1");
    registry.storage.get("team/app")?.manifests.set(digest, { mediaType: OCI_MANIFEST, bytes: new Uint8Array([1]) });
    const listed = await ask(registry, `/v2/team/app/referrers/${image.digest}`);
    expect(parseManifest(listed.bytes, OCI_INDEX).manifests?.length).toBe(1);
    expect((await ask(registry, `/v2/team/app/manifests/${digest}`)).bytes).toEqual(new Uint8Array([1]));
  });
});

describe("the tags of a repository", () => {
  it("are listed sorted, by the pages that were asked for", async () => {
    const registry = await start({ tagsPage: 3 });
    const image = await pushed(registry);
    for (const tag of ["c", "a", "e", "b", "d"]) registry.storage.get("team/app")?.tags.set(tag, image.digest);
    const pages: string[][] = [];
    for (let next: string | undefined = "/v2/team/app/tags/list?n=2"; next !== undefined; ) {
      const page = await ask(registry, next);
      pages.push(JSON.parse(page.text).tags);
      next = /^<([^>]+)>; rel="next"$/.exec(page.header("link") ?? "")?.[1];
    }
    expect(pages).toEqual([["a", "b"], ["c", "d"], ["e"]]);
    expect(JSON.parse((await ask(registry, "/v2/team/app/tags/list?n=100")).text).tags).toEqual(["a", "b", "c"]);
    expect((await ask(registry, "/v2/team/app/tags/list?n=x")).status).toBe(400);
  });

  it("are unknown where there is no repository", async () => {
    const registry = await start();
    expect((await ask(registry, "/v2/team/app/tags/list")).code).toBe("NAME_UNKNOWN");
  });
});

describe("addresses", () => {
  it("answers at the root what it speaks", async () => {
    const registry = await start();
    for (const path of ["/v2/", "/v2"]) {
      const answer = await ask(registry, path);
      expect([answer.status, answer.header("docker-distribution-api-version")]).toEqual([200, "registry/2.0"]);
    }
  });

  it.each([
    "/",
    "/v1/",
    "/v2/app",
    "/v2/UPPER/tags/list",
    "/v2//tags/list",
    "/v2/a/../b/manifests/x/y",
    "/v2/app/manifests/",
    "/v2/app/%ff/tags/list",
    "/v2/-/tags/list",
    `/v2/${"a-".repeat(5000)}`,
  ])("has nothing at %s", async (path) => {
    expect((await ask(await start(), path)).status).toBe(404);
  });

  it.each([
    ["POST", "/v2/app/tags/list"],
    ["GET", "/v2/app/blobs/uploads/"],
    ["DELETE", `/v2/app/referrers/${digestOf(new Uint8Array())}`],
  ])("does not %s %s", async (method, path) => {
    expect((await ask(await start(), path, { method })).status).toBe(405);
  });
});
