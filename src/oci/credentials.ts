import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Host } from "../platform/host.ts";
import { memo } from "../platform/memo.ts";
import type { Credential, CredentialSource, CredentialTarget } from "./credential.ts";
import type { DockerConfig } from "./docker-config.ts";

/** Credentials from flags. */
export interface ExplicitCredentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** A bearer token, in place of user and password. */
  readonly token?: string | undefined;
  /** The one registry that they are for (`host[:port]`); absent: every registry that the caller names. */
  readonly registry?: string | undefined;
  /** How the flags begin that they come from; `--registry` unless told. */
  readonly flags?: string | undefined;
}

type Machine = Pick<Host, "env" | "files" | "run" | "homeDirectory">;

/**
 * Finds a registry's credentials, the first of:
 *
 * 1. flags;
 * 2. `COUNTERSIGN_USERNAME` and `COUNTERSIGN_PASSWORD`, for `COUNTERSIGN_REGISTRY` alone when that is set;
 * 3. logins: `$REGISTRY_AUTH_FILE`; `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json`;
 *    `$XDG_RUNTIME_DIR/containers/auth.json`. In each file: the helper of the host, entries for a part of the host, the
 *    store for all hosts, the entry of the host;
 * 4. GitLab CI: `CI_REGISTRY_USER` and `CI_REGISTRY_PASSWORD` for exactly `CI_REGISTRY`; `CI_SERVER_HOST` may issue tokens for them;
 * 5. GitHub Actions: `GITHUB_TOKEN` for ghcr.io.
 *
 * A login that was made on purpose goes before the token that a CI system puts into every job. Files are read, and helpers
 * run, once, when a registry first demands credentials that nothing before has.
 *
 * `find` throws E_CREDENTIALS_INVALID, E_CREDENTIAL_HELPER.
 * @throws E_CREDENTIALS_INVALID when a flag or variable comes without its other half.
 */
export function createCredentials(machine: Machine, explicit: ExplicitCredentials = {}): CredentialSource {
  const flags = explicitCredential(explicit);
  const variables = environmentCredential(machine.env);
  const configs = new Map<string, Promise<DockerConfig | undefined>>();
  const helped = new Map<string, Promise<Credential | undefined>>();

  const config = (path: string, required: boolean) => memo(configs, path, () => readConfig(machine, path, required));
  const helper = (name: string, host: string) =>
    memo(helped, `${name} ${host}`, async () => {
      const { askHelper } = await import("./credential-helper.ts");
      return askHelper(name, host, machine);
    });

  const inConfig = async (path: string, required: boolean, target: CredentialTarget) => {
    const read = await config(path, required);
    if (read === undefined) return undefined;
    const { canonicalHost, findEntry } = await import("./docker-config.ts");
    const host = canonicalHost(target.registry);
    const ofHost = read.helpers.get(host);
    if (ofHost !== undefined) return helper(ofHost, host);
    return (
      findEntry(read, target, "path") ??
      (read.store === undefined ? undefined : await helper(read.store, host)) ??
      findEntry(read, target, "host")
    );
  };

  return {
    async find(target) {
      for (const ambient of [flags, variables]) {
        if (ambient && (ambient.registry === undefined || isSame(ambient.registry, target.registry)))
          return ambient.credential;
      }
      for (const { path, required } of configFiles(machine)) {
        const credential = await inConfig(path, required, target);
        if (credential) return credential;
      }
      return gitlabCredential(machine.env, target) ?? githubCredential(machine.env, target);
    },
  };
}

interface Bound {
  readonly registry: string | undefined;
  readonly credential: Credential;
}

function explicitCredential(explicit: ExplicitCredentials): Bound | undefined {
  const { username, password, token, registry, flags = "--registry" } = explicit;
  if (token !== undefined) return { registry, credential: { kind: "bearer", token, source: `${flags}-token` } };
  if (username === undefined && password === undefined) return undefined;
  if (!username || password === undefined) throw half(`${flags}-username`, `${flags}-password`);
  return { registry, credential: { kind: "password", username, password, source: `${flags}-username` } };
}

function environmentCredential(env: Host["env"]): Bound | undefined {
  const username = env["COUNTERSIGN_USERNAME"] || undefined;
  const password = env["COUNTERSIGN_PASSWORD"] || undefined;
  if (username === undefined && password === undefined) return undefined;
  if (username === undefined || password === undefined) throw half("COUNTERSIGN_USERNAME", "COUNTERSIGN_PASSWORD");
  const credential: Credential = { kind: "password", username, password, source: "COUNTERSIGN_USERNAME" };
  return { registry: env["COUNTERSIGN_REGISTRY"] || undefined, credential };
}

function gitlabCredential(env: Host["env"], { registry }: CredentialTarget): Credential | undefined {
  const username = env["CI_REGISTRY_USER"];
  const password = env["CI_REGISTRY_PASSWORD"];
  if (!username || !password || env["CI_REGISTRY"]?.toLowerCase() !== registry.toLowerCase()) return undefined;
  const server = env["CI_SERVER_HOST"];
  return { kind: "password", username, password, source: "CI_REGISTRY_PASSWORD", realms: server ? [server] : [] };
}

function githubCredential(env: Host["env"], { registry }: CredentialTarget): Credential | undefined {
  const password = env["GITHUB_TOKEN"];
  if (registry.toLowerCase() !== "ghcr.io" || !password) return undefined;
  return { kind: "password", username: env["GITHUB_ACTOR"] || "x-access-token", password, source: "GITHUB_TOKEN" };
}

/** Docker Hub by any of its names is one registry. */
function isSame(one: string, other: string): boolean {
  const hub = /^(?:https:\/\/)?(?:(?:index|registry-1)\.)?docker\.io(?:\/v1\/?)?$/i;
  return one.toLowerCase() === other.toLowerCase() || (hub.test(one) && hub.test(other));
}

function configFiles({ env, homeDirectory }: Machine): readonly { path: string; required: boolean }[] {
  const named = env["REGISTRY_AUTH_FILE"];
  const runtime = env["XDG_RUNTIME_DIR"];
  return [
    ...(named ? [{ path: named, required: true }] : []),
    { path: `${env["DOCKER_CONFIG"] || `${homeDirectory}/.docker`}/config.json`, required: false },
    ...(runtime ? [{ path: `${runtime}/containers/auth.json`, required: false }] : []),
  ];
}

async function readConfig({ files }: Machine, path: string, required: boolean): Promise<DockerConfig | undefined> {
  if (!required && !(await files.exists(path))) return undefined;
  const bytes = await files.read(path, LIMITS.configFile).catch((cause: unknown) => {
    throw new CountersignError("E_CREDENTIALS_INVALID", `${path} cannot be read for credentials`, {
      cause,
      hint: required ? "check REGISTRY_AUTH_FILE" : "check the file's permissions and size",
    });
  });
  const { parseDockerConfig } = await import("./docker-config.ts");
  return parseDockerConfig(bytes, path);
}

function half(one: string, other: string): CountersignError {
  return new CountersignError("E_CREDENTIALS_INVALID", `${one} and ${other} go together, and one is missing or empty`, {
    hint: "give both, or neither",
  });
}
