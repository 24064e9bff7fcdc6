import type { Descriptor, Subject } from "../model/descriptor.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Reference } from "../oci/reference.ts";
import type { Manifest, Repository } from "../oci/repository.ts";

/** A manifest that the repository has, pinned: everything after names the digest. */
export interface Pinned {
  readonly subject: Subject;
  readonly manifest: Manifest;
}

/**
 * Resolves a reference once. A digest wins over the tag beside it, as docker has it.
 * @throws E_SUBJECT_NOT_FOUND when the repository answers that it has no such manifest.
 */
export async function resolve(repository: Repository, reference: Reference): Promise<Pinned> {
  const wanted = reference.digest ?? reference.tag;
  if (wanted === undefined) {
    throw new CountersignError("E_REFERENCE_INVALID", `${reference.name} names neither a tag nor a digest`, {
      hint: "add :TAG or @sha256:…",
    });
  }
  const manifest = await repository.getManifest(wanted);
  if (manifest === undefined) throw notFound(repository, wanted);
  return { subject: subjectOf(repository, manifest), manifest };
}

/** The children of an index at every depth, each one fetched and checked; none for a plain image. */
export async function descendants(repository: Repository, manifest: Manifest, depth = 0): Promise<readonly Pinned[]> {
  const children = manifest.content.manifests ?? [];
  if (children.length === 0) return [];
  if (depth >= LIMITS.indexDepth) {
    throw new CountersignError("E_LIMIT", `indexes nested deeper than ${LIMITS.indexDepth} are not followed`, {
      hint: `sign or verify ${manifest.digest} and its children by digest`,
    });
  }
  if (children.length > LIMITS.indexChildren) {
    throw new CountersignError(
      "E_LIMIT",
      `${manifest.digest} lists ${children.length} images; at most ${LIMITS.indexChildren} are followed`,
      { hint: "name those that matter by digest, without --recursive" },
    );
  }
  const found = await Promise.all(children.map((child) => descend(repository, child, depth)));
  return found.flat();
}

async function descend(repository: Repository, child: Descriptor, depth: number): Promise<readonly Pinned[]> {
  const manifest = await repository.getManifest(child.digest);
  if (manifest === undefined) throw notFound(repository, child.digest);
  return [
    { subject: subjectOf(repository, manifest), manifest },
    ...(await descendants(repository, manifest, depth + 1)),
  ];
}

export function notFound(repository: Repository, wanted: string): CountersignError {
  const at = wanted.includes(":") ? `@${wanted}` : `:${wanted}`;
  return new CountersignError("E_SUBJECT_NOT_FOUND", `${repository.name}${at} is not there`, {
    hint:
      repository.kind === "layout"
        ? "check the folder, and add the tag as it stands in its index.json: oci:PATH:TAG"
        : "check the name; a registry may also hide what these credentials may not read",
  });
}

function subjectOf(repository: Repository, manifest: Manifest): Subject {
  const { digest, mediaType, size } = manifest;
  return { repository: repository.name, digest, mediaType, size };
}
