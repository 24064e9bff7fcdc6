import { z } from "zod";
import { CountersignError } from "../model/errors.ts";
import type { Credential, CredentialTarget } from "./credential.ts";

/** The part of docker's `config.json`, and of podman's `auth.json`, that is about credentials. */
export interface DockerConfig {
  /** For messages. */
  readonly path: string;
  readonly entries: readonly ConfigEntry[];
  /** Helper of a host. */
  readonly helpers: ReadonlyMap<string, string>;
  /** Helper of all other hosts. */
  readonly store: string | undefined;
}

interface ConfigEntry {
  /** `host[:port]`, Docker Hub as `index.docker.io`. */
  readonly host: string;
  /** Repository path that it is for; empty for the whole host. */
  readonly path: string;
  readonly value: z.infer<typeof entrySchema>;
}

const text = z.string().nullish();
const entrySchema = z.object({
  auth: text,
  username: text,
  password: text,
  identitytoken: text,
  registrytoken: text,
});
const helperName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const schema = z.object({
  auths: z.record(z.string(), entrySchema.nullable()).nullish(),
  credHelpers: z.record(z.string(), helperName).nullish(),
  credsStore: z.union([z.literal(""), helperName]).nullish(),
});

/**
 * Reads docker's or podman's configuration file.
 * @throws E_CREDENTIALS_INVALID naming the file and the member, never what stands in it.
 */
export function parseDockerConfig(bytes: Uint8Array, path: string): DockerConfig {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw invalid(path, "is not JSON");
  }
  const parsed = schema.safeParse(document);
  if (!parsed.success) throw invalid(path, `holds something else than docker writes at ${where(parsed.error)}`);
  const { auths, credHelpers, credsStore } = parsed.data;
  return {
    path,
    entries: Object.entries(auths ?? {}).flatMap(([key, value]) => (value ? [{ ...splitKey(key), value }] : [])),
    helpers: new Map(Object.entries(credHelpers ?? {}).map(([key, name]) => [splitKey(key).host, name])),
    store: credsStore || undefined,
  };
}

/** Only names of the format: the keys between them are the user's. */
function where(error: z.ZodError): string {
  const [first] = error.issues[0]?.path ?? [];
  return typeof first === "string" ? first : "its top";
}

/** `https://index.docker.io/v1/`, `host:5000`, `host/team/app`: host and path of a key. */
function splitKey(key: string): { host: string; path: string } {
  const bare = key.replace(/^https?:\/\//, "").replace(/\/+$/, "");
  const slash = bare.indexOf("/");
  const host = slash < 0 ? bare : bare.slice(0, slash);
  const path = slash < 0 ? "" : bare.slice(slash + 1);
  return { host: canonicalHost(host), path: /^v[12]$/.test(path) ? "" : path };
}

/** Docker Hub's names as one. */
export function canonicalHost(host: string): string {
  const lower = host.toLowerCase();
  return lower === "docker.io" || lower === "registry-1.docker.io" ? "index.docker.io" : lower;
}

/**
 * The entry for a repository: of those that name its host and the whole of its path or a leading part, the most specific
 * one that holds anything.
 *
 * @param scope `path`: only entries for a part of the host; `host`: only those for all of it.
 * @throws E_CREDENTIALS_INVALID when that entry cannot be read.
 */
export function findEntry(
  config: DockerConfig,
  target: CredentialTarget,
  scope: "path" | "host",
): Credential | undefined {
  const host = canonicalHost(target.registry);
  const matching = config.entries
    .filter((entry) => entry.host === host && (entry.path !== "") === (scope === "path"))
    .filter(({ path }) => path === "" || target.repository === path || target.repository.startsWith(`${path}/`))
    .sort((a, b) => b.path.length - a.path.length);
  for (const entry of matching) {
    const credential = readEntry(entry, config.path);
    if (credential) return credential;
  }
  return undefined;
}

function readEntry({ host, value }: ConfigEntry, source: string): Credential | undefined {
  if (value.registrytoken) return { kind: "bearer", token: value.registrytoken, source };
  if (value.identitytoken) return { kind: "identity", token: value.identitytoken, source };
  if (value.auth) return { kind: "password", ...decodeAuth(value.auth, host, source), source };
  if (!value.username || !value.password) return undefined;
  return { kind: "password", username: value.username, password: value.password, source };
}

/** `auth` is base64 of `user:password`, in some old files with zeros at its end. */
function decodeAuth(auth: string, host: string, path: string): { username: string; password: string } {
  const decoded = /^[A-Za-z0-9+/_-]+={0,2}$/.test(auth.trim()) ? Buffer.from(auth, "base64").toString("utf8") : "";
  const colon = decoded.indexOf(":");
  if (colon < 1) throw invalid(path, `holds an "auth" for ${host} that is not base64 of USER:PASSWORD`);
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, "") };
}

function invalid(path: string, what: string): CountersignError {
  return new CountersignError("E_CREDENTIALS_INVALID", `${path} ${what}`, {
    hint: "log in again (docker login), or repair the file",
  });
}
