import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { LayoutFiles } from "./layout-files.ts";
import { type IndexEntry, type LayoutIndex, nameOf } from "./layout-index.ts";
import { parseManifest } from "./manifest.ts";
import type { ManifestContent, ReferrersAnswer } from "./repository.ts";

const FILES_AT_ONCE = 16;

/** What is known of a blob, which its digest makes good for ever. */
type Known = KnownManifest | { readonly kind: "other" };

interface KnownManifest {
  readonly kind: "manifest";
  readonly descriptor: Descriptor;
  readonly subject: Digest | undefined;
  readonly parts: readonly Digest[];
  /** Of an index. */
  readonly children: readonly Digest[];
}

/** Finds referrers in one layout folder; blobs that were looked into once are remembered. */
export interface ReferrerFinder {
  find(index: LayoutIndex, subject: Digest): Promise<ReferrersAnswer>;
  /** The entries whose manifest is there and refers to nothing. */
  withoutSubject(entries: readonly IndexEntry[]): Promise<readonly IndexEntry[]>;
}

/**
 * A layout has no list of referrers, so the manifests that `index.json` names are read for their `subject`, and then the blobs that none of
 * these accounts for: `cosign save` leaves bundles there. At most `LIMITS.layoutBlobs` of those; what is cut off is said.
 */
export function createReferrerFinder(files: LayoutFiles): ReferrerFinder {
  const known = new Map<Digest, Known>();

  const look = async (digest: Digest, mediaType?: string): Promise<Known | undefined> => {
    const before = known.get(digest);
    if (before !== undefined) return before;
    const bytes = await files.readBlob(digest, LIMITS.manifest);
    if (bytes === undefined) return undefined;
    const found = recognise(digest, bytes, mediaType);
    known.set(digest, found);
    return found;
  };

  /** A listed manifest that cannot be read may be anybody's referrer: it is listed, so that fetching it tells why. */
  const lookAtEntry = async ({ descriptor }: IndexEntry): Promise<Known | "unreadable" | undefined> => {
    try {
      return await look(descriptor.digest, descriptor.mediaType);
    } catch (error) {
      if (!isCountersignError(error)) throw error;
      return "unreadable";
    }
  };

  /** Too large for a manifest, damaged or not to be read: then nothing is known of a blob that nobody names. */
  const lookAtBlob = async (digest: Digest): Promise<Known> => {
    try {
      return (await look(digest)) ?? { kind: "other" };
    } catch (error) {
      if (!isCountersignError(error)) throw error;
      known.set(digest, { kind: "other" });
      return { kind: "other" };
    }
  };

  return {
    async find(index, subject) {
      const found = new Map<Digest, Descriptor>();
      const accounted = new Set<Digest>();
      const account = ({ descriptor, parts, subject: named }: KnownManifest) => {
        accounted.add(descriptor.digest);
        for (const part of parts) accounted.add(part);
        if (named === subject) found.set(descriptor.digest, descriptor);
      };
      const outcomes = await mapConcurrently(index.entries, FILES_AT_ONCE, lookAtEntry);
      for (const [at, outcome] of outcomes.entries()) {
        const entry = index.entries[at];
        if (entry === undefined) continue;
        accounted.add(entry.descriptor.digest);
        if (outcome === "unreadable") {
          if (nameOf(entry) === undefined) found.set(entry.descriptor.digest, entry.descriptor);
        } else if (outcome?.kind === "manifest") {
          account(outcome);
        }
      }
      // The images of an index are looked into before the rest, so that their layers need not be.
      for (let depth = 0, level = children(outcomes); depth < LIMITS.indexDepth && level.length > 0; depth += 1) {
        const fresh = [...new Set(level)].filter((digest) => !accounted.has(digest));
        const looked = await mapConcurrently(fresh, FILES_AT_ONCE, lookAtBlob);
        for (const outcome of looked) if (outcome.kind === "manifest") account(outcome);
        level = children(looked);
      }
      const rest = (await files.blobs()).filter((digest) => !accounted.has(digest));
      for (const outcome of await mapConcurrently(rest.slice(0, LIMITS.layoutBlobs), FILES_AT_ONCE, lookAtBlob)) {
        if (outcome.kind !== "manifest" || outcome.subject !== subject) continue;
        found.set(outcome.descriptor.digest, outcome.descriptor);
      }
      const cut = `only ${LIMITS.layoutBlobs} of ${rest.length} blobs that index.json does not account for were looked into`;
      const truncated = rest.length > LIMITS.layoutBlobs ? cut : undefined;
      return { supported: true, descriptors: [...found.values()], truncated };
    },

    async withoutSubject(entries) {
      const outcomes = await mapConcurrently(entries, FILES_AT_ONCE, ({ descriptor }) =>
        look(descriptor.digest, descriptor.mediaType),
      );
      return entries.filter((_, at) => {
        const outcome = outcomes[at];
        return outcome?.kind === "manifest" && outcome.subject === undefined;
      });
    },
  };
}

function recognise(digest: Digest, bytes: Uint8Array, mediaType: string | undefined): Known {
  try {
    const content = parseManifest(bytes, mediaType);
    const { artifactType = content.config?.mediaType, annotations } = content;
    const descriptor = { mediaType: content.mediaType, digest, size: bytes.length, artifactType, annotations };
    const children = (content.manifests ?? []).map((child) => child.digest);
    return { kind: "manifest", descriptor, subject: content.subject?.digest, parts: partsOf(content), children };
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    return { kind: "other" };
  }
}

/** What a manifest's presence explains. Not the children of an index: one of them may itself refer to something. */
function partsOf({ config, layers = [] }: ManifestContent): readonly Digest[] {
  return [...(config === undefined ? [] : [config]), ...layers].map(({ digest }) => digest);
}

function children(outcomes: readonly (Known | "unreadable" | undefined)[]): readonly Digest[] {
  return outcomes.flatMap((outcome) =>
    typeof outcome === "object" && outcome.kind === "manifest" ? outcome.children : [],
  );
}
