import { CountersignError } from "../model/errors.ts";
import { formatReference, parseReference, parseRepository } from "../oci/reference.ts";
import type { Session } from "./session.ts";

/** Which images a run is about. */
export interface Targets {
  /** References as the caller wrote them; with `tags`, repositories. */
  readonly images: readonly string[];
  /** Every tag of each repository that the pattern accepts. */
  readonly tags?: ((tag: string) => boolean) | undefined;
}

const attachmentTag = /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})(?:\.(?:sig|att|sbom))?$/;

/** Whether a tag only carries signatures, attestations or referrers of another image (cosign's and the distribution spec's schemes). */
export function isAttachmentTag(tag: string): boolean {
  return attachmentTag.test(tag);
}

export interface Expanded {
  /** In the caller's order, each written once. */
  readonly references: readonly string[];
  /** Repositories whose tags could not be listed, and why. */
  readonly unlisted: readonly { readonly reference: string; readonly error: unknown }[];
}

/**
 * The references of a run.
 * @throws E_REFERENCE_INVALID before any request for a name that is none; E_SUBJECT_NOT_FOUND when no repository has a tag
 * that was asked for.
 */
export async function expandTargets(session: Session, targets: Targets): Promise<Expanded> {
  const { tags } = targets;
  if (tags === undefined) {
    for (const image of targets.images) parseReference(image);
    return { references: [...new Set(targets.images)], unlisted: [] };
  }
  const repositories = targets.images.map((name) => ({ name, reference: parseRepository(name) }));
  const listed = await Promise.all(
    repositories.map(async ({ name, reference }) => {
      try {
        const all = await session.open(reference).listTags();
        const wanted = all.filter((tag) => !isAttachmentTag(tag) && tags(tag));
        return { found: wanted.map((tag) => formatReference({ ...reference, tag, digest: undefined })), unlisted: [] };
      } catch (error) {
        return { found: [], unlisted: [{ reference: name, error }] };
      }
    }),
  );
  const unlisted = listed.flatMap((each) => each.unlisted);
  const references = [...new Set(listed.flatMap(({ found }) => found))];
  if (references.length === 0 && unlisted.length === 0) {
    throw new CountersignError(
      "E_SUBJECT_NOT_FOUND",
      `no tag of ${targets.images.slice(0, 5).join(", ")} is asked for`,
      {
        hint: "check the repository and the --tags pattern",
      },
    );
  }
  return { references, unlisted };
}

/** References from a list: one a line, blanks and `#` comments passed over. */
export function parseImageList(text: string): readonly string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}
