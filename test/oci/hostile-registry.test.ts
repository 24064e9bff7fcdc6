import { describe, expect, it } from "vitest";
import { type Digest, digestOf } from "../../src/model/digest.ts";
import { LIMITS } from "../../src/model/limits.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../src/model/media-types.ts";
import { createEmbeddedRegistry } from "../../src/oci/embedded/registry.ts";
import type { RequestNotice } from "../../src/oci/observe.ts";
import type { Handler, ServedResponse } from "../../src/platform/serve.ts";
import { withBasicAuth } from "../support/authentication.ts";
import { redirect, withFaults } from "../support/faults.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { credentialsOf, failureOf, json, openRepository } from "./fake-network.ts";

const REGISTRY = "https://registry.example.com";
const ELSEWHERE = "https://blobs.example.net";
const account = { username: "robot", password: "planted-secret" };
const credentials = credentialsOf(account.username, account.password);
const bytes = new TextEncoder().encode("payload");
const blob = { mediaType: "text/plain", digest: digestOf(bytes), size: bytes.length };
const serveBlob: Handler = async () => ({ status: 200, headers: {}, body: bytes });

/** A registry that demands a password, redirects blobs to `location`, and whatever stands there. */
function redirecting(location: string, target: Handler = serveBlob, status = 307) {
  const origin = URL.canParse(location) ? new URL(location).origin : "https://nowhere.example";
  const registry = withBasicAuth(account)(
    withFaults(serveBlob, [{ path: /blobs\/sha256/, fault: redirect(location, status) }]),
  );
  return { [origin]: target, [REGISTRY]: registry };
}

describe("a redirect of a blob", () => {
  it.each([301, 302, 303, 307, 308])("by %i is followed to another host, without credentials", async (status) => {
    const location = `${ELSEWHERE}/x?X-Amz-Signature=s`;
    const { repository, to } = openRepository(redirecting(location, serveBlob, status), { credentials });
    expect(Buffer.from(await repository.getBlob(blob, 100)).toString()).toBe("payload");
    const [request] = to(ELSEWHERE);
    expect(request?.url.href).toBe(location);
    expect(request?.headers["authorization"]).toBeUndefined();
    expect(JSON.stringify(request?.headers)).not.toContain(Buffer.from("robot:planted-secret").toString("base64"));
  });

  it("whose target demands credentials gets none", async () => {
    const fishing: Handler = async () => ({ status: 401, headers: { "www-authenticate": "Basic realm=x" } });
    const { repository, to } = openRepository(redirecting(`${ELSEWHERE}/x`, fishing), { credentials });
    const failure = await failureOf(repository.getBlob(blob, 100));
    expect(failure).toMatchObject({ code: "E_REGISTRY_DENIED" });
    expect(failure.message).toContain("blobs.example.net");
    expect(to(ELSEWHERE)).toHaveLength(1);
    expect(to(ELSEWHERE)[0]?.headers["authorization"]).toBeUndefined();
  });

  it("to other bytes is caught by the digest", async () => {
    const other: Handler = async () => ({ status: 200, headers: {}, body: "PAYLOAD" });
    const { repository } = openRepository(redirecting(`${ELSEWHERE}/x`, other), { credentials });
    expect(await failureOf(repository.getBlob(blob, 100))).toMatchObject({ code: "E_DIGEST_MISMATCH" });
  });

  it.each([
    ["plain http", "http://blobs.example.net/x"],
    ["this machine", "https://127.0.0.1/x"],
    ["this machine by IPv6", "https://[::1]/x"],
    ["this machine by name", "https://localhost./x"],
    ["the address zero", "https://0.0.0.0/x"],
    ["a number that is this machine", "https://2130706433/x"],
    ["a metadata service", "https://169.254.169.254/latest/meta-data/"],
    ["a metadata service in IPv6", "https://[::ffff:a9fe:a9fe]/x"],
    ["a metadata service by name", "https://metadata.google.internal/x"],
    ["a link-local address", "https://[fe80::1]/x"],
    ["an address with a user", "https://user:pw@blobs.example.net/x"],
    ["a file", "file:///etc/passwd"],
    ["nothing readable", "https://"],
  ])("to %s is refused", async (_, location) => {
    const { repository, requests } = openRepository(redirecting(location), { credentials });
    expect(await failureOf(repository.getBlob(blob, 100))).toMatchObject({ code: "E_REGISTRY_REDIRECT", exit: 3 });
    expect(requests.every(({ origin }) => origin === REGISTRY)).toBe(true);
  });

  it("in a circle ends", async () => {
    const { repository, requests } = openRepository(redirecting(`${REGISTRY}/v2/app/blobs/${blob.digest}`), {
      credentials,
    });
    expect(await failureOf(repository.getBlob(blob, 100))).toMatchObject({ code: "E_REGISTRY_REDIRECT" });
    expect(requests.length).toBeLessThanOrEqual(LIMITS.redirects + 2);
  });

  it("is told of without the path or query of the other host", async () => {
    const notices: RequestNotice[] = [];
    const onRequest = (notice: RequestNotice) => notices.push(notice);
    const { repository } = openRepository(redirecting(`${ELSEWHERE}/secret-path?sig=s`), { credentials, onRequest });
    await repository.getBlob(blob, 100);
    expect(notices.map(({ host, path, status }) => [host, path, status])).toEqual([
      ["registry.example.com", `/v2/app/blobs/${blob.digest}`, 401],
      ["registry.example.com", `/v2/app/blobs/${blob.digest}`, 307],
      ["blobs.example.net", "", 200],
    ]);
  });
});

describe("a redirect of a manifest", () => {
  it("is followed as registry.k8s.io does it, to another registry and without credentials", async () => {
    const embedded = createEmbeddedRegistry();
    const image = await pushImage(storageSink(embedded.storage, "prod/app"), { tag: "v1" });
    const registry = withBasicAuth(account)(redirectHandler(`${ELSEWHERE}/v2/prod/app/manifests/v1`));
    const { repository, to } = openRepository({ [REGISTRY]: registry, [ELSEWHERE]: embedded.handle }, { credentials });
    expect((await repository.getManifest("v1"))?.digest).toBe(image.digest);
    expect(to(ELSEWHERE)[0]?.headers["authorization"]).toBeUndefined();
  });
});

const redirectHandler =
  (location: string): Handler =>
  async () => ({ status: 307, headers: { location } });

describe("a write that is sent elsewhere", () => {
  it("by a redirect to another host is refused", async () => {
    const registry = redirectHandler(`${ELSEWHERE}/v2/app/manifests/v1`);
    const { repository, to } = openRepository({ [REGISTRY]: registry, [ELSEWHERE]: serveBlob }, { credentials });
    expect(await failureOf(repository.putManifest("v1", { bytes, mediaType: OCI_MANIFEST }))).toMatchObject({
      code: "E_REGISTRY_REDIRECT",
    });
    expect(await failureOf(repository.putBlob(bytes))).toMatchObject({ code: "E_REGISTRY_REDIRECT" });
    expect(to(ELSEWHERE)).toEqual([]);
  });

  const uploading = (location: string, put: Handler = async () => json(201, {})) => ({
    [REGISTRY]: withBasicAuth(account)(async (request) =>
      request.method === "POST" ? { status: 202, headers: { location } } : put(request),
    ),
    [ELSEWHERE]: put,
  });

  it("by an upload's location gets the blob without credentials", async () => {
    const { repository, to } = openRepository(uploading(`${ELSEWHERE}/up?state=1`), { credentials });
    await repository.putBlob(bytes);
    const [request] = to(ELSEWHERE);
    expect(request?.url.search).toBe(`?state=1&digest=${encodeURIComponent(blob.digest)}`);
    expect(request?.headers["authorization"]).toBeUndefined();
  });

  it("by a relative location stays where it is, with credentials", async () => {
    const { repository, to, lines } = openRepository(uploading("../uploads/7?state=1"), { credentials });
    await repository.putBlob(bytes);
    expect(lines().at(-1)).toBe(`PUT /v2/app/blobs/uploads/7?state=1&digest=${encodeURIComponent(blob.digest)}`);
    expect(to(REGISTRY).at(-1)?.headers["authorization"]).toBeDefined();
  });

  it.each(["http://registry.example.com/up", "https://169.254.169.254/up", "https://u:p@blobs.example.net/up"])(
    "by an upload's location to %s is refused",
    async (location) => {
      const { repository, requests } = openRepository(uploading(location), { credentials });
      expect(await failureOf(repository.putBlob(bytes))).toMatchObject({ code: "E_REGISTRY_REDIRECT" });
      expect(requests.every(({ method }) => method === "POST")).toBe(true);
    },
  );

  it("by an upload without a location is refused", async () => {
    const { repository } = openRepository({ [REGISTRY]: async () => ({ status: 202, headers: {} }) });
    expect(await failureOf(repository.putBlob(bytes))).toMatchObject({ code: "E_REGISTRY_REDIRECT" });
  });
});

const subject = digestOf(bytes);
const entry = (n: number) => ({ mediaType: OCI_MANIFEST, digest: digestOf(new TextEncoder().encode(`${n}`)), size: 2 });
const index = (manifests: readonly unknown[], headers: Record<string, string> = {}): ServedResponse =>
  json(200, { schemaVersion: 2, mediaType: OCI_INDEX, manifests }, { "content-type": OCI_INDEX, ...headers });
const listing = (answer: ServedResponse | Handler) =>
  openRepository({ [REGISTRY]: typeof answer === "function" ? answer : async () => answer }, { credentials });

describe("pages of a listing", () => {
  it.each([
    ["another host", `<${ELSEWHERE}/v2/app/referrers/${subject}?n=1>; rel="next"`],
    ["another repository", `</v2/other/referrers/${subject}?n=1>; rel="next"`],
    ["another subject", `</v2/app/referrers/${digestOf(new Uint8Array())}>; rel=next`],
    ["plain http", `<http://registry.example.com/v2/app/referrers/${subject}?n=1>; rel="next"`],
    ["a user in the address", `<https://a:b@registry.example.com:444/v2/app/referrers/${subject}>; rel="next"`],
    ["nothing readable", `<https://>; rel="next"`],
  ])("that go on at %s are refused", async (_, link) => {
    const { repository, requests } = listing(index([entry(1)], { link }));
    expect(await failureOf(repository.listReferrers(subject))).toMatchObject({ code: "E_REGISTRY_REDIRECT" });
    expect(requests).toHaveLength(1);
  });

  it("are followed by relative and absolute links, among other links", async () => {
    const links = [
      `<https://x.example/a,b>; rel="help", </v2/app/referrers/${subject}?n=1>; title="a, b"; rel="prev next"`,
      `<${REGISTRY}/v2/app/referrers/${subject}?n=2>;rel=next`,
      `</elsewhere>; rel="nextish"`,
    ];
    let turn = 0;
    const { repository, lines } = listing(async () => index([entry(turn)], { link: links[turn++] ?? "" }));
    expect((await repository.listReferrers(subject)).descriptors).toHaveLength(3);
    expect(lines()).toEqual(["", "?n=1", "?n=2"].map((query) => `GET /v2/app/referrers/${subject}${query}`));
  });

  it("without an end are cut at the limit, which is named", async () => {
    const { repository, requests } = listing(
      index([entry(1)], { link: `</v2/app/referrers/${subject}?again>; rel="next"` }),
    );
    const answer = await repository.listReferrers(subject);
    expect(answer.truncated).toBe(`${LIMITS.referrersPages} pages of referrers`);
    expect(answer.descriptors).toHaveLength(LIMITS.referrersPages);
    expect(requests).toHaveLength(LIMITS.referrersPages);
  });

  it("of too many referrers are cut at the limit, which is named", async () => {
    const one = Array.from({ length: 20_000 }, (_, n) => entry(n % 10));
    const { repository, requests } = listing(index(one, { link: `</v2/app/referrers/${subject}?again>; rel="next"` }));
    const answer = await repository.listReferrers(subject);
    expect(answer).toMatchObject({ supported: true, truncated: `${LIMITS.referrers} referrers` });
    expect(answer.descriptors).toHaveLength(LIMITS.referrers);
    expect(requests).toHaveLength(3);
  });

  it("that are too large are no verdict", async () => {
    const { repository } = listing(index(["x".repeat(LIMITS.referrersPage)]));
    expect(await failureOf(repository.listReferrers(subject))).toMatchObject({ code: "E_LIMIT", exit: 3 });
  });

  it("of tags without an end are cut", async () => {
    const tags = Array.from({ length: 20_000 }, (_, n) => `v${n}`);
    const { repository, requests } = listing(
      json(200, { name: "app", tags }, { link: `</v2/app/tags/list?again>; rel="next"` }),
    );
    expect(await failureOf(repository.listTags())).toMatchObject({ code: "E_LIMIT" });
    expect(requests).toHaveLength(6);
  });

  it.each([{ tags: ["a/../../b"] }, { tags: "v1" }, { tags: [1] }, {}, [], null])(
    "of tags that are none (%j) are refused",
    async (document) => {
      const { repository } = listing(json(200, document));
      expect(await failureOf(repository.listTags())).toMatchObject({ code: "E_REGISTRY_ANSWER" });
    },
  );

  it("of no tags may say null", async () => {
    expect(await listing(json(200, { name: "app", tags: null })).repository.listTags()).toEqual([]);
  });
});

describe("an answer to the referrers API", () => {
  it("may carry parameters in its content type", async () => {
    const { repository } = listing(index([entry(1)], { "content-type": `${OCI_INDEX}; charset=utf-8` }));
    expect((await repository.listReferrers(subject)).descriptors).toHaveLength(1);
  });

  it.each([400, 404, 405, 406])("of %i says that there is no such API", async (status) => {
    const { repository, requests } = listing({ status, headers: {}, body: "404 page not found" });
    expect(await repository.listReferrers(subject)).toEqual({ supported: false, descriptors: [] });
    await repository.listReferrers(subject);
    expect(requests).toHaveLength(1);
  });

  it("about an unknown repository says nothing about others, or later", async () => {
    const { repository, requests } = listing(json(404, { errors: [{ code: "NAME_UNKNOWN", message: "no" }] }));
    expect(await repository.listReferrers(subject)).toMatchObject({ supported: false });
    await repository.listReferrers(subject);
    expect(requests).toHaveLength(2);
  });

  it("that is a web page, behind a redirect, was no look", async () => {
    const console: Handler = async () => ({
      status: 200,
      headers: { "content-type": "text/html; charset=utf-8" },
      body: "<html>",
    });
    const { repository, to } = openRepository({
      [REGISTRY]: redirectHandler(`${ELSEWHERE}/login`),
      [ELSEWHERE]: console,
    });
    await expect(repository.listReferrers(subject)).rejects.toMatchObject({ code: "E_REGISTRY_ANSWER", exit: 3 });
    expect(to(ELSEWHERE)).toHaveLength(1);
  });

  it.each([
    ["JSON that is no index", json(200, { errors: [] }), "E_REGISTRY_ANSWER"],
    ["nothing", { status: 200, headers: {} }, "E_REGISTRY_ANSWER"],
    ["an image manifest", json(200, {}, { "content-type": OCI_MANIFEST }), "E_REGISTRY_ANSWER"],
    ["an index that is none", json(200, { manifests: "x" }, { "content-type": OCI_INDEX }), "E_MANIFEST_INVALID"],
    ["a teapot", json(418, {}), "E_REGISTRY_ANSWER"],
    ["no content", { status: 204, headers: {} }, "E_REGISTRY_ANSWER"],
    ["a denial", json(403, {}), "E_REGISTRY_DENIED"],
    ["a gateway's fault", json(502, {}), "E_REGISTRY_FAILING"],
  ] satisfies [string, ServedResponse, string][])("of %s is no answer that there are none", async (_, answer, code) => {
    expect(await failureOf(listing(answer).repository.listReferrers(subject))).toMatchObject({ code });
  });

  it("that fails on a later page is an error, never a short list", async () => {
    let turn = 0;
    const { repository } = listing(async () => {
      turn += 1;
      return turn === 1 ? index([entry(1)], { link: `</v2/app/referrers/${subject}?n=1>; rel="next"` }) : json(404, {});
    });
    expect(await failureOf(repository.listReferrers(subject))).toMatchObject({ code: "E_REGISTRY_ANSWER" });
  });
});

describe("sizes that a registry claims", () => {
  it("are not believed beyond the limit of the caller", async () => {
    const { repository, requests } = listing(serveBlob);
    const huge = { mediaType: OCI_CONFIG, digest: subject as Digest, size: 1e12 };
    expect(await failureOf(repository.getBlob(huge, 1000))).toMatchObject({ code: "E_TOO_LARGE" });
    expect(requests).toEqual([]);
  });

  it("are not believed when they fall short of the body", async () => {
    const { repository } = listing(async () => ({
      status: 200,
      headers: { "content-length": "3" },
      body: "payload and more",
    }));
    expect(await failureOf(repository.getBlob(blob, 1000))).toMatchObject({ code: "E_TOO_LARGE" });
  });
});
