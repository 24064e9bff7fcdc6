import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { parseImageList, type Targets } from "../operations/targets.ts";
import type { Host } from "../platform/host.ts";
import { globMatcher } from "./arguments.ts";

/**
 * The images of a run: arguments, `--images FILE`, `-`; repositories with `--all` or `--tags`.
 * @throws E_USAGE when none is named; E_FILE_UNREADABLE.
 */
export async function loadTargets(
  host: Host,
  images: readonly string[],
  options: {
    readonly images?: string | undefined;
    readonly all?: boolean | undefined;
    readonly tags?: readonly string[] | undefined;
  },
): Promise<Targets> {
  const lists = [...images.filter((image) => image === "-"), ...(options.images === undefined ? [] : [options.images])];
  if (lists.filter((source) => source === "-").length > 1) {
    throw new CountersignError("E_USAGE", "standard input is named twice", { hint: "name - once" });
  }
  const read = await Promise.all(lists.map((source) => readList(host, source)));
  const named = [...images.filter((image) => image !== "-"), ...read.flat()];
  if (named.length === 0) {
    throw new CountersignError("E_USAGE", "no image is named", { hint: "name an image, or a list with --images FILE" });
  }
  if (options.tags?.includes("")) {
    throw new CountersignError("E_USAGE", "--tags is empty", {
      hint: "write a pattern, or --all for every tag; an empty variable in CI often looks like this",
    });
  }
  if (options.all === true && options.tags !== undefined) {
    throw new CountersignError("E_USAGE", "--all and --tags exclude each other", { hint: "leave one out" });
  }
  if (options.tags !== undefined) return { images: named, tags: globMatcher(options.tags) };
  return options.all === true ? { images: named, tags: () => true } : { images: named };
}

async function readList(host: Host, source: string): Promise<readonly string[]> {
  const bytes =
    source === "-" ? await host.readStdin(LIMITS.configFile) : await host.files.read(source, LIMITS.configFile);
  return parseImageList(Buffer.from(bytes).toString("utf8"));
}

/** The one image of a command that takes no more. @throws E_USAGE. */
export function onlyImage(images: readonly string[]): string {
  const [image, ...others] = images;
  if (image === undefined || image === "") {
    throw new CountersignError("E_USAGE", "no image is named", { hint: "name one image: REGISTRY/REPOSITORY:TAG" });
  }
  if (others.length === 0) return image;
  throw new CountersignError("E_USAGE", `${images.length} images are named; this command takes one`, {
    hint: "run it once for each image",
  });
}
