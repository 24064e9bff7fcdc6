import { type Digest, digestAlgorithm, digestHex } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";

const PART = "[a-z0-9]+(?:[._-]+[a-z0-9]+)*";
const REPOSITORY = new RegExp(`^${PART}(?:/${PART})*$`);
const FILE = /^signature-([1-9][0-9]{0,8})$/;

/**
 * The folder of an image's signatures under a lookaside's base (containers/image docs/signature-protocols.md):
 * `<repository without its host>@sha256=<hex>`. An image that is in no registry has none: `sha256=<hex>`, as OpenShift keeps those of
 * its releases.
 *
 * @param repository path in the registry, `library/alpine`; undefined for a layout folder.
 * @throws E_REFERENCE_INVALID: nothing else gets into a path.
 */
export function lookasideFolder(repository: string | undefined, subject: Digest): string {
  const algorithm = digestAlgorithm(subject);
  const hex = digestHex(subject);
  const known = /^[a-z0-9]+$/.test(algorithm) && /^[0-9a-f]{64,128}$/.test(hex);
  if (!known || (repository !== undefined && !REPOSITORY.test(repository))) {
    throw new CountersignError(
      "E_REFERENCE_INVALID",
      `${JSON.stringify(`${repository ?? ""}@${subject}`.slice(0, 200))} gives no path in a lookaside`,
      { hint: "lower-case letters, digits, and single separators between them" },
    );
  }
  return `${repository === undefined ? "" : `${repository}@`}${algorithm}=${hex}`;
}

/** Whether a path is one that `lookasideFolder` gives. */
export function isLookasideFolder(path: string): boolean {
  const [, repository, rest = ""] = /^(?:(.*)@)?([^@]*)$/.exec(path) ?? [];
  const valid = repository === undefined || REPOSITORY.test(repository);
  return valid && /^[a-z0-9]+=[0-9a-f]{64,128}$/.test(rest);
}

/** The file of the `index`th signature, counted from 1. */
export function lookasideFile(folder: string, index: number): string {
  return `${folder}/signature-${index}`;
}

/** Which signature a name in such a folder is of; undefined for what is none, as a file that is being written. */
export function indexOfFile(name: string): number | undefined {
  const digits = FILE.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** An address that this program can go to as it stands. */
export function isAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash, pathname, host } = new URL(text);
  if (username !== "" || password !== "" || search !== "" || hash !== "") return false;
  if (protocol === "file:") return host === "" && isFilePath(pathname);
  return protocol === "https:" || protocol === "http:";
}

/** Absolute, and each of its parts can be told: no slash or zero byte is escaped in one. */
function isFilePath(pathname: string): boolean {
  try {
    return !/%2f|%00/i.test(pathname) && decodeURIComponent(pathname).startsWith("/");
  } catch {
    return false;
  }
}
