import type { Descriptor } from "../model/descriptor.ts";
import { isIndexType } from "../model/media-types.ts";
import { invalidLayout } from "./layout-files.ts";
import {
  IMAGE_KINDS,
  type IndexEntry,
  KIND,
  KIND_PREFIX,
  kindOf,
  type LayoutIndex,
  nameOf,
  REF_NAME,
  SUFFIX_KINDS,
  tagStem,
} from "./layout-index.ts";

/** The whole name that an image had in its registry, as containerd and BuildKit write it. */
const IMAGE_NAME = "io.containerd.image.name";

/** An image and what hangs on it, whose blobs are in a layout folder already. */
export interface SavedImage {
  readonly image: Descriptor;
  /** The registry repository that it came from, `registry/path`. */
  readonly repository: string;
  /** The tag that it had there. */
  readonly tag?: string | undefined;
  /** What stood under tags made of digests, `sha256-….sig` and the like: of the image and of every image of its index. */
  readonly attachments: ReadonlyMap<string, Descriptor>;
  /** All manifests with a subject. */
  readonly referrers: readonly Descriptor[];
}

/**
 * The entries of `index.json` with a saved image as cosign's own `save` would leave it (pkg/oci/layout): `kind` says which is the image and
 * which are its `.sig` and `.att`. cosign keeps one image and takes the first entry of a kind, so only the image saved last has kinds. What
 * cosign has no kind for stands beside it as image-spec has it: by name, and referrers by their subject. An image saved earlier stays,
 * under its own name, unless it had the same name in the same repository.
 *
 * @throws E_LAYOUT_INVALID when the folder holds attachments of which nothing tells whose they are.
 */
export function withSavedImage(index: LayoutIndex, saved: SavedImage): readonly IndexEntry[] {
  const { image, tag, attachments, referrers } = saved;
  const stem = tagStem(image.digest);
  const whole = wholeName(saved);
  const names = { ...(tag === undefined ? {} : { [REF_NAME]: tag }), [IMAGE_NAME]: whole };
  const kind = isIndexType(image.mediaType) ? "imageIndex" : "image";
  const attached = [...attachments].map(([name, descriptor]) => {
    const own = Object.entries(SUFFIX_KINDS).find(([suffix]) => name === `${stem}.${suffix}`);
    return entryFor(descriptor, { [REF_NAME]: name, ...(own === undefined ? {} : kinded(own[1])) });
  });
  const kept = withoutKinds(index).filter((entry) => {
    const name = nameOf(entry);
    if (name !== undefined && attachments.has(name)) return false;
    const before = entry.descriptor.annotations?.[IMAGE_NAME];
    if (before !== undefined) return before !== whole;
    // Saved by cosign, or put there without a name: now it has one.
    return name !== undefined || entry.descriptor.digest !== image.digest;
  });
  const own = new Map(referrers.map((referrer) => [referrer.digest, referrer]));
  own.delete(image.digest);
  const known = new Map(
    kept.filter((entry) => nameOf(entry) === undefined).map((entry) => [entry.descriptor.digest, entry]),
  );
  return [
    entryFor(image, { ...kinded(kind), ...names }),
    ...attached,
    ...[...own].map(([digest, referrer]) => known.get(digest) ?? entryFor(referrer, referrer.annotations ?? {})),
    ...kept.filter((entry) => nameOf(entry) !== undefined || !own.has(entry.descriptor.digest)),
  ];
}

function wholeName({ image: { digest }, repository, tag }: SavedImage): string {
  const name = repository.replace(/^index\.docker\.io\//, "docker.io/");
  return tag === undefined ? `${name}@${digest}` : `${name}:${tag}`;
}

/** The entries without cosign's kinds; attachments that were known by them get the name that says whose they are. */
function withoutKinds(index: LayoutIndex): readonly IndexEntry[] {
  const images = index.entries.filter((entry) => IMAGE_KINDS.includes(kindOf(entry)));
  const [only, ...others] = new Set(images.map(({ descriptor }) => descriptor.digest));
  return index.entries.map((entry) => {
    const kind = kindOf(entry);
    if (kind === undefined) return entry;
    const { [KIND]: _, ...annotations } = entry.descriptor.annotations ?? {};
    if (IMAGE_KINDS.includes(kind) || nameOf(entry) !== undefined) return annotated(entry, annotations);
    const suffix = Object.entries(SUFFIX_KINDS).find(([, value]) => value === kind)?.[0];
    if (only === undefined || others.length > 0 || suffix === undefined) {
      throw invalidLayout(
        `nothing tells whose the ${JSON.stringify(kind.slice(0, 80))} ${entry.descriptor.digest} in the layout are`,
        "save into an empty folder",
      );
    }
    return annotated(entry, { ...annotations, [REF_NAME]: `${tagStem(only)}.${suffix}` });
  });
}

function kinded(kind: string): Readonly<Record<string, string>> {
  return { [KIND]: `${KIND_PREFIX}${kind}` };
}

function entryFor(descriptor: Descriptor, annotations: Readonly<Record<string, string>>): IndexEntry {
  const { mediaType, size, digest, artifactType } = descriptor;
  return annotated({ descriptor, raw: { mediaType, size, digest, artifactType } }, annotations);
}

function annotated(entry: IndexEntry, annotations: Readonly<Record<string, string>>): IndexEntry {
  const { annotations: _, ...bare } = entry.descriptor;
  const { annotations: __, ...raw } = entry.raw;
  if (Object.keys(annotations).length === 0) return { descriptor: bare, raw };
  return { descriptor: { ...bare, annotations }, raw: { ...raw, annotations } };
}
