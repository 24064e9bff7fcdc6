import type { Descriptor } from "../model/descriptor.ts";
import { CountersignError } from "../model/errors.ts";
import { parseStrictJson } from "../model/strict-json.ts";
import type { Manifest } from "../oci/repository.ts";

/** The list that a tag holds and several writers add to: layers of a `.sig` tag, manifests of a fallback index. */
export type ListName = "layers" | "manifests";

/** One entry as its writer wrote it, with members that are not known here, beside what is read of it. */
export interface Member {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly descriptor: Descriptor;
}

/** A document under a tag: its list, and its other members as they stand. */
export interface TaggedList {
  readonly members: readonly Member[];
  readonly rest: Readonly<Record<string, unknown>>;
}

/**
 * What a tag lists; an absent tag lists nothing.
 * @throws E_MANIFEST_UNSUPPORTED when something else stands there.
 */
export function listedDescriptors(manifest: Manifest | undefined, list: ListName, tag: string): readonly Descriptor[] {
  if (manifest === undefined) return [];
  const descriptors = manifest.content[list];
  if (descriptors !== undefined) return descriptors;
  throw new CountersignError(
    "E_MANIFEST_UNSUPPORTED",
    `the tag ${tag} holds ${manifest.content.mediaType}, which lists no ${list}`,
    { hint: `see what wrote ${tag}, and remove the tag if nothing needs it` },
  );
}

/**
 * The whole document under a tag, for writing it again with more in its list.
 * @throws E_MANIFEST_UNSUPPORTED as listedDescriptors does.
 */
export function readTaggedList(manifest: Manifest | undefined, list: ListName, tag: string): TaggedList {
  if (manifest === undefined) return { members: [], rest: {} };
  const descriptors = listedDescriptors(manifest, list, tag);
  const document = parseStrictJson(manifest.bytes, { code: "E_MANIFEST_INVALID", what: `the manifest under ${tag}` });
  // Its shape has been checked with the manifest's; what is read here again is what that leaves out.
  const { [list]: listed, ...rest } = isObject(document) ? document : {};
  const raw: readonly unknown[] = Array.isArray(listed) ? listed : [];
  const members = descriptors.map((descriptor, index) => {
    const written = raw[index];
    return { descriptor, raw: isObject(written) ? written : { ...descriptor } };
  });
  return { members, rest };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
