import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { readTree } from "../oci/manifest-tree.ts";
import type { Manifest } from "../oci/repository.ts";
import type { CopyTask } from "./copy-task.ts";
import { encodeImageConfig } from "./image-config.ts";
import { mergeIntoTag, readTag } from "./merge-tag.ts";
import { putManifestPatiently } from "./put-manifest.ts";
import { encodeSignatureImage, layerKey, tooMany } from "./tag-store.ts";
import { type Member, readTaggedList, type TaggedList } from "./tagged-list.ts";

/** One layer under a tag, or the whole of what is no list of layers. */
export interface CopiedLayer {
  readonly descriptor: Descriptor;
  readonly status: "copied" | "present" | "planned";
}

/**
 * Copies what stands under a tag that belongs to an image (`sha256-….sig`, `.att`, `.sbom`): its layers beside those that the
 * destination has there, losing nobody's. Where the destination has none, the manifest stays as it is, to the byte.
 *
 * @throws what either repository throws; E_LIMIT; E_MANIFEST_UNSUPPORTED when something else stands under the tag at one end.
 */
export async function copyTagged(task: CopyTask, tag: string): Promise<readonly CopiedLayer[]> {
  const { source, destination, host, copier, tally, dryRun } = task;
  const [original, reading] = await Promise.all([source.getManifest(tag), readTag(destination, tag, host)]);
  if (original === undefined) return [];
  if (original.content.layers === undefined) return copyWhole(task, tag, original, reading.manifest);

  const list = readTaggedList(original, "layers", tag);
  const there = new Set(readTaggedList(reading.manifest, "layers", tag).members.map(keyOf));
  if (list.members.length > LIMITS.signatures) throw tooMany(tag, list.members.length);
  const missing = list.members.filter((member) => !there.has(keyOf(member)));
  const outcome = (status: "copied" | "planned") =>
    list.members.map((member): CopiedLayer => {
      return { descriptor: member.descriptor, status: there.has(keyOf(member)) ? "present" : status };
    });
  if (missing.length === 0 && reading.manifest !== undefined) return outcome("copied");

  const { config } = original.content;
  const own = reading.manifest === undefined && config !== undefined ? [config] : [];
  await copier.copyBlobs([...own, ...missing.map(({ descriptor }) => descriptor)], tally);
  if (dryRun) return outcome("planned");
  await mergeIntoTag({
    repository: destination,
    tag,
    list: "layers",
    addition: missing,
    keyOf: layerKey,
    async render(document) {
      if (own.length > 0 && isSameList(document, list)) return { bytes: original.bytes, mediaType: original.mediaType };
      if (document.members.length > LIMITS.signatures) throw tooMany(tag, document.members.length);
      const fresh = encodeImageConfig(document.members.map(({ descriptor }) => descriptor.digest));
      await destination.putBlob(fresh);
      return encodeSignatureImage(document, fresh);
    },
    recent: reading,
    honoured: task.honoured,
    settle: task.settle,
    host,
  });
  tally.manifests += 1;
  return outcome("copied");
}

async function copyWhole(
  { source, destination, host, copier, tally, dryRun }: CopyTask,
  tag: string,
  original: Manifest,
  there: Manifest | undefined,
): Promise<readonly CopiedLayer[]> {
  const { mediaType, digest, size, bytes } = original;
  const descriptor: Descriptor = { mediaType, digest, size };
  if (there?.digest === digest) return [{ descriptor, status: "present" }];
  if (there !== undefined) throw otherThing(tag, digest);
  await copier.copy(await readTree(source, original), tally);
  if (dryRun) return [{ descriptor, status: "planned" }];
  await putManifestPatiently(destination, host, tag, { bytes, mediaType });
  return [{ descriptor, status: "copied" }];
}

function keyOf({ descriptor }: Member): string {
  return layerKey(descriptor);
}

function isSameList(one: TaggedList, other: TaggedList): boolean {
  return one.members.length === other.members.length && one.members.every((member, at) => member === other.members[at]);
}

function otherThing(tag: string, digest: Digest): CountersignError {
  return new CountersignError(
    "E_MANIFEST_UNSUPPORTED",
    `the tag ${tag} holds ${digest} in the source, which lists no layers, and something else in the destination`,
    { hint: `see what wrote ${tag}, and remove the tag where nothing needs it` },
  );
}
