import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestAlgorithm, digestHex } from "../model/digest.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import { OCI_INDEX } from "../model/media-types.ts";
import { parseStrictJson } from "../model/strict-json.ts";
import { invalidLayout } from "./layout-files.ts";
import { parseManifest } from "./manifest.ts";

export const REF_NAME = "org.opencontainers.image.ref.name";
/** How `cosign save` says what an entry is (pkg/oci/layout); entries of these kinds have no name. */
export const KIND = "kind";
export const KIND_PREFIX = "dev.cosignproject.cosign/";
export const IMAGE_KINDS: readonly (string | undefined)[] = ["image", "imageIndex"];
export const SUFFIX_KINDS: Readonly<Record<string, string>> = { sig: "sigs", att: "atts" };
const ATTACHMENT = /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})(?:\.(?:sig|att|sbom))?$/;

export interface IndexEntry {
  readonly descriptor: Descriptor;
  /** As it stands in the file, with the members that this program does not know. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** `index.json`, read. */
export interface LayoutIndex {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly entries: readonly IndexEntry[];
}

/** @throws E_LAYOUT_INVALID when `bytes` are no image index; `path` names the file. */
export function readLayoutIndex(bytes: Uint8Array, path: string): LayoutIndex {
  try {
    const descriptors = parseManifest(bytes, OCI_INDEX).manifests ?? [];
    const raw = asRecord(parseStrictJson(bytes));
    const listed = Array.isArray(raw["manifests"]) ? raw["manifests"] : [];
    return { raw, entries: descriptors.map((descriptor, at) => ({ descriptor, raw: asRecord(listed[at]) })) };
  } catch (error) {
    if (!isCountersignError(error) || error.code === "E_LIMIT") throw error;
    throw new CountersignError("E_LAYOUT_INVALID", `${path} is damaged: ${error.message}`, {
      cause: error,
      hint: "copy the whole folder again",
    });
  }
}

/** The file's bytes with these entries in place of its own; everything else in it is kept. */
export function writeLayoutIndex(index: LayoutIndex, entries: readonly IndexEntry[]): Uint8Array {
  const document = { schemaVersion: 2, ...index.raw, manifests: entries.map(({ raw }) => raw) };
  return new TextEncoder().encode(JSON.stringify(document));
}

export function nameOf(entry: IndexEntry): string | undefined {
  return entry.descriptor.annotations?.[REF_NAME];
}

/**
 * The entry that a tag names: the one annotated with it; or in a folder of `cosign save`, whose entries have kinds in place
 * of names, what the tag would name in the registry that the folder came from.
 * @throws E_LAYOUT_INVALID when it names two different manifests.
 */
export function entryOfTag(index: LayoutIndex, tag: string): IndexEntry | undefined {
  const named = index.entries.filter((entry) => nameOf(entry) === tag);
  const [first, ...others] = named;
  if (others.some(({ descriptor }) => descriptor.digest !== first?.descriptor.digest)) {
    throw invalidLayout(
      `the index of the layout has several manifests named ${JSON.stringify(tag)}`,
      "name the image by its digest",
    );
  }
  return first ?? savedAttachment(index, tag);
}

/** The `.sig` or `.att` tag of the image that `cosign save` has put in the folder; it holds one image with its attachments. */
function savedAttachment(index: LayoutIndex, tag: string): IndexEntry | undefined {
  const [, stem, suffix] = /^(sha256-[0-9a-f]{64}|sha512-[0-9a-f]{128})\.(sig|att)$/.exec(tag) ?? [];
  if (stem === undefined || suffix === undefined) return undefined;
  const images = index.entries.filter((entry) => IMAGE_KINDS.includes(kindOf(entry)));
  const attachments = index.entries.filter((entry) => kindOf(entry) === SUFFIX_KINDS[suffix]);
  if (images.length !== 1 || attachments.length !== 1) return undefined;
  return images.every(({ descriptor }) => tagStem(descriptor.digest) === stem) ? attachments[0] : undefined;
}

/** Entries that may be images: by kind, by a name that is no attachment's, or without either; among the last may be referrers. */
export function imageEntries(index: LayoutIndex): readonly IndexEntry[] {
  return index.entries.filter((entry) => {
    const kind = kindOf(entry);
    return kind === undefined ? !ATTACHMENT.test(nameOf(entry) ?? "") : IMAGE_KINDS.includes(kind);
  });
}

/** Of these, what may be meant without a name: what has none, and what a kind says is the image of the folder, unless others have names. */
export function unnamedEntries(index: LayoutIndex): readonly IndexEntry[] {
  const images = imageEntries(index);
  const named = images.filter((entry) => nameOf(entry) !== undefined);
  return images.filter((entry) => !named.includes(entry) || (named.length === 1 && kindOf(entry) !== undefined));
}

/**
 * The entries with `tag` naming `descriptor`: what it named before loses its entry, an unnamed entry of the same manifest gets the
 * name. What else an entry is annotated with, it keeps.
 */
export function withTag(index: LayoutIndex, tag: string, descriptor: Descriptor): readonly IndexEntry[] {
  const saved = savedAttachment(index, tag);
  const others = index.entries.filter((entry) => nameOf(entry) !== tag && entry !== saved);
  const unnamed = others.find((entry) => nameOf(entry) === undefined && entry.descriptor.digest === descriptor.digest);
  if (unnamed === undefined) {
    const annotations = { ...saved?.descriptor.annotations, [REF_NAME]: tag };
    return [...others, entryFor({ ...descriptor, annotations })];
  }
  const annotations = { ...unnamed.descriptor.annotations, [REF_NAME]: tag };
  const named = { descriptor: { ...unnamed.descriptor, annotations }, raw: { ...unnamed.raw, annotations } };
  return others.map((entry) => (entry === unnamed ? named : entry));
}

/** The entries with one for `descriptor`, without a name unless there is one already. */
export function withEntry(index: LayoutIndex, descriptor: Descriptor): readonly IndexEntry[] {
  const listed = index.entries.some((entry) => entry.descriptor.digest === descriptor.digest);
  return listed ? index.entries : [...index.entries, entryFor(descriptor)];
}

function entryFor(descriptor: Descriptor): IndexEntry {
  return { descriptor, raw: { ...descriptor } };
}

/** What cosign says that an entry is, without its prefix. */
export function kindOf({ descriptor }: IndexEntry): string | undefined {
  const kind = descriptor.annotations?.[KIND];
  return kind?.startsWith(KIND_PREFIX) ? kind.slice(KIND_PREFIX.length) : undefined;
}

export function tagStem(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest)}`;
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
