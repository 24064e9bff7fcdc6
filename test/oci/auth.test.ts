import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/model/digest.ts";
import type { CredentialSource } from "../../src/oci/credential.ts";
import { createEmbeddedRegistry } from "../../src/oci/embedded/registry.ts";
import type { Handler } from "../../src/platform/serve.ts";
import { type TokenAuthOptions, withBasicAuth, withTokenAuth } from "../support/authentication.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { credentialsOf, failureOf, json, openRepository } from "./fake-network.ts";

const REGISTRY = "https://registry.example.com";
const REALM = "https://auth.example.com";
const account = { username: "robot", password: "pass:word" };
const mine = credentialsOf(account.username, account.password);

/** A registry with images in three repositories. */
async function images() {
  const registry = createEmbeddedRegistry();
  for (const name of ["app", "team/one", "team/two"]) {
    await pushImage(storageSink(registry.storage, name), { tag: "v1", seed: name });
  }
  return registry.handle;
}

/** The same, with tokens from its sibling host. */
async function withTokens(options: TokenAuthOptions, client: Parameters<typeof openRepository>[1] = {}) {
  const guarded = withTokenAuth({ realm: `${REALM}/token`, account, ...options })(await images());
  return openRepository({ [REGISTRY]: guarded, [REALM]: guarded }, client);
}

const basic = `Basic ${Buffer.from("robot:pass:word").toString("base64")}`;

describe("a registry that demands tokens", () => {
  it("gives one to nobody, for the scope of the request", async () => {
    const { repository, lines, to } = await withTokens({});
    expect(await repository.getManifest("v1")).toBeDefined();
    expect(lines()).toEqual([
      "GET /v2/app/manifests/v1",
      "GET /token?service=registry.test&scope=repository%3Aapp%3Apull",
      "GET /v2/app/manifests/v1",
    ]);
    expect(to(REALM)[0]?.headers["authorization"]).toBeUndefined();
  });

  it("shows the password to the token server alone", async () => {
    const { repository, to } = await withTokens({ anonymousPull: false }, { credentials: mine });
    await repository.getManifest("v1");
    expect(to(REALM).map(({ headers }) => headers["authorization"])).toEqual([basic]);
    expect(to(REGISTRY).map(({ headers }) => headers["authorization"])).toEqual([
      undefined,
      "Bearer token-1-of-the-test",
    ]);
  });

  it("asks for what the work needs, and reads with the token to write", async () => {
    const { repository, open, lines } = await withTokens({}, { credentials: mine, actions: "pull,push" });
    await repository.putBlob(new TextEncoder().encode("payload"));
    await repository.getManifest("v1");
    await open("app", "pull").getManifest("v1");
    expect(lines().filter((line) => line.includes("/token"))).toEqual([
      "GET /token?service=registry.test&scope=repository%3Aapp%3Apull%2Cpush",
    ]);
  });

  it("is asked for one token by many at once, and is refused once", async () => {
    const { open, to } = await withTokens({});
    await open("app").getManifest("v1");
    await Promise.all(Array.from({ length: 20 }, () => open("team/one").getManifest("v1")));
    await open("team/two").getManifest("v1");
    expect(to(REALM)).toHaveLength(3);
    expect(to(REGISTRY).filter(({ headers }) => headers["authorization"] === undefined)).toHaveLength(1);
  });

  it("is asked again shortly before a token ends", async () => {
    const { repository, to, pass } = await withTokens({ expiresIn: 100 });
    await repository.getManifest("v1");
    pass(89_000);
    await repository.getManifest("v1");
    expect(to(REALM)).toHaveLength(1);
    pass(2_000);
    await repository.getManifest("v1");
    expect(to(REALM)).toHaveLength(2);
  });

  it("is asked again, once, when a token is refused before its end", async () => {
    const { repository, to } = await withTokens({ uses: 2 });
    for (let n = 0; n < 4; n += 1) await repository.getManifest("v1");
    expect(to(REALM)).toHaveLength(2);
    expect(to(REGISTRY)).toHaveLength(6);
  });

  it("may call it access_token", async () => {
    const { repository } = await withTokens({ member: "access_token" });
    expect(await repository.getManifest("v1")).toBeDefined();
  });

  it("takes a refresh token by POST", async () => {
    const credentials: CredentialSource = {
      find: async () => ({ kind: "identity", token: "refresh-me", source: "the test" }),
    };
    const { repository, to } = await withTokens({ identityToken: "refresh-me", anonymousPull: false }, { credentials });
    expect(await repository.getManifest("v1")).toBeDefined();
    const [request] = to(REALM);
    expect(request).toMatchObject({ method: "POST" });
    expect(request?.url.href).toBe(`${REALM}/token`);
    expect(Object.fromEntries(new URLSearchParams(Buffer.from(request?.body ?? []).toString()))).toEqual({
      grant_type: "refresh_token",
      client_id: "countersign",
      service: "registry.test",
      scope: "repository:app:pull",
      refresh_token: "refresh-me",
    });
  });

  it("takes a bearer token as it is, and no token server sees it", async () => {
    const credentials: CredentialSource = {
      find: async () => ({ kind: "bearer", token: "given", source: "the test" }),
    };
    const registry: Handler = async ({ headers }) =>
      headers["authorization"] === "Bearer given"
        ? json(404, {})
        : { status: 401, headers: { "www-authenticate": `Bearer realm="${REALM}/token"` } };
    const { repository, to } = openRepository({ [REGISTRY]: registry }, { credentials });
    expect(await repository.getManifest("v1")).toBeUndefined();
    expect(to(REALM)).toEqual([]);
  });

  it("ends in E_REGISTRY_DENIED, saying whose credentials were shown but not which", async () => {
    const { repository, to } = await withTokens({}, { credentials: credentialsOf("robot", "planted-secret") });
    const failure = await failureOf(repository.getManifest("v1"));
    expect(failure).toMatchObject({ code: "E_REGISTRY_DENIED", exit: 3, retry: false });
    expect(failure.hint).toContain("the test");
    expect(JSON.stringify([failure.message, failure.hint])).not.toContain("planted-secret");
    expect(to(REALM)).toHaveLength(1);
  });

  it("is not tried again with a password that it has refused", async () => {
    const { open, to } = await withTokens({}, { credentials: credentialsOf("robot", "wrong") });
    const all = await Promise.allSettled(Array.from({ length: 9 }, () => open("app").getManifest("v1")));
    await failureOf(open("app").getManifest("v1"));
    expect(all.every(({ status }) => status === "rejected")).toBe(true);
    expect(to(REALM)).toHaveLength(1);
  });

  it("says that nobody was logged in when it refuses nobody", async () => {
    const { repository } = await withTokens({ anonymousPull: false });
    const failure = await failureOf(repository.getManifest("v1"));
    expect(failure).toMatchObject({ code: "E_REGISTRY_DENIED" });
    expect(failure.hint).toContain("no credentials for registry.example.com were found");
  });

  it("never makes anything of it that credentials were not looked for without a demand", async () => {
    const credentials: CredentialSource = { find: () => Promise.reject(new Error("nobody demanded any")) };
    const { repository } = openRepository({ [REGISTRY]: await images() }, { credentials });
    expect(await repository.getManifest("v1")).toBeDefined();
  });
});

describe("a registry that demands a password", () => {
  it("gets it, and from then on at once", async () => {
    const { repository, open, requests } = openRepository(
      { [REGISTRY]: withBasicAuth(account)(await images()) },
      { credentials: mine },
    );
    await repository.getManifest("v1");
    await open("team/one").getManifest("v1");
    expect(requests.map(({ headers }) => headers["authorization"])).toEqual([undefined, basic, basic]);
  });

  it("denies nobody, and a wrong one, without a second try", async () => {
    for (const credentials of [credentialsOf("robot", "wrong"), { find: async () => undefined }]) {
      const origins = { [REGISTRY]: withBasicAuth(account)(await images()) };
      const { repository, requests } = openRepository(origins, { credentials });
      expect(await failureOf(repository.getManifest("v1"))).toMatchObject({ code: "E_REGISTRY_DENIED" });
      expect(requests.length).toBeLessThanOrEqual(2);
    }
  });

  it("denies by 403 what the credentials do not permit", async () => {
    const denying: Handler = async () => json(403, { errors: [{ code: "DENIED", message: "not yours" }] });
    const failure = await failureOf(openRepository({ [REGISTRY]: denying }).repository.putBlob(new Uint8Array(1)));
    expect(failure).toMatchObject({ code: "E_REGISTRY_DENIED", retry: false });
    expect(failure.message).toContain("403 DENIED: not yours");
  });

  it("by a scheme that is not spoken ends in words about it", async () => {
    const negotiating: Handler = async () => ({ status: 401, headers: { "www-authenticate": "Negotiate" } });
    const failure = await failureOf(openRepository({ [REGISTRY]: negotiating }).repository.getManifest("v1"));
    expect(failure.code).toBe("E_REGISTRY_DENIED");
    expect(failure.message).toContain("negotiate");
  });
});

describe("a token server", () => {
  const guarded = (token: Handler, realm = REALM) => ({
    [REGISTRY]: withTokenAuth({ realm: `${realm}/token` })(async () => json(404, {})),
    [realm]: token,
  });

  it("that fishes for credentials from another domain gets none", async () => {
    const evil = "https://evil.example.net";
    const { repository, to } = openRepository(
      guarded(async () => json(200, { token: "t" }), evil),
      { credentials: mine },
    );
    const failure = await failureOf(repository.getManifest("v1"));
    expect(failure).toMatchObject({ code: "E_TOKEN_REALM", exit: 3, retry: false });
    expect(failure.hint).toContain("--token-realm evil.example.net");
    expect(to(evil)).toEqual([]);
  });

  it("on another domain serves nobody's requests, and pinned those of an account too", async () => {
    const elsewhere = "https://login.example.net";
    const account401 = withTokenAuth({ realm: `${elsewhere}/token`, account })(await images());
    const origins = { [REGISTRY]: account401, [elsewhere]: account401 };
    expect(await openRepository(origins).repository.getManifest("v1")).toBeDefined();
    for (const options of [
      { credentials: mine, tokenRealms: ["login.example.net"] },
      { credentials: credentialsOf(account.username, account.password, ["login.example.net"]) },
    ]) {
      const { repository, to } = openRepository(origins, options);
      expect(await repository.getManifest("v1")).toBeDefined();
      expect(to(elsewhere)[0]?.headers["authorization"]).toBe(basic);
    }
  });

  it.each(["http://auth.example.com", "https://169.254.169.254", "https://localhost"])(
    "at %s is not asked at all",
    async (realm) => {
      const { repository, to } = openRepository(guarded(async () => json(200, { token: "t" }), realm));
      expect(await failureOf(repository.getManifest("v1"))).toMatchObject({ code: "E_TOKEN_REALM" });
      expect(to(realm)).toEqual([]);
    },
  );

  it("that redirects is not followed", async () => {
    const away: Handler = async () => ({ status: 307, headers: { location: "https://evil.example.net/" } });
    const { repository, to } = openRepository(guarded(away), { credentials: mine });
    expect(await failureOf(repository.getManifest("v1"))).toMatchObject({ code: "E_REGISTRY_REDIRECT" });
    expect(to("https://evil.example.net")).toEqual([]);
  });

  it("that fails for a moment is asked again", async () => {
    let turn = 0;
    const tokens: Handler = async () => {
      turn += 1;
      return turn === 1 ? json(503, {}) : json(200, { token: "t" });
    };
    const { repository } = openRepository(guarded(tokens));
    expect(await failureOf(repository.getManifest("v1"))).toMatchObject({ code: "E_REGISTRY_DENIED" });
    expect(turn).toBeGreaterThan(1);
  });

  it.each([
    ["no JSON", { status: 200, headers: {}, body: "<html>" }],
    ["no token", json(200, { expires_in: 3 })],
    ["a token that would add a header", json(200, { token: "a\r\nx-evil: 1" })],
    ["an empty token", json(200, { token: "" })],
    ["a list", json(200, [])],
  ])("that answers with %s is not believed", async (_, answer) => {
    const { repository } = openRepository(guarded(async () => answer));
    expect(await failureOf(repository.getManifest("v1"))).toMatchObject({ code: "E_REGISTRY_ANSWER" });
  });

  it("that answers with more than a mebibyte is cut short", async () => {
    const { repository } = openRepository(guarded(async () => json(200, { token: "x".repeat(1 << 20) })));
    expect(await failureOf(repository.getManifest("v1"))).toMatchObject({ code: "E_REGISTRY_ANSWER" });
  });
});

describe("Docker Hub", () => {
  it("is one registry by any of its names, with its token server known", async () => {
    const hub = withTokenAuth({ realm: "https://auth.docker.io/token", account })(await images());
    const origins = { "https://index.docker.io": hub, "https://auth.docker.io": hub };
    for (const registry of ["index.docker.io", "docker.io", "registry-1.docker.io"]) {
      const { repository, requests } = openRepository(origins, { registry, credentials: mine });
      const manifest = await repository.getManifest("v1");
      expect(manifest?.digest).toBe(digestOf(manifest?.bytes ?? new Uint8Array()));
      expect(requests).toHaveLength(3);
    }
  });
});
