import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import type { Entry, Place } from "../model/signature.ts";
import { type ManifestTree, readTree } from "../oci/manifest-tree.ts";
import type { Manifest } from "../oci/repository.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { CopyTask } from "./copy-task.ts";
import { mergeIntoTag, readTag } from "./merge-tag.ts";
import { putManifestPatiently } from "./put-manifest.ts";
import { createReferrersStore, encodeFallbackIndex, fallbackTag, tagTaken } from "./referrers-store.ts";
import type { Store } from "./store.ts";

export interface CopiedReferrer {
  readonly tree: ManifestTree;
  /** As the destination lists it: with what its manifest says of itself. */
  readonly descriptor: Descriptor;
  readonly place: Place;
  readonly status: "copied" | "present" | "planned";
}

export interface CopiedReferrers {
  readonly referrers: readonly CopiedReferrer[];
  /** What was listed and is no referrer, or gone. */
  readonly warnings: readonly string[];
}

const AT_ONCE = 16;

/**
 * Copies what refers to `subject`, whatever it is, from the referrers API and the fallback tag together, so that the
 * destination lists all of it: by its API where it says that it has indexed a referrer, else by its fallback tag, beside what others
 * have there. Entries say what the manifests say: artifact type and annotations, without which notation passes over them.
 *
 * @throws what either repository throws, and where a list could not be read to its end: a signature might stay behind.
 */
export async function copyReferrers(task: CopyTask, subject: Digest): Promise<CopiedReferrers> {
  const { source, destination, host, settle } = task;
  const [wanted, there] = await Promise.all([
    listed(createReferrersStore(source, settle, host), subject),
    listed(createReferrersStore(destination, settle, host), subject),
  ]);
  const known = new Map(there.map((entry) => [entry.descriptor.digest, entry]));
  const copied = await mapConcurrently(wanted, AT_ONCE, (entry) => copyReferrer(task, subject, entry, known));
  const referrers = copied.filter((one) => typeof one !== "string");
  const unlisted = referrers.filter(
    ({ place, descriptor }) => place.kind === "fallback-tag" && !known.has(descriptor.digest),
  );
  if (unlisted.length > 0 && !task.dryRun) {
    await addToFallback(
      task,
      subject,
      unlisted.map(({ descriptor }) => descriptor),
    );
  }
  return { referrers, warnings: copied.filter((one) => typeof one === "string") };
}

async function listed(store: Store, subject: Digest): Promise<readonly Entry[]> {
  const { entries, failures } = await store.list(subject);
  const [failure] = failures;
  if (failure === undefined) return entries;
  throw new CountersignError(failure.code, `${failure.place} of ${subject}: ${failure.message}`, {
    hint: failure.hint,
    retry: failure.retry,
  });
}

async function copyReferrer(
  { source, destination, copier, tally, dryRun, host }: CopyTask,
  subject: Digest,
  { descriptor: entry, place }: Entry,
  known: ReadonlyMap<Digest, Entry>,
): Promise<CopiedReferrer | string> {
  const manifest = await source.getManifest(entry.digest);
  if (manifest === undefined)
    return `${entry.digest} is listed as a referrer of ${subject}, but is not there: left behind`;
  const named = manifest.content.subject?.digest;
  if (named !== subject) {
    return `${entry.digest} is listed as a referrer of ${subject}, but refers to ${named ?? "nothing"}: left behind`;
  }
  const tree = await readTree(source, manifest);
  const descriptor = descriptorOf(manifest, entry);
  const before = known.get(manifest.digest);
  const copied = await copier.copy(tree, tally);
  if (before !== undefined && copied.present) return { tree, descriptor, place: before.place, status: "present" };
  if (dryRun) return { tree, descriptor, place, status: "planned" };
  // A registry says only to whoever writes it whether it indexes a referrer.
  const written = copied.present ? await putManifestPatiently(destination, host, manifest.digest, manifest) : copied;
  const indexed = written.subject === subject || before?.place.kind === "referrer";
  const kind = indexed ? "referrer" : "fallback-tag";
  return { tree, descriptor, place: { kind, name: manifest.digest }, status: "copied" };
}

/** image-spec manifest.md: an entry has the manifest's artifact type, or its configuration's media type, and its annotations. */
function descriptorOf({ mediaType, digest, size, content }: Manifest, entry: Descriptor): Descriptor {
  const artifactType = content.artifactType ?? content.config?.mediaType ?? entry.artifactType;
  const annotations = { ...entry.annotations, ...content.annotations };
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

async function addToFallback(
  { destination, honoured, settle, host, tally }: CopyTask,
  subject: Digest,
  descriptors: readonly Descriptor[],
): Promise<void> {
  const tag = fallbackTag(subject);
  const reading = await readTag(destination, tag, host);
  if (reading.manifest?.digest === subject) throw tagTaken(tag);
  await mergeIntoTag({
    repository: destination,
    tag,
    list: "manifests",
    addition: descriptors.map((descriptor) => ({ descriptor, raw: { ...descriptor } })),
    keyOf: ({ digest }) => digest,
    render: async (list) => encodeFallbackIndex(list),
    recent: reading,
    honoured,
    settle,
    host,
  });
  tally.manifests += 1;
}
