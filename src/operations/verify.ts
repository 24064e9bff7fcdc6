import type { Digest } from "../model/digest.ts";
import type { Requirement, Verdict } from "../model/policy.ts";
import { formatReference, parseReference, type Reference } from "../oci/reference.ts";
import type { Repository } from "../oci/repository.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import { authoritiesOf } from "../policies/requirement.ts";
import type { VerifyReport } from "../reports/report.ts";
import { descendants, resolve } from "./resolve.ts";
import type { Session } from "./session.ts";
import { expandTargets, type Targets } from "./targets.ts";
import { type ImageOutcome, unresolved, verifyImage } from "./verify-image.ts";

export interface VerifyRequest {
  readonly targets: Targets;
  readonly requirement: Requirement;
  /** Every image of an index beside the index itself. */
  readonly recursive: boolean;
  /** Said in the report. */
  readonly warnings: readonly string[];
}

type ImageReport = VerifyReport["images"][number];

/**
 * Verifies images, all of them whatever becomes of one. Each digest of a repository is looked at once.
 * Throws only before any work (E_REFERENCE_INVALID), or when no tag is found that was asked for (E_SUBJECT_NOT_FOUND).
 */
export async function verify(session: Session, request: VerifyRequest): Promise<VerifyReport> {
  const expanded = await expandTargets(session, request.targets);
  const { references } = expanded;
  const seen = new Map<string, Promise<ImageOutcome>>();
  let done = 0;
  const images = await mapConcurrently(references, session.concurrency, async (text) => {
    const reports = await verifyReference(session, request, text, seen);
    done += 1;
    session.progress.finished(done, references.length, text);
    return reports;
  });
  const unlisted = expanded.unlisted.map(({ reference, error }) => ({ reference, ...unresolved(null, error) }));
  const flat = [...images.flat(), ...unlisted];
  return {
    schemaVersion: 1,
    operation: "verify",
    verdict: overall(flat.map(({ verdict }) => verdict)),
    images: flat,
    warnings: [...request.warnings],
  };
}

async function verifyReference(
  session: Session,
  request: VerifyRequest,
  text: string,
  seen: Map<string, Promise<ImageOutcome>>,
): Promise<readonly ImageReport[]> {
  const once = (
    repository: Repository,
    reference: Reference,
    digest: Digest,
    fetched: boolean,
  ): Promise<ImageOutcome> => {
    // With a reference required, what was asked for by another tag may be judged otherwise.
    const key = `${repository.name}@${digest} ${byReference(request.requirement) ? reference.tag : ""}`;
    const known =
      seen.get(key) ?? verifyImage(session, repository, { reference, digest, fetched }, request.requirement);
    seen.set(key, known);
    return known;
  };
  try {
    const reference = parseReference(text);
    const repository = session.open(reference);
    if (!request.recursive) {
      const named = reference.digest;
      const digest = named ?? (await resolve(repository, reference)).subject.digest;
      return [{ reference: text, ...(await once(repository, reference, digest, named === undefined)) }];
    }
    const { subject, manifest } = await resolve(repository, reference);
    const children = await descendants(repository, manifest);
    const own = once(repository, reference, subject.digest, true);
    const others = children.map(async (child) => {
      const { digest } = child.subject;
      const named = { ...reference, tag: undefined, digest };
      return { reference: formatReference(named), ...(await once(repository, named, digest, true)) };
    });
    return [{ reference: text, ...(await own) }, ...(await Promise.all(others))];
  } catch (error) {
    return [{ reference: text, ...unresolved(null, error) }];
  }
}

export function byReference(requirement: Requirement): boolean {
  return authoritiesOf(requirement).some(({ reference }) => reference === "exact");
}

/** The worst of all: what is refused decides before what could not be told; nothing at all is not trusted. */
export function overall(verdicts: readonly Verdict[]): Verdict {
  for (const worst of ["untrusted", "unsigned", "undetermined"] as const) if (verdicts.includes(worst)) return worst;
  return verdicts.length === 0 ? "undetermined" : "trusted";
}
