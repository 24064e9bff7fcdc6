import { z } from "zod";
import { CountersignError } from "../model/errors.ts";

/** An image that a build pushed: its digest, and the names that it was pushed under, tags included. */
export interface BuiltImage {
  readonly digest: string;
  readonly names: readonly string[];
}

/** The part that matters of what buildx writes (`--metadata-file`). */
const built = z.object({ "containerimage.digest": z.string(), "image.name": z.string() });
const document = z.record(z.string(), z.unknown());

/**
 * Reads the output `metadata` of docker/build-push-action, or of docker/bake-action, which has a member for each target.
 * @throws E_USAGE when no image with a name and a digest is in it.
 */
export function readBuildMetadata(text: string): readonly BuiltImage[] {
  const parsed = document.safeParse(parseJson(text));
  if (!parsed.success) throw unfit("is not the JSON that a build writes");
  const single = built.safeParse(parsed.data);
  const found = single.success
    ? [single.data]
    : Object.values(parsed.data)
        .map((target) => built.safeParse(target))
        .flatMap(({ data }) => (data === undefined ? [] : [data]));
  if (found.length === 0) throw unfit("names no image with its digest");
  return found.map((one) => ({ digest: one["containerimage.digest"], names: namesOf(one["image.name"]) }));
}

function namesOf(list: string): readonly string[] {
  const names = list
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (names.length === 0) throw unfit("names no image with its digest");
  return names;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unfit(what: string): CountersignError {
  return new CountersignError("E_USAGE", `metadata ${what}`, {
    hint: `push the image in the build (push: true), and write metadata: \${{ steps.ID.outputs.metadata }} with the id: of the docker/build-push-action step`,
  });
}
