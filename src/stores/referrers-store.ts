import type { Descriptor, Subject } from "../model/descriptor.ts";
import { type Digest, digestAlgorithm, digestHex, digestOf } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { OCI_EMPTY, OCI_INDEX, OCI_MANIFEST } from "../model/media-types.ts";
import type { Artefact, Entry, Listing, Place, Stored } from "../model/signature.ts";
import { buildImageManifest } from "../oci/build-manifest.ts";
import type { Repository } from "../oci/repository.ts";
import { createBlobReader } from "./blob-reader.ts";
import { lookFailure } from "./look-failure.ts";
import { type HonouredConditions, mergeIntoTag, type Reading, readTag } from "./merge-tag.ts";
import { putManifestPatiently } from "./put-manifest.ts";
import { createRecentReadings } from "./recent-readings.ts";
import type { SettleHost, SettleOptions } from "./settle.ts";
import type { Store } from "./store.ts";
import { listedDescriptors, type TaggedList } from "./tagged-list.ts";

const EMPTY_CONFIG = new TextEncoder().encode("{}");

/** The tag that lists referrers where there is no API for it (distribution-spec, referrers tag schema); both parts have a longest length there. */
export function fallbackTag(subject: Digest): string {
  return `${digestAlgorithm(subject).slice(0, 32)}-${digestHex(subject).slice(0, 64)}`;
}

/**
 * What refers to an image by its manifest's `subject` (image-spec 1.1). Read from the referrers API and the fallback tag together, as a
 * registry that learned the API later keeps older entries only under the tag; written to the tag only where the
 * registry does not say that it has indexed the referrer.
 */
export function createReferrersStore(repository: Repository, settle: SettleOptions, host: SettleHost): Store {
  const readBlob = createBlobReader(repository, LIMITS.bundle);
  const recent = createRecentReadings();
  const honoured: HonouredConditions = new Set();

  async function listApi(subject: Digest): Promise<Listing> {
    const place = "referrers API";
    try {
      const { descriptors, truncated } = await repository.listReferrers(subject);
      const failures = truncated === undefined ? [] : [lookFailure(cutShort(truncated), place)];
      return { entries: descriptors.map((descriptor) => entryOf(descriptor, "referrer")), failures };
    } catch (error) {
      return { entries: [], failures: [lookFailure(error, place)] };
    }
  }

  async function listFallback(subject: Digest): Promise<Listing> {
    const tag = fallbackTag(subject);
    try {
      const reading = await readTag(repository, tag, host);
      recent.keep(subject, reading);
      // `cosign copy` leaves the image itself under this tag; its platforms are no referrers.
      if (reading.manifest?.digest === subject) return { entries: [], failures: [] };
      const referrers = listedDescriptors(reading.manifest, "manifests", tag);
      return { entries: referrers.map((descriptor) => entryOf(descriptor, "fallback-tag")), failures: [] };
    } catch (error) {
      return { entries: [], failures: [lookFailure(error, `tag ${tag}`)] };
    }
  }

  async function addToFallback(subject: Digest, referrer: Descriptor): Promise<void> {
    const tag = fallbackTag(subject);
    const earlier = recent.take(subject);
    const reading: Reading = earlier ?? (await readTag(repository, tag, host));
    if (reading.manifest?.digest === subject) throw tagTaken(tag);
    await mergeIntoTag({
      repository,
      tag,
      list: "manifests",
      addition: { descriptor: referrer, raw: { ...referrer } },
      keyOf: ({ digest }) => digest,
      render: async (list) => encodeFallbackIndex(list),
      recent: reading,
      honoured,
      settle,
      host,
    });
  }

  return {
    kind: "referrers",
    async list(subject) {
      const [api, fallback] = await Promise.all([listApi(subject), listFallback(subject)]);
      const entries = new Map<Digest, Entry>();
      for (const entry of [...api.entries, ...fallback.entries]) {
        if (!entries.has(entry.descriptor.digest)) entries.set(entry.descriptor.digest, entry);
      }
      return { entries: [...entries.values()], failures: [...api.failures, ...fallback.failures] };
    },
    async fetch({ place, descriptor }, subject): Promise<Stored> {
      const manifest = await repository.getManifest(descriptor.digest);
      if (manifest === undefined) throw gone(descriptor.digest);
      const { content } = manifest;
      if (content.subject?.digest !== subject) throw otherSubject(descriptor.digest, subject, content.subject?.digest);
      const [layer, ...others] = content.layers ?? [];
      if (layer === undefined || others.length > 0) throw notOneLayer(descriptor.digest, content.layers?.length);
      return {
        place: { ...place, digest: layer.digest },
        mediaType: layer.mediaType,
        artifactType: content.artifactType,
        bytes: await readBlob(layer),
        annotations: content.annotations ?? {},
      };
    },
    async append(subject, artefact) {
      const bytes = referrerManifest(subject, artefact);
      const { annotations, artifactType = artefact.mediaType } = artefact;
      const descriptor: Descriptor = {
        mediaType: OCI_MANIFEST,
        size: bytes.length,
        digest: digestOf(bytes),
        annotations,
        artifactType,
      };
      await Promise.all([repository.putBlob(EMPTY_CONFIG), repository.putBlob(artefact.bytes)]);
      const written = await putManifestPatiently(repository, host, descriptor.digest, {
        bytes,
        mediaType: OCI_MANIFEST,
      });
      const indexed = written.subject === subject.digest;
      if (!indexed) await addToFallback(subject.digest, descriptor);
      return entryOf(descriptor, indexed ? "referrer" : "fallback-tag", digestOf(artefact.bytes));
    },
  };
}

function entryOf(descriptor: Descriptor, kind: Place["kind"], blob?: Digest): Entry {
  return { place: { kind, name: descriptor.digest, digest: blob }, descriptor };
}

/** As cosign 3 writes it, but for the time of creation: the same artefact gives the same manifest. */
function referrerManifest(
  subject: Subject,
  { mediaType, bytes, annotations, artifactType = mediaType, typedByConfig = false }: Artefact,
): Uint8Array {
  const config = { size: EMPTY_CONFIG.length, digest: digestOf(EMPTY_CONFIG) };
  return buildImageManifest({
    ...(typedByConfig ? {} : { artifactType }),
    // cosign finds by the artifact type there what it may clean; image-spec leaves the member to descriptors of an index.
    config: typedByConfig ? { mediaType: artifactType, ...config } : { mediaType: OCI_EMPTY, ...config, artifactType },
    layers: [{ mediaType, size: bytes.length, digest: digestOf(bytes) }],
    annotations,
    subject: { mediaType: subject.mediaType, size: subject.size, digest: subject.digest },
  });
}

/** Entries and members that others wrote stay as they wrote them. */
export function encodeFallbackIndex({ rest, members }: TaggedList): { bytes: Uint8Array; mediaType: string } {
  const { mediaType: _, schemaVersion: __, ...others } = rest;
  const document = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: members.map(({ raw }) => raw), ...others };
  return { bytes: new TextEncoder().encode(JSON.stringify(document)), mediaType: OCI_INDEX };
}

function cutShort(limit: string): CountersignError {
  return new CountersignError("E_LIMIT", `the list of referrers was not read to its end: ${limit}`, {
    hint: "remove referrers that nobody needs",
  });
}

export function tagTaken(tag: string): CountersignError {
  return new CountersignError(
    "E_MANIFEST_UNSUPPORTED",
    `the tag ${tag} holds the image itself, where its referrers would be listed`,
    {
      hint: `remove the tag ${tag}, which "cosign copy" leaves behind, or sign in the cosign format`,
    },
  );
}

function gone(digest: Digest): CountersignError {
  return new CountersignError("E_BLOB_MISSING", `the referrer ${digest} is listed, but is not there`, {
    hint: "try again; if it stays so, the registry lists what it has removed",
  });
}

function otherSubject(referrer: Digest, subject: Digest, named: Digest | undefined): CountersignError {
  return new CountersignError(
    "E_SUBJECT_MISMATCH",
    `the referrer ${referrer} is listed for ${subject}, but names ${named ?? "no subject"}`,
    { hint: "ask who wrote the list: a referrer belongs to the image that it names" },
  );
}

function notOneLayer(referrer: Digest, count: number | undefined): CountersignError {
  const found = count === undefined ? "is an index" : `has ${count} layers`;
  return new CountersignError(
    "E_SIGNATURE_MALFORMED",
    `the referrer ${referrer} ${found}, where a signature is its only layer`,
    { hint: "ask who wrote it, and remove it if nothing needs it" },
  );
}
