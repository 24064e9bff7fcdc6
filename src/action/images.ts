import { CountersignError } from "../model/errors.ts";
import { formatReference, parseReference } from "../oci/reference.ts";
import { readBuildMetadata } from "./build-metadata.ts";
import type { CommandName } from "./input-table.ts";
import { type ActionInputs, linesOf } from "./inputs.ts";

const HOW = {
  one: "write image: NAME, with digest: or a tag",
  many: "write images: with a reference a line; or image: and digest:, tags: and digest:, or metadata: as docker/build-push-action puts them out",
};

/**
 * The images that the inputs name, as references: each line of `images`; `image` at `digest`; every repository of `tags` at `digest`;
 * every repository of `metadata` at its digest. A digest is never left out where there is one: what was built is what is meant,
 * whatever its tags name by now.
 *
 * @throws E_USAGE, E_REFERENCE_INVALID.
 */
export function imagesOf({ command, given }: Pick<ActionInputs, "command" | "given">): readonly string[] {
  const ways = (["images", "image", "tags", "metadata"] as const).filter((name) => given.has(name));
  const [way, other] = ways;
  const hint = command === "attach" || command === "payload" ? HOW.one : HOW.many;
  if (way === undefined) throw new CountersignError("E_USAGE", "no image is named", { hint });
  if (other !== undefined) {
    throw new CountersignError("E_USAGE", `${way} and ${other} both name images`, { hint: `leave one out: ${hint}` });
  }
  const value = given.get(way) ?? "";
  const digest = given.get("digest");
  if (digest !== undefined && (way === "images" || way === "metadata")) {
    throw new CountersignError("E_USAGE", `digest stands beside ${way}, which names digests itself`, {
      hint: "leave digest: out, or write image: or tags: instead",
    });
  }
  if (way === "metadata") {
    return distinct(readBuildMetadata(value).flatMap((one) => one.names.map((name) => pinned(name, one.digest))));
  }
  if (way === "tags") {
    if (digest === undefined) throw digestMissing(command);
    return distinct(listOf(value).map((name) => pinned(name, digest)));
  }
  const references = (way === "images" ? linesOf(value) : [value]).map(checked);
  return distinct(digest === undefined ? references : references.map((name) => pinned(name, digest)));
}

/** What goes where. */
export interface Move {
  readonly source: string;
  readonly destination: string;
}

/**
 * The promotions that the inputs name: `image`, at `digest` where there is one, to `destination`; or a line each of `images`.
 * @throws E_USAGE, E_REFERENCE_INVALID.
 */
export function movesOf(inputs: Pick<ActionInputs, "command" | "given">): readonly Move[] {
  const destination = inputs.given.get("destination");
  const lines = linesOf(inputs.given.get("images"));
  if (destination !== undefined) {
    const [source, ...others] = imagesOf(inputs);
    if (source === undefined || others.length > 0) throw notOneMove();
    return [{ source, destination: checked(destination) }];
  }
  if (lines.length === 0 || inputs.given.has("image")) throw notOneMove();
  return lines.map((line) => {
    const [source, target, ...rest] = line.split(/\s+/).map(checked);
    if (source === undefined || target === undefined || rest.length > 0) throw notOneMove();
    return { source, destination: target };
  });
}

function notOneMove(): CountersignError {
  return new CountersignError("E_USAGE", "a promotion is of one source to one destination", {
    hint: "write image: and destination:, or images: with SOURCE DESTINATION on each line",
  });
}

/** Lines, or by commas, as docker/metadata-action writes tags. */
function listOf(value: string): readonly string[] {
  return linesOf(value.replaceAll(",", "\n"));
}

/** `name` without its tag, at `digest`. @throws E_USAGE when it names another digest already. */
function pinned(name: string, digest: string): string {
  const reference = parseReference(checked(name));
  if (reference.digest !== undefined && reference.digest !== digest) {
    throw new CountersignError("E_USAGE", `${name} names another digest than ${digest.slice(0, 100)}`, {
      hint: "leave the digest out of the name, or digest: out of the inputs",
    });
  }
  return formatReference(parseReference(`${reference.name}@${digest}`));
}

/** A reference as it was written. @throws E_USAGE for what is none and would be read as something else. */
function checked(name: string): string {
  if (/^\S+$/.test(name) && !name.startsWith("-")) return name;
  throw new CountersignError("E_USAGE", `${JSON.stringify(name.slice(0, 100))} is no reference of an image`, {
    hint: "write REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST, one a line",
  });
}

function digestMissing(command: CommandName): CountersignError {
  return new CountersignError("E_USAGE", `tags without digest would ${command} whatever the tags name by now`, {
    hint: `add digest: \${{ steps.ID.outputs.digest }} with the id: of the docker/build-push-action step`,
  });
}

function distinct(references: readonly string[]): readonly string[] {
  return [...new Set(references)];
}
