import type { SignedIdentity } from "../../model/policy.ts";
import { type DockerReference, formatDockerReference, parseDockerReference } from "../../oci/docker-reference.ts";

/**
 * Whether the reference inside a signature stands for the image that was asked for (policy_reference_match.go). `asked` is undefined for
 * an image of a folder, which the rules that compare with it never accept; a claim that is no reference matches nothing, even itself.
 */
export function matchesSignedIdentity(
  rule: SignedIdentity,
  claimed: string,
  asked: DockerReference | undefined,
): boolean {
  const signed = parseDockerReference(claimed);
  if (signed === undefined) return false;
  switch (rule.type) {
    case "exactReference":
      return formatDockerReference(signed) === rule.reference;
    case "exactRepository":
      return rule.repository === signed.name;
  }
  if (asked === undefined) return false;
  switch (rule.type) {
    case "matchExact":
      return same(asked, signed);
    case "matchRepository":
      return asked.name === signed.name;
    case "matchRepoDigestOrExact":
      return sameOrByDigest(asked, signed);
    case "remapIdentity": {
      const remapped = remap(asked, rule);
      return remapped !== undefined && sameOrByDigest(remapped, signed);
    }
  }
}

/** In a sentence, after "required is". */
export function describeSignedIdentity(rule: SignedIdentity, asked: DockerReference | undefined): string {
  const name = asked === undefined ? "a reference, which an image in a folder has none of" : quoted(asked);
  switch (rule.type) {
    case "exactReference":
      return `${JSON.stringify(rule.reference)} (exactReference)`;
    case "exactRepository":
      return `any of ${JSON.stringify(rule.repository)} (exactRepository)`;
    case "matchRepository":
      return `any of ${asked === undefined ? name : JSON.stringify(asked.name)} (matchRepository)`;
    case "remapIdentity": {
      const remapped = asked && remap(asked, rule);
      return `${remapped === undefined ? name : quoted(remapped)} (remapIdentity)`;
    }
    default:
      return `${name} (${rule.type})`;
  }
}

function quoted(reference: DockerReference): string {
  return JSON.stringify(formatDockerReference(reference));
}

/** To the letter, and neither a bare repository. */
function same(one: DockerReference, other: DockerReference): boolean {
  return !isNameOnly(one) && !isNameOnly(other) && formatDockerReference(one) === formatDockerReference(other);
}

/** What was asked for by digest is compared by its repository: the digest is held against the manifest anyway. */
function sameOrByDigest(asked: DockerReference, signed: DockerReference): boolean {
  if (isNameOnly(signed)) return false;
  if (asked.tag !== undefined) return same(asked, signed);
  return asked.digest !== undefined && asked.name === signed.name;
}

function isNameOnly({ tag, digest }: DockerReference): boolean {
  return tag === undefined && digest === undefined;
}

/** Undefined where the rewritten name is none; what the prefix does not cover stays as it is. */
function remap(
  asked: DockerReference,
  { prefix, signedPrefix }: Extract<SignedIdentity, { type: "remapIdentity" }>,
): DockerReference | undefined {
  if (asked.name !== prefix && !asked.name.startsWith(`${prefix}/`)) return asked;
  const written = `${signedPrefix}${asked.name.slice(prefix.length)}`;
  const parsed = parseDockerReference(written);
  // A short name is no full one: only what reads back as it was written is taken.
  if (parsed === undefined || parsed.name !== written || !isNameOnly(parsed)) return undefined;
  return { ...asked, name: parsed.name };
}
