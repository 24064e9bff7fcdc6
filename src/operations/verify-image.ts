import type { Digest } from "../model/digest.ts";
import { asCountersignError } from "../model/errors.ts";
import type { ManifestFacts } from "../model/format.ts";
import type { Requirement } from "../model/policy.ts";
import type { FormatName } from "../model/signature.ts";
import type { Repository } from "../oci/repository.ts";
import { authoritiesOf } from "../policies/requirement.ts";
import type { ImageOutcome } from "./judge-image.ts";
import type { Wanted } from "./look.ts";
import { problemOf } from "./problem.ts";
import { notFound } from "./resolve.ts";
import type { Session } from "./session.ts";

export type { ImageOutcome } from "./judge-image.ts";
export type { Wanted } from "./look.ts";

/**
 * The verdict about one digest: every place is looked at side by side with the manifest itself, every signature found is
 * checked; with `only`, signatures of these formats are looked for and no others. Never throws for what a registry answers or fails to answer.
 */
export async function verifyImage(
  session: Session,
  repository: Repository,
  wanted: Wanted,
  requirement: Requirement,
  only?: readonly FormatName[],
): Promise<ImageOutcome> {
  const { digest, reference, fetched } = wanted;
  const at = session.host.now();
  const presence = fetched ?? present(repository, digest);
  const facts = Promise.resolve(presence).then((found) => ("verdict" in found ? undefined : found));
  // What looks elsewhere is not even loaded before the request for the manifest has left: cold code takes milliseconds.
  if (fetched === undefined) await session.underWay?.();
  const { look } = await import("./look.ts");
  const [found, { kept, failures }] = await Promise.all([
    presence,
    look(session, repository, wanted, authoritiesOf(requirement), { only, at, facts }),
  ]);
  if ("verdict" in found) return found;
  const { judgeImage } = await import("./judge-image.ts");
  return judgeImage(digest, reference, { requirement, assessments: kept, failures });
}

/** Its manifest; or why an image cannot be trusted whatever is signed: it is not there, or what is there is not it. */
async function present(repository: Repository, digest: Digest): Promise<ManifestFacts | ImageOutcome> {
  try {
    const manifest = await repository.getManifest(digest);
    return manifest ?? unresolved(digest, notFound(repository, digest));
  } catch (error) {
    return unresolved(digest, error);
  }
}

/** An image that could not be had. Missing is an answer, and so is a damaged one; everything else is "could not tell". */
export function unresolved(digest: Digest | null, error: unknown): ImageOutcome {
  const { code, exit } = asCountersignError(error);
  const missing = code === "E_SUBJECT_NOT_FOUND";
  // Wrong use that shows only now, as credentials that cannot be read, is no fault of the image.
  const refused = exit === 1;
  return {
    digest,
    verdict: refused ? "untrusted" : "undetermined",
    status: missing ? "missing" : refused ? "refused" : "unreachable",
    signatures: [],
    errors: [problemOf(error)],
  };
}
