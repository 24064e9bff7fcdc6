import type { Digest } from "../model/digest.ts";
import { checkRegistry, checkRepositoryPath, parseReferenceDigest, parseTag } from "./reference-grammar.ts";
import { badReference, checkText, quoted } from "./reference-text.ts";

/** An image, or with neither tag nor digest a repository, of a registry. */
export interface RegistryReference {
  readonly kind: "registry";
  /** Host and port as written; Docker Hub is `index.docker.io`. */
  readonly registry: string;
  /** Path, without the registry; Docker Hub's short names with `library/` in front. */
  readonly repository: string;
  /** Beside a digest only for information: the digest is what is meant. */
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
  /** `registry/repository`, as cosign writes it into what it signs. */
  readonly name: string;
}

/** An image, or with neither tag nor digest the whole, of an OCI layout folder. */
export interface LayoutReference {
  readonly kind: "layout";
  /** Relative or absolute, as written, but for needless slashes at its end. */
  readonly path: string;
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
  /** `oci:PATH`. */
  readonly name: string;
}

export type Reference = RegistryReference | LayoutReference;

const DOCKER_HUB = "index.docker.io";
const LAYOUT = "oci:";
const DEFAULT_TAG = "latest";

/**
 * Reads `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]` as docker and cosign (go-containerregistry, pkg/name) read it, or
 * `oci:PATH[:TAG][@DIGEST]`. The part before the first slash is a registry when it has a dot or a colon or is `localhost`; else
 * the registry is Docker Hub. Without tag and digest the tag is `latest`, which in a layout is also the only image without a name.
 *
 * Names that go-containerregistry lets through but no registry has (empty parts, a separator at an end) are refused, and
 * so are hosts spelled otherwise than they are connected to; sha512 digests are taken.
 *
 * @throws E_REFERENCE_INVALID, the hint being the mend.
 */
export function parseReference(text: string): Reference {
  const { rest, digest } = splitDigest(text);
  const { name, tag = digest === undefined ? DEFAULT_TAG : undefined } = splitName(rest);
  return { ...parseName(name, text), tag, digest };
}

/**
 * Reads a repository, or a layout folder, as a whole: the same forms without tag and digest.
 * @throws E_REFERENCE_INVALID, also when there is a tag or a digest.
 */
export function parseRepository(text: string): Reference {
  const { rest, digest } = splitDigest(text);
  const { name, tag } = splitName(rest);
  if (digest !== undefined || tag !== undefined) {
    throw badReference(`${quoted(text)} names one image, not a repository`, "leave out the tag and the digest");
  }
  return parseName(name, text);
}

/** The canonical text of a reference: `parseReference` reads it back into the same reference. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  const digest = reference.digest === undefined ? "" : `@${reference.digest}`;
  return `${reference.name}${tag}${digest}`;
}

function parseName(name: string, whole: string): Reference {
  return name.startsWith(LAYOUT) ? parseLayoutName(name) : parseRegistryName(name, whole);
}

function parseLayoutName(text: string): LayoutReference {
  // A folder whose own name has an "@" keeps its slash: without it the name would read as a digest.
  const path = text.slice(LAYOUT.length).replace(/(?<=^|\/)([^/@]+)\/+$/, "$1");
  if (path === "") throw badReference(`${quoted(text)} names no folder`, "write oci:PATH[:TAG]");
  return { kind: "layout", path, name: `${LAYOUT}${path}` };
}

function parseRegistryName(text: string, whole: string): RegistryReference {
  const slash = text.indexOf("/");
  const first = slash < 0 ? "" : text.slice(0, slash);
  const hasRegistry = first === "localhost" || /[.:]/.test(first);
  const written = hasRegistry ? text.slice(slash + 1) : text;
  if (hasRegistry) checkRegistry(first);
  checkRepositoryPath(written, whole);
  const registry = !hasRegistry || first === "docker.io" ? DOCKER_HUB : first;
  const repository = registry === DOCKER_HUB && !written.includes("/") ? `library/${written}` : written;
  checkRepositoryPath(repository, whole);
  return { kind: "registry", registry, repository, name: `${registry}/${repository}` };
}

/** Behind the last "@", unless a slash follows: folders may have that character in their names. */
function splitDigest(text: string): { rest: string; digest: Digest | undefined } {
  checkText(text);
  const at = text.lastIndexOf("@");
  if (at < 0 || (text.startsWith(LAYOUT) && text.includes("/", at))) return { rest: text, digest: undefined };
  return { rest: text.slice(0, at), digest: parseReferenceDigest(text.slice(at + 1)) };
}

/** The tag stands behind the last colon, unless a slash follows: then the colon is a port's, or a folder's. */
function splitName(text: string): { name: string; tag: string | undefined } {
  const colon = text.lastIndexOf(":");
  const isTag = colon >= (text.startsWith(LAYOUT) ? LAYOUT.length : 0) && !text.includes("/", colon);
  if (!isTag) return { name: text, tag: undefined };
  return { name: text.slice(0, colon), tag: parseTag(text.slice(colon + 1), text) };
}
