import type { Reference } from "./reference.ts";

/** A reference as containers/image reads it (docker/reference there, ParseNormalizedNamed). */
export interface DockerReference {
  /** `docker.io/library/alpine`, in full. */
  readonly name: string;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
}

const DOCKER_HUB = "docker.io";
const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
/** containers/image keeps an older copy of docker's grammar: it has no addresses of version 6, and capitals make no host of a name. */
const domain = new RegExp(`^${label}(?:\\.${label})*(?::[0-9]+)?$`);
const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagGrammar = /^\w[\w.-]{0,127}$/;
const digestGrammar = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;
/** Octets of a name, as that grammar has it. */
const MAX_NAME = 255;

/**
 * Reads `[DOMAIN/]PATH[:TAG][@DIGEST]` as containers/image does, Docker Hub's short names in full; undefined when it is none. No tag is
 * added: a repository alone stays one.
 */
export function parseDockerReference(text: string): DockerReference | undefined {
  if (text.length > 2048 || /^[0-9a-f]{64}$/.test(text)) return undefined;
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const rest = at < 0 ? text : text.slice(0, at);
  const colon = rest.lastIndexOf(":");
  const tagged = colon >= 0 && !rest.includes("/", colon);
  const tag = tagged ? rest.slice(colon + 1) : undefined;
  const name = fullName(tagged ? rest.slice(0, colon) : rest);
  if (name === undefined || name.length > MAX_NAME) return undefined;
  if (tag !== undefined && !tagGrammar.test(tag)) return undefined;
  if (digest !== undefined && !digestGrammar.test(digest)) return undefined;
  return { name, tag, digest };
}

/** The normalized text, which two spellings of one reference share. */
export function formatDockerReference({ name, tag, digest }: DockerReference): string {
  return `${name}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** A canonical name as containers/image writes it: Docker Hub is `docker.io` there. */
export function dockerName(name: string): string {
  return name.replace(/^index\.docker\.io\//, `${DOCKER_HUB}/`);
}

function fullName(written: string): string | undefined {
  const slash = written.indexOf("/");
  const first = slash < 0 ? "" : written.slice(0, slash);
  const named = first === "localhost" || /[.:]/.test(first);
  const registry = !named || first === "index.docker.io" ? DOCKER_HUB : first;
  const rest = named ? written.slice(slash + 1) : written;
  const path = registry === DOCKER_HUB && !rest.includes("/") ? `library/${rest}` : rest;
  if (!domain.test(registry) || !path.split("/").every((part) => component.test(part))) return undefined;
  return `${registry}/${path}`;
}

/** Whether a text is a registry, or a namespace or repository behind one, as containers/image tells it: the first part need not look like a host. */
export function isDockerPrefix(text: string): boolean {
  const [host = "", ...path] = text.split("/");
  return domain.test(host) && path.every((part) => component.test(part));
}

/** A reference as containers/image would have been asked for it: a tag beside a digest is dropped, as podman drops it. Undefined for a folder. */
export function dockerReferenceOf({ kind, name, tag, digest }: Reference): DockerReference | undefined {
  if (kind === "layout") return undefined;
  return digest === undefined ? { name: dockerName(name), tag } : { name: dockerName(name), digest };
}
