import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe } from "vitest";
import type { Handler } from "../../../src/platform/serve.ts";
import { type TokenAuthOptions, withBasicAuth, withTokenAuth } from "../../support/authentication.ts";
import { redirect, status, withBody, withFaults } from "../../support/faults.ts";
import { pushImage, storageSink } from "../../support/images.ts";
import { type StartedRegistry, type StartOptions, startRegistry } from "../../support/start-registry.ts";
import { publicKeyPem } from "../support/keys.ts";
import { createMachine } from "../support/machine.ts";
import { type BadInput, refuses, type Surroundings } from "../support/refusals.ts";
import { SECRETS, USERNAME } from "../support/secrets.ts";

const machine = createMachine({
  REGISTRY_PASSWORD: SECRETS.password,
  REGISTRY_TOKEN: SECRETS.bearer,
  COSIGN_PASSWORD: SECRETS.passphrase,
  CI_REGISTRY_PASSWORD: SECRETS.identity,
  GITHUB_TOKEN: SECRETS.bearer,
});
const key = machine.file("cosign.pub", publicKeyPem());
const account = { username: USERNAME, password: SECRETS.password };
const logIn = ["--registry-username", USERNAME, "--registry-password", "env://REGISTRY_PASSWORD"];

const started: StartedRegistry[] = [];
afterEach(async () => {
  rmSync(join(machine.home, ".docker"), { recursive: true, force: true });
  await Promise.all(started.splice(0).map((each) => each.close()));
});

interface Setting {
  readonly wrap?: StartOptions["wrap"] | ((stranger: StartedRegistry) => StartOptions["wrap"]);
  /** What another server, which must not get anything secret, answers. */
  readonly stranger?: Handler;
  /** docker's config.json; `HOST` stands for the registry. */
  readonly config?: string;
}

/** A registry on `127.0.0.1`, one image in it, and a stranger on `localhost`, which is another host. */
async function surroundings({ wrap, stranger, config }: Setting): Promise<Surroundings> {
  const served = await startRegistry({ wrap: stranger === undefined ? [] : [() => stranger] });
  const outside = { ...served, origin: served.origin.replace("127.0.0.1", "localhost") };
  const registry = await startRegistry({ wrap: (typeof wrap === "function" ? wrap(outside) : wrap) ?? [] });
  started.push(outside, registry);
  await pushImage(storageSink(registry.storage, "app"), { tag: "1", seed: "app" });
  if (config !== undefined) {
    mkdirSync(join(machine.home, ".docker"), { recursive: true });
    writeFileSync(join(machine.home, ".docker", "config.json"), config.replaceAll("HOST", hostOf(registry)));
  }
  return { machine, registry, strangers: [outside] };
}

const hostOf = (registry: StartedRegistry | undefined) => registry?.host ?? "";

const verify =
  (...flags: string[]) =>
  ({ registry }: Surroundings) => ["verify", "--key", key, ...flags, `${hostOf(registry)}/app:1`];

type Row = Setting & Omit<BadInput, "exit" | "args"> & { readonly flags?: readonly string[] };

/** None of these is a fault of the image: exit 3, undetermined. */
function undetermined(rows: readonly Row[]): void {
  for (const { flags = [], wrap, stranger, config, ...row } of rows) {
    const setting: Setting = {
      ...(wrap === undefined ? {} : { wrap }),
      ...(stranger === undefined ? {} : { stranger }),
      ...(config === undefined ? {} : { config }),
    };
    refuses({ ...row, args: verify(...flags), exit: 3, verdict: "undetermined" }, () => surroundings(setting));
  }
}

const basic = [withBasicAuth(account)];
const tokens = (options: TokenAuthOptions = {}) => [withTokenAuth({ account, anonymousPull: false, ...options })];
const challenge = (text: string): NonNullable<StartOptions["wrap"]> => [
  () => async () => ({ status: 401, headers: { "www-authenticate": text }, body: "" }),
];
const auth = Buffer.from(`${USERNAME}:${SECRETS.password}`).toString("base64");
const known = JSON.stringify({ auths: { HOST: { auth } } });
const wrong = { ...account, password: "another password" };

describe("a registry that demands what is not there", () => {
  undetermined([
    { name: "no credentials", wrap: basic, code: "E_REGISTRY_DENIED", says: "401" },
    {
      name: "a wrong password by flag",
      wrap: [withBasicAuth(wrong)],
      flags: logIn,
      code: "E_REGISTRY_DENIED",
      says: "401",
    },
    {
      name: "a wrong password in docker's file",
      wrap: [withBasicAuth(wrong)],
      config: known,
      code: "E_REGISTRY_DENIED",
      says: "401",
    },
    {
      name: "a wrong bearer token",
      wrap: tokens(),
      flags: ["--registry-token", "env://REGISTRY_TOKEN"],
      code: "E_REGISTRY_DENIED",
      says: "401",
    },
    {
      name: "a password that its token server does not take",
      wrap: tokens({ account: wrong }),
      config: known,
      code: "E_REGISTRY_DENIED",
      says: "no token",
    },
    {
      name: "a refresh token that its token server does not take",
      wrap: tokens({ identityToken: "x" }),
      config: JSON.stringify({ auths: { HOST: { identitytoken: SECRETS.identity } } }),
      code: "E_REGISTRY_DENIED",
      says: "no token",
    },
    {
      name: "no permission",
      wrap: [(inner) => withFaults(inner, [{ path: /manifests/, fault: status(403) }])],
      code: "E_REGISTRY_DENIED",
      says: "403",
    },
    {
      name: "a scheme that nobody speaks",
      wrap: challenge('Negotiate realm="x"'),
      config: known,
      code: "E_REGISTRY_DENIED",
      says: "negotiate",
    },
    { name: "no scheme at all", wrap: challenge(""), config: known, code: "E_REGISTRY_DENIED", says: "authentication" },
    {
      name: "the password of another registry",
      wrap: basic,
      config: JSON.stringify({ auths: { "127.0.0.1:1": { auth } } }),
      code: "E_REGISTRY_DENIED",
      says: "401",
    },
  ]);
});

describe("a registry that fishes for credentials", () => {
  const taking: Handler = async () => ({ status: 200, headers: {}, body: JSON.stringify({ token: "t" }) });
  const realmOf = (stranger: StartedRegistry) => `${stranger.origin}/token`;
  const toRealm = (realm: string) => challenge(`Bearer realm="${realm}",service="registry.test"`);
  const byFile = { config: known } as const;
  undetermined([
    {
      ...byFile,
      name: "by a realm elsewhere",
      stranger: taking,
      wrap: (stranger) => tokens({ realm: realmOf(stranger) }),
      code: "E_TOKEN_REALM",
      says: "localhost",
    },
    {
      name: "by a realm elsewhere, for a password by flag",
      flags: logIn,
      stranger: taking,
      wrap: (stranger) => tokens({ realm: realmOf(stranger) }),
      code: "E_TOKEN_REALM",
      says: "localhost",
    },
    {
      name: "by a realm elsewhere, for a refresh token",
      config: JSON.stringify({ auths: { HOST: { identitytoken: SECRETS.identity } } }),
      stranger: taking,
      wrap: (stranger) => tokens({ realm: realmOf(stranger) }),
      code: "E_TOKEN_REALM",
      says: "localhost",
    },
    {
      ...byFile,
      name: "by a realm with another host pinned",
      flags: ["--token-realm", "auth.registry.test"],
      stranger: taking,
      wrap: (stranger) => tokens({ realm: realmOf(stranger) }),
      code: "E_TOKEN_REALM",
      says: "localhost",
    },
    {
      ...byFile,
      name: "by a realm with a user in it",
      wrap: toRealm("http://robot@127.0.0.1/token"),
      code: "E_TOKEN_REALM",
      says: "user in its address",
    },
    {
      ...byFile,
      name: "by a realm that is no address",
      wrap: toRealm("token"),
      code: "E_TOKEN_REALM",
      says: "no address",
    },
    {
      ...byFile,
      name: "by a realm of another protocol",
      wrap: toRealm("ftp://127.0.0.1/token"),
      code: "E_TOKEN_REALM",
      says: "not https",
    },
    {
      ...byFile,
      name: "by a realm with escape sequences",
      wrap: toRealm("http://\u009b31m127.0.0.1/"),
      code: "E_TOKEN_REALM",
    },
    {
      ...byFile,
      name: "by a token server that redirects",
      stranger: taking,
      wrap: (stranger) => [
        ...tokens(),
        (inner) => withFaults(inner, [{ path: /^\/token/, fault: redirect(realmOf(stranger)) }]),
      ],
      code: "E_REGISTRY_REDIRECT",
      says: "token",
    },
    {
      ...byFile,
      name: "by a redirect of the image to a server that demands a login",
      stranger: withBasicAuth(account)(taking),
      wrap: (stranger) => [
        ...basic,
        (inner) =>
          withFaults(inner, [{ path: /manifests\/1$/, fault: redirect(`${stranger.origin}/v2/app/manifests/1`) }]),
      ],
      code: "E_REGISTRY_DENIED",
      says: "localhost",
    },
    {
      ...byFile,
      name: "by a redirect to an address with a user in it",
      wrap: [(inner) => withFaults(inner, [{ path: /manifests\/1$/, fault: redirect("http://robot@127.0.0.1/x") }])],
      code: "E_REGISTRY_REDIRECT",
      says: "user in it",
    },
  ]);
});

describe("a server that quotes what it was shown", () => {
  const quoting =
    (code: number): Handler =>
    async ({ headers, body }) => {
      const { authorization = "nothing" } = headers;
      const decoded = Buffer.from(authorization.replace(/^Basic /, ""), "base64").toString();
      const message = `you sent ${authorization}, that is ${decoded}, in ${Buffer.from(body).toString()}`;
      const error = JSON.stringify({ errors: [{ code: "DENIED", message }] });
      return { status: code, headers: { "content-type": "application/json" }, body: error };
    };
  const atToken = (options: TokenAuthOptions = {}): Setting["wrap"] => [
    ...tokens(options),
    (inner) => withFaults(inner, [{ path: /^\/token/, fault: quoting(403) }]),
  ];
  const atRegistry = (code: number): Setting["wrap"] => [
    (inner) => async (request) =>
      request.headers["authorization"] === undefined ? inner(request) : quoting(code)(request),
    (inner) => (request) =>
      request.headers["authorization"] ? inner(request) : withBasicAuth(account)(inner)(request),
  ];
  const identity = JSON.stringify({ auths: { HOST: { identitytoken: SECRETS.identity } } });
  undetermined([
    { name: "a token server, a password", config: known, wrap: atToken(), code: "E_REGISTRY_DENIED", says: "***" },
    {
      name: "a token server, a refresh token",
      config: identity,
      wrap: atToken(),
      code: "E_REGISTRY_DENIED",
      says: "***",
    },
    { name: "a registry that denies", config: known, wrap: atRegistry(403), code: "E_REGISTRY_DENIED", says: "***" },
    { name: "a registry that fails", config: known, wrap: atRegistry(500), code: "E_REGISTRY_FAILING", says: "***" },
    { name: "a registry that refuses", config: known, wrap: atRegistry(418), code: "E_REGISTRY_ANSWER", says: "***" },
  ]);
});

describe("a token server that gives none", () => {
  const answering = (body: string, type = "application/json"): Setting["wrap"] => [
    ...tokens(),
    (inner) => withFaults(inner, [{ path: /^\/token/, fault: withBody(body, type) }]),
  ];
  const failing = (code: number, headers = {}): Setting["wrap"] => [
    ...tokens(),
    (inner) => withFaults(inner, [{ path: /^\/token/, fault: status(code, headers) }]),
  ];
  undetermined([
    { name: "an empty answer", config: known, wrap: answering(""), code: "E_REGISTRY_ANSWER", says: "token" },
    {
      name: "a web page",
      config: known,
      wrap: answering("<html>log in</html>", "text/html"),
      code: "E_REGISTRY_ANSWER",
      says: "token",
    },
    {
      name: "a token with a line break in it",
      config: known,
      wrap: answering('{"token":"a\\r\\nx-evil: 1"}'),
      code: "E_REGISTRY_ANSWER",
      says: "token",
    },
    {
      name: "a token that is a number",
      config: known,
      wrap: answering('{"token":7}'),
      code: "E_REGISTRY_ANSWER",
      says: "token",
    },
    {
      name: "a token of two megabytes",
      config: known,
      wrap: answering(JSON.stringify({ token: "a".repeat(2 ** 21) })),
      code: "E_REGISTRY_ANSWER",
      says: "token",
    },
    { name: "failures without end", config: known, wrap: failing(503), code: "E_REGISTRY_FAILING", says: "503" },
    {
      name: "a wait of an hour",
      config: known,
      wrap: failing(429, { "retry-after": "3600" }),
      code: "E_REGISTRY_THROTTLED",
      says: "3600",
    },
  ]);
});

describe("credentials that cannot be read, found out when the registry demands them", () => {
  const helper = (name: string, script: string) => {
    const path = machine.file(`docker-credential-${name}`, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return { PATH: `${join(path, "..")}:/usr/bin:/bin` };
  };
  const byHelper = (name: string) => JSON.stringify({ credHelpers: { HOST: name } });
  undetermined([
    {
      name: "a file that is no JSON",
      config: `{"auths": {"HOST": {"auth": "${auth}"`,
      wrap: basic,
      code: "E_CREDENTIALS_INVALID",
      says: "config.json",
    },
    {
      name: "an auth that is no base64",
      config: `{"auths":{"HOST":{"auth":"${SECRETS.password}"}}}`,
      wrap: basic,
      code: "E_CREDENTIALS_INVALID",
      says: "base64",
    },
    {
      name: "an auth without a colon",
      config: JSON.stringify({ auths: { HOST: { auth: Buffer.from(SECRETS.bearer).toString("base64") } } }),
      wrap: basic,
      code: "E_CREDENTIALS_INVALID",
      says: "USER:PASSWORD",
    },
    {
      name: "a file of another shape",
      config: JSON.stringify({ auths: [SECRETS.password] }),
      wrap: basic,
      code: "E_CREDENTIALS_INVALID",
      says: "auths",
    },
    {
      name: "a helper with a path in its name",
      config: byHelper("../../bin/sh"),
      wrap: basic,
      code: "E_CREDENTIALS_INVALID",
      says: "credHelpers",
    },
    {
      name: "a file named that is not there",
      env: { REGISTRY_AUTH_FILE: machine.absent("auth.json") },
      wrap: basic,
      code: "E_CREDENTIALS_INVALID",
      says: "auth.json",
    },
    {
      name: "a helper that is not there",
      config: byHelper("lost"),
      wrap: basic,
      code: "E_CREDENTIAL_HELPER",
      says: "docker-credential-lost",
    },
    {
      name: "a helper that fails",
      config: byHelper("broken"),
      env: helper("broken", `echo 'no session' ; exit 1`),
      wrap: basic,
      code: "E_CREDENTIAL_HELPER",
      says: "ended with 1",
    },
    {
      name: "a helper that answers with words",
      config: byHelper("words"),
      env: helper("words", `echo '${SECRETS.password}'`),
      wrap: basic,
      code: "E_CREDENTIAL_HELPER",
      says: "no JSON",
    },
    {
      name: "a helper that answers half",
      config: byHelper("half"),
      env: helper("half", `echo '{"Username":"robot","Secret":"${SECRETS.identity}'`),
      wrap: basic,
      code: "E_CREDENTIAL_HELPER",
      says: "no JSON",
    },
  ]);
});

describe("credentials that are wrong use", () => {
  const misuses = (name: string, env: Record<string, string>, says: string) =>
    refuses({ name, env, args: verify(), code: "E_CREDENTIALS_INVALID", says, exit: 2 }, () => surroundings({}));
  misuses("a user without a password in the environment", { COUNTERSIGN_USERNAME: USERNAME }, "COUNTERSIGN_PASSWORD");
  misuses(
    "a password without a user in the environment",
    { COUNTERSIGN_PASSWORD: SECRETS.password },
    "COUNTERSIGN_USERNAME",
  );
});
