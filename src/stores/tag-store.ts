import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestAlgorithm, digestHex, digestOf } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { OCI_CONFIG, OCI_MANIFEST } from "../model/media-types.ts";
import type { Entry, Listing } from "../model/signature.ts";
import type { Repository } from "../oci/repository.ts";
import { createBlobReader } from "./blob-reader.ts";
import { encodeImageConfig } from "./image-config.ts";
import { lookFailure } from "./look-failure.ts";
import { type HonouredConditions, mergeIntoTag, readTag } from "./merge-tag.ts";
import { createRecentReadings } from "./recent-readings.ts";
import type { SettleHost, SettleOptions } from "./settle.ts";
import type { Store } from "./store.ts";
import { listedDescriptors, type TaggedList } from "./tagged-list.ts";

/** cosign's tag for the signatures of an image (specs/SIGNATURE_SPEC.md): `[PREFIX]sha256-<hex>.sig`. */
export function signatureTag(subject: Digest, prefix = ""): string {
  return `${prefix}${digestAlgorithm(subject)}-${digestHex(subject)}.sig`;
}

export interface TagStoreOptions {
  /** Stands before the tag, as cosign's `--attachment-tag-prefix` writes it. */
  readonly prefix?: string | undefined;
  /** The payload that a signature of `subject` most likely has: asked for together with the tag, not after it. */
  readonly foretell?: ((subject: Digest) => Descriptor | undefined) | undefined;
}

/**
 * Signatures as cosign 2 keeps them: one image under a tag made of the digest, a layer for each signature, its annotations on
 * the layer's descriptor. There is no such tag for a sha512 digest.
 */
export function createTagStore(
  repository: Repository,
  settle: SettleOptions,
  host: SettleHost,
  { prefix, foretell }: TagStoreOptions = {},
): Store {
  const readBlob = createBlobReader(repository, LIMITS.payload);
  const recent = createRecentReadings();
  const honoured: HonouredConditions = new Set();

  /** By digest; undefined where it could not be had, which says nothing: it is then read when a signature names it. */
  const foretold = new Map<Digest, Promise<Uint8Array | undefined>>();

  function readAhead(subject: Digest): void {
    const payload = foretell?.(subject);
    if (payload === undefined || foretold.has(payload.digest)) return;
    const read = repository.getBlob(payload, LIMITS.payload, { once: true });
    foretold.set(
      payload.digest,
      read.catch(() => undefined),
    );
  }

  async function list(subject: Digest): Promise<Listing> {
    if (digestAlgorithm(subject) !== "sha256") return { entries: [], failures: [] };
    readAhead(subject);
    const tag = signatureTag(subject, prefix);
    try {
      const reading = await readTag(repository, tag, host);
      recent.keep(subject, reading);
      const layers = listedDescriptors(reading.manifest, "layers", tag);
      const entries = layers.slice(0, LIMITS.signatures).map((layer) => entryOf(layer, tag));
      const cut = layers.length > entries.length ? [lookFailure(tooMany(tag, layers.length), `tag ${tag}`)] : [];
      return { entries, failures: cut };
    } catch (error) {
      return { entries: [], failures: [lookFailure(error, `tag ${tag}`)] };
    }
  }

  return {
    kind: "tag",
    list,
    async fetch({ place, descriptor }) {
      const early = await foretold.get(descriptor.digest);
      const bytes = early?.length === descriptor.size ? early : await readBlob(descriptor);
      return { place, mediaType: descriptor.mediaType, bytes, annotations: descriptor.annotations ?? {} };
    },
    async append({ digest: subject }, { mediaType, bytes, annotations }) {
      if (digestAlgorithm(subject) !== "sha256") {
        throw new CountersignError("E_FORMAT_UNSUPPORTED", `there is no signature tag for ${subject}`, {
          hint: "sign an image with a sha256 digest, or use the bundle format",
        });
      }
      const tag = signatureTag(subject, prefix);
      const layer: Descriptor = { mediaType, size: bytes.length, digest: digestOf(bytes), annotations };
      await mergeIntoTag({
        repository,
        tag,
        list: "layers",
        addition: { descriptor: layer, raw: { ...layer } },
        keyOf: layerKey,
        async render(document) {
          if (document.members.length > LIMITS.signatures) throw tooMany(tag, document.members.length);
          const config = encodeImageConfig(document.members.map(({ descriptor }) => descriptor.digest));
          await Promise.all([repository.putBlob(bytes), repository.putBlob(config)]);
          return encodeSignatureImage(document, config);
        },
        recent: recent.take(subject),
        honoured,
        settle,
        host,
      });
      return entryOf(layer, tag);
    },
  };
}

function entryOf(descriptor: Descriptor, tag: string): Entry {
  return { place: { kind: "tag", name: tag, digest: descriptor.digest }, descriptor };
}

/** Signers of one payload share its blob: what tells their layers apart is the annotations. */
export function layerKey({ digest, mediaType, annotations = {} }: Descriptor): string {
  return JSON.stringify([digest, mediaType, Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Members that others gave the manifest stay; its layers and the configuration that goes with them are new. */
export function encodeSignatureImage(
  { rest, members }: TaggedList,
  config: Uint8Array,
): { bytes: Uint8Array; mediaType: string } {
  const { mediaType: before, schemaVersion: _, config: __, ...others } = rest;
  const mediaType = typeof before === "string" ? before : OCI_MANIFEST;
  const document = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: OCI_CONFIG, size: config.length, digest: digestOf(config) },
    layers: members.map(({ raw }) => raw),
    ...others,
  };
  return { bytes: new TextEncoder().encode(JSON.stringify(document)), mediaType };
}

export function tooMany(tag: string, count: number): CountersignError {
  return new CountersignError(
    "E_LIMIT",
    `the tag ${tag} holds ${count} signatures; at most ${LIMITS.signatures} are read`,
    {
      hint: `remove signatures that nobody needs from ${tag}`,
    },
  );
}
