import { type Digest, isDigest } from "../model/digest.ts";
import { badReference, quoted } from "./reference-text.ts";

/** Distribution spec, "Pulling manifests": <name>, <reference> as a tag. */
const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagGrammar = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
/** As in RFC 1123, and the underscore that names in container networks have. */
const label = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
const bracketed = /^\[[0-9A-Fa-f:.]+\]$/;

/** @throws E_REFERENCE_INVALID unless `registry` is `HOST[:PORT]`, an IPv6 address in brackets. */
export function checkRegistry(registry: string): void {
  const port = /:([^:\]]*)$/.exec(registry)?.[1];
  const host = port === undefined ? registry : registry.slice(0, -port.length - 1);
  if (port !== undefined && !(/^[1-9][0-9]{0,4}$/.test(port) && Number(port) <= 65_535)) {
    throw badReference(
      `${quoted(port)} is not a port, in ${quoted(registry)}`,
      "write HOST:PORT/REPOSITORY, the port from 1 to 65535",
    );
  }
  if (bracketed.test(host)) {
    if (canonicalHost(host) !== undefined) return;
    throw badReference(`${quoted(host)} is not an IPv6 address`, "write it as [2001:db8::1]");
  }
  if (host.includes(":")) {
    throw badReference(
      `${quoted(registry)} is not a registry`,
      "put an IPv6 address in brackets: [::1]:5000/REPOSITORY",
    );
  }
  if (host.length > 253 || !host.split(".").every((part) => label.test(part))) {
    throw badReference(`${quoted(host)} is not a host name`, "write HOST[:PORT]/REPOSITORY[:TAG]");
  }
  const canonical = canonicalHost(host);
  if (canonical !== host.toLowerCase()) {
    // 0x7f.1 and 127.1 are spellings of 127.0.0.1: what is shown must be what is connected to.
    throw badReference(
      `${quoted(host)} is not a host name`,
      canonical === undefined ? "write it in full" : `write ${canonical}`,
    );
  }
}

function canonicalHost(host: string): string | undefined {
  return URL.canParse(`https://${host}/`) ? new URL(`https://${host}/`).hostname : undefined;
}

/** @throws E_REFERENCE_INVALID unless `path` is a repository name; `text` is the reference it stands in. */
export function checkRepositoryPath(path: string, text: string): void {
  if (path === "") throw badReference(`${quoted(text)} names no repository`, "write REGISTRY/REPOSITORY:TAG");
  if (path.endsWith("/")) throw badReference(`${quoted(text)} ends in a slash`, "leave the last slash out");
  for (const part of path.split("/")) checkComponent(part, text);
  if (path.length < 2 || path.length > 255) {
    throw badReference(
      `the repository name ${quoted(path)} has ${path.length} characters`,
      "a repository name has from 2 to 255 characters",
    );
  }
}

function checkComponent(part: string, text: string): void {
  if (component.test(part)) return;
  if (part === "")
    throw badReference(`${quoted(text)} has an empty part between slashes`, "write one slash between two parts");
  if (part === "." || part === "..") {
    throw badReference(
      `${quoted(text)} has a part ${quoted(part)}`,
      "write oci:PATH for a layout folder; a repository has no such parts",
    );
  }
  if (component.test(part.toLowerCase())) {
    throw badReference(
      `the repository part ${quoted(part)} has upper-case letters`,
      `write ${quoted(part.toLowerCase())}: repository names are lower case`,
    );
  }
  if (part.includes(":")) {
    throw badReference(
      `${quoted(text)} has a colon where none can be`,
      "write REGISTRY/REPOSITORY:TAG, a tag only at the end",
    );
  }
  throw badReference(
    `the repository part ${quoted(part)} is not allowed`,
    'write lower-case letters and digits, with ".", "_", "__" or "-" only between them',
  );
}

/** @throws E_REFERENCE_INVALID unless `tag` is a tag. */
export function parseTag(tag: string, text: string): string {
  if (tagGrammar.test(tag)) return tag;
  if (tag === "")
    throw badReference(`${quoted(text)} has nothing behind the colon`, "write the tag, or leave the colon out");
  if (tag.length > 128) {
    throw badReference(`the tag ${quoted(tag)} has ${tag.length} characters`, "a tag has at most 128 characters");
  }
  throw badReference(
    `${quoted(tag)} is not a tag`,
    'write letters, digits, "_", "." and "-", the first a letter, digit or "_"; a digest stands behind "@"',
  );
}

/** @throws E_REFERENCE_INVALID unless `digest` is a digest. */
export function parseReferenceDigest(digest: string): Digest {
  if (isDigest(digest)) return digest;
  if (isDigest(digest.toLowerCase())) {
    throw badReference(`the digest ${quoted(digest)} has upper-case letters`, "write it in lower case");
  }
  throw badReference(`${quoted(digest)} behind the "@" is not a digest`, "write sha256: and 64 lower-case hex digits");
}
