import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CountersignError } from "../../src/model/errors.ts";
import { createCredentials, type ExplicitCredentials } from "../../src/oci/credentials.ts";
import { parseDockerConfig } from "../../src/oci/docker-config.ts";
import type { Command, Completed, Host } from "../../src/platform/host.ts";
import { noStreams } from "../support/no-streams.ts";
import { failureOf } from "./fake-network.ts";

const HOME = "/home/ci";
const CONFIG = `${HOME}/.docker/config.json`;
const base64 = (text: string) => Buffer.from(text).toString("base64");
const encode = (text: string) => new TextEncoder().encode(text);

interface World {
  files?: Record<string, unknown>;
  env?: Record<string, string>;
  /** What `docker-credential-NAME get` ends with, by name and host. */
  helpers?: Record<string, Partial<{ exitCode: number; stdout: string; stderr: string }> | CountersignError>;
  explicit?: ExplicitCredentials;
}

function world({ files = {}, env = {}, helpers = {}, explicit }: World) {
  const reads: string[] = [];
  const commands: Command[] = [];
  const machine: Pick<Host, "env" | "files" | "run" | "homeDirectory"> = {
    env,
    homeDirectory: HOME,
    files: {
      ...noStreams,
      read: async (path) => {
        reads.push(path);
        const content = files[path];
        if (content === undefined) throw new CountersignError("E_FILE_UNREADABLE", path);
        return encode(typeof content === "string" ? content : JSON.stringify(content));
      },
      exists: async (path) => path in files,
      list: async () => [],
      isLink: async () => false,
      write: async () => {},
      remove: async () => {},
    },
    run: async (command): Promise<Completed> => {
      commands.push(command);
      const key = `${command.argv[0]} ${new TextDecoder().decode(command.stdin)}`;
      const result = helpers[key];
      if (result instanceof CountersignError) throw result;
      const { exitCode = 0, stdout = "", stderr = "" } = result ?? { exitCode: 1, stdout: NOT_FOUND };
      return { exitCode, stdout: encode(stdout), stderr: encode(stderr) };
    },
  };
  const source = createCredentials(machine, explicit);
  const find = (registry: string, repository = "team/app") => source.find({ registry, repository });
  return { find, reads, commands };
}

const NOT_FOUND = "credentials not found in native keychain\n";
const login = (user: string) => ({ auth: base64(`${user}:secret-of-${user}`) });

describe("credentials from flags", () => {
  it("go before all others, and no file is read", async () => {
    const { find, reads } = world({
      explicit: { username: "me", password: "pw", registry: "r.example" },
      files: { [CONFIG]: { auths: { "r.example": login("file") } } },
    });
    expect(await find("r.example")).toMatchObject({ kind: "password", username: "me", password: "pw" });
    expect(reads).toEqual([]);
  });

  it("go to no other registry than the one they were given for", async () => {
    const { find } = world({ explicit: { username: "me", password: "pw", registry: "r.example:5000" } });
    expect(await find("r.example")).toBeUndefined();
    expect(await find("evil.example")).toBeUndefined();
    expect(await find("R.EXAMPLE:5000")).toBeDefined();
  });

  it("may be a token", async () => {
    const { find } = world({ explicit: { token: "t", registry: "docker.io" } });
    expect(await find("index.docker.io")).toMatchObject({ kind: "bearer", token: "t" });
  });

  it.each([{ username: "me" }, { password: "pw" }, { username: "", password: "pw" }])(
    "are refused by halves: %j",
    (explicit) => {
      expect(() => world({ explicit })).toThrow(expect.objectContaining({ code: "E_CREDENTIALS_INVALID", exit: 2 }));
    },
  );
});

describe("credentials from the environment", () => {
  it("go to every registry, or to the one that is named with them", async () => {
    const env = { COUNTERSIGN_USERNAME: "me", COUNTERSIGN_PASSWORD: "pw" };
    expect(await world({ env }).find("any.example")).toMatchObject({ username: "me" });
    const bound = world({ env: { ...env, COUNTERSIGN_REGISTRY: "r.example" } });
    expect(await bound.find("any.example")).toBeUndefined();
    expect(await bound.find("r.example")).toMatchObject({ username: "me", password: "pw" });
  });

  it("are GitLab's for its own registry, port and all, with its server as the place for tokens", async () => {
    const { find } = world({
      env: {
        CI_REGISTRY: "git.example:5050",
        CI_REGISTRY_USER: "gitlab-ci-token",
        CI_REGISTRY_PASSWORD: "job",
        CI_SERVER_HOST: "git.example",
      },
    });
    expect(await find("git.example:5050")).toMatchObject({ username: "gitlab-ci-token", realms: ["git.example"] });
    expect(await find("git.example")).toBeUndefined();
    expect(await find("git.example:5051")).toBeUndefined();
  });

  it("are GitHub's for ghcr.io alone", async () => {
    const { find } = world({ env: { GITHUB_TOKEN: "ghs", GITHUB_ACTOR: "octo" } });
    expect(await find("ghcr.io")).toMatchObject({ username: "octo", password: "ghs" });
    expect(await find("ghcr.io.evil.example")).toBeUndefined();
    expect(await find("index.docker.io")).toBeUndefined();
  });

  it("that a CI system gives to every job stand behind a login", async () => {
    const { find } = world({
      env: { GITHUB_TOKEN: "ghs" },
      files: { [CONFIG]: { auths: { "ghcr.io": login("robot") } } },
    });
    expect(await find("ghcr.io")).toMatchObject({ username: "robot" });
  });
});

describe("docker's configuration", () => {
  it.each([
    ["https://index.docker.io/v1/", "index.docker.io"],
    ["docker.io", "index.docker.io"],
    ["registry-1.docker.io", "index.docker.io"],
    ["r.example:5000", "r.example:5000"],
    ["https://r.example", "r.example"],
    ["http://r.example/v2/", "r.example"],
    ["r.example/", "r.example"],
    ["r.example/team", "r.example"],
    ["r.example/team/app", "r.example"],
  ])("under %s holds those of %s", async (key, registry) => {
    const { find } = world({ files: { [CONFIG]: { auths: { [key]: login("me") } } } });
    expect(await find(registry)).toMatchObject({
      kind: "password",
      username: "me",
      password: "secret-of-me",
      source: CONFIG,
    });
  });

  it.each(["r.example", "r.example:443", "xr.example", "r.example.evil", "other.example/r.example"])(
    "under %s holds none of r.example:5000",
    async (key) => {
      const { find } = world({ files: { [CONFIG]: { auths: { [key]: login("me") } } } });
      expect(await find("r.example:5000")).toBeUndefined();
    },
  );

  it("gives the most specific entry", async () => {
    const auths = {
      "r.example": login("all"),
      "r.example/team": login("team"),
      "r.example/team/app": login("app"),
      "r.example/team/ap": login("never"),
    };
    const { find, reads } = world({ files: { [CONFIG]: { auths } } });
    expect(await find("r.example", "team/app")).toMatchObject({ username: "app" });
    expect(await find("r.example", "team/app/deep")).toMatchObject({ username: "app" });
    expect(await find("r.example", "team/apple")).toMatchObject({ username: "team" });
    expect(await find("r.example", "teams")).toMatchObject({ username: "all" });
    expect(reads).toEqual([CONFIG]);
  });

  it.each([
    [{ auth: base64("me:pass:word") }, { kind: "password", username: "me", password: "pass:word" }],
    [{ auth: base64("me:pw\0\0") }, { kind: "password", username: "me", password: "pw" }],
    [
      { username: "me", password: "pw" },
      { kind: "password", username: "me", password: "pw" },
    ],
    [
      { auth: base64("me:"), identitytoken: "refresh" },
      { kind: "identity", token: "refresh" },
    ],
    [{ registrytoken: "bearer" }, { kind: "bearer", token: "bearer" }],
  ])("understands %j", async (entry, expected) => {
    const { find } = world({ files: { [CONFIG]: { auths: { "r.example": entry } } } });
    expect(await find("r.example")).toMatchObject(expected);
  });

  it.each([{}, null, { auth: "" }, { username: "me" }, { email: "me@example.com" }])(
    "has none in %j",
    async (entry) => {
      const { find } = world({ files: { [CONFIG]: { auths: { "r.example": entry } } } });
      expect(await find("r.example")).toBeUndefined();
    },
  );

  it.each([
    "{",
    "[]",
    '{"auths":[]}',
    '{"auths":{"r.example":{"auth":"%%%"}}}',
    `{"auths":{"r.example":{"auth":"${base64("planted-secret")}"}}}`,
    `{"auths":{"r.example":{"auth":17,"password":"planted-secret"}}}`,
    '{"credsStore":"../../bin/planted-secret"}',
    '{"credHelpers":{"r.example":"a b"}}',
  ])("that is %s is refused by its name, not by its content", async (content) => {
    const failure = await failureOf(world({ files: { [CONFIG]: content } }).find("r.example"));
    expect(failure).toMatchObject({ code: "E_CREDENTIALS_INVALID", exit: 2 });
    expect(failure.message).toContain(CONFIG);
    expect(JSON.stringify([failure.message, failure.hint, String(failure.cause)])).not.toContain("planted-secret");
    expect(failure.message).not.toContain(base64("planted-secret"));
  });

  it("never fails otherwise", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          parseDockerConfig(encode(text), "config.json");
        } catch (error) {
          expect(error).toMatchObject({ code: "E_CREDENTIALS_INVALID" });
        }
      }),
    );
  });
});

describe("files that are looked into", () => {
  it("are REGISTRY_AUTH_FILE, docker's and podman's, in this order, each once", async () => {
    const env = { REGISTRY_AUTH_FILE: "/named.json", DOCKER_CONFIG: "/docker", XDG_RUNTIME_DIR: "/run/1" };
    const files = {
      "/named.json": { auths: { "a.example": login("named") } },
      "/docker/config.json": { auths: { "a.example": login("docker"), "b.example": login("docker") } },
      "/run/1/containers/auth.json": { auths: { "b.example": login("podman"), "c.example/team": login("podman") } },
    };
    const { find, reads } = world({ env, files });
    const users = [];
    for (const host of ["a.example", "b.example", "c.example"]) users.push(await find(host));
    expect(users).toMatchObject([{ username: "named" }, { username: "docker" }, { username: "podman" }]);
    expect(reads).toEqual(Object.keys(files));
  });

  it("must be there when named", async () => {
    const failure = await failureOf(world({ env: { REGISTRY_AUTH_FILE: "/named.json" } }).find("r.example"));
    expect(failure).toMatchObject({ code: "E_CREDENTIALS_INVALID" });
    expect(failure.hint).toContain("REGISTRY_AUTH_FILE");
  });

  it("may be absent: then there are no credentials", async () => {
    expect(await world({}).find("r.example")).toBeUndefined();
  });
});

describe("a credential helper", () => {
  const answer = (Username: string, Secret: string) => ({
    stdout: JSON.stringify({ ServerURL: "x", Username, Secret }),
  });

  it("is run once for a host, without a shell, with the host on its input", async () => {
    const { find, commands } = world({
      files: { [CONFIG]: { credHelpers: { "r.example": "ecr-login" }, auths: { "r.example": login("file") } } },
      helpers: { "docker-credential-ecr-login r.example": answer("AWS", "secret") },
      env: { AWS_REGION: "eu", OTHER_SECRET: "no" },
    });
    expect(await Promise.all([find("r.example", "a"), find("r.example", "b")])).toMatchObject([
      { username: "AWS", password: "secret", source: "docker-credential-ecr-login" },
      { username: "AWS" },
    ]);
    expect(commands).toHaveLength(1);
    expect(commands[0]?.argv).toEqual(["docker-credential-ecr-login", "get"]);
    expect(commands[0]?.passEnv).toEqual(["AWS_REGION"]);
  });

  it("of all hosts stands behind entries for a part of a host, and before the rest", async () => {
    const files = {
      [CONFIG]: {
        credsStore: "pass",
        auths: { "r.example/team": login("team"), "r.example": login("host"), "s.example": login("host") },
      },
    };
    const { find } = world({ files, helpers: { "docker-credential-pass r.example": answer("stored", "secret") } });
    expect(await find("r.example", "team/app")).toMatchObject({ username: "team" });
    expect(await find("r.example", "other")).toMatchObject({ username: "stored" });
    expect(await find("s.example")).toMatchObject({ username: "host" });
  });

  it("knows Docker Hub by the key that docker login stores", async () => {
    const { find } = world({
      files: { [CONFIG]: { credsStore: "pass" } },
      helpers: { "docker-credential-pass https://index.docker.io/v1/": answer("<token>", "refresh") },
    });
    expect(await find("index.docker.io")).toMatchObject({ kind: "identity", token: "refresh" });
  });

  it("that has none is no error", async () => {
    expect(await world({ files: { [CONFIG]: { credsStore: "pass" } } }).find("r.example")).toBeUndefined();
  });

  it.each([
    ["is not there", new CountersignError("E_COMMAND", "docker-credential-pass cannot be started: ENOENT"), "ENOENT"],
    [
      "takes too long",
      new CountersignError("E_TIMEOUT", "docker-credential-pass did not end within 60000 ms"),
      "60000",
    ],
    ["fails", { exitCode: 1, stdout: "the key ring is locked" }, "the key ring is locked"],
    ["fails with its answer", { exitCode: 1, stdout: '{"Secret":"planted-secret"}' }, "ended with 1"],
    ["answers in words", { stdout: "planted-secret" }, "no JSON"],
  ])("that %s is an error that says so", async (_, result, words) => {
    const { find } = world({
      files: { [CONFIG]: { credsStore: "pass" } },
      helpers: { "docker-credential-pass r.example": result },
    });
    const failure = await failureOf(find("r.example"));
    expect(failure).toMatchObject({ code: "E_CREDENTIAL_HELPER", exit: 2 });
    expect(failure.message).toContain(words);
    expect(failure.message).not.toContain("planted-secret");
  });
});
