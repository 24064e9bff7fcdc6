import type { Digest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import type { ManifestFacts } from "../model/format.ts";
import type { Requirement, Verdict } from "../model/policy.ts";
import type { FormatName } from "../model/signature.ts";
import { formatReference, parseReference, type Reference } from "../oci/reference.ts";
import type { Repository } from "../oci/repository.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import { authoritiesOf } from "../policies/requirement.ts";
import type { VerifyReport } from "../reports/report.ts";
import { descendants, resolve } from "./resolve.ts";
import type { Session } from "./session.ts";
import { expandTargets, type Targets } from "./targets.ts";
import { type ImageOutcome, unresolved, verifyImage, type Wanted } from "./verify-image.ts";

export interface VerifyRequest {
  readonly targets: Targets;
  /** What must hold: the same for every image, or by repository. */
  readonly requirement: Requirement | RequirementByRepository;
  /** Every image of an index beside the index itself. */
  readonly recursive: boolean;
  /** Signatures of these formats alone are looked for; of all, unless told. */
  readonly formats?: readonly FormatName[] | undefined;
  /** Said in the report. */
  readonly warnings: readonly string[];
}

/** A policy that says for each repository what must hold there. */
export interface RequirementByRepository {
  /**
   * `skip`: the policy asks for nothing. `refused`: it lets nothing pass, whatever is signed. Undefined: it says nothing of this
   * repository, which nothing can then be trusted in.
   */
  readonly requirementFor: (
    reference: Reference,
  ) => Requirement | "skip" | { readonly refused: CountersignError } | undefined;
  /**
   * The policy is about images as they are asked for: every image of an index is verified, by the reference that the index was asked
   * for; `children`: the index itself is not, as nobody runs one. Absent: each is about its own digest.
   */
  readonly asAsked?: "all" | "children" | undefined;
  /** For the report. */
  readonly policies: readonly PolicyFile[];
}

export type PolicyFile = NonNullable<VerifyReport["policies"]>[number];

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
    const reports = await verifyReference(session, request, text, seen, references.length === 1);
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
    ...("requirementFor" in request.requirement && { policies: [...request.requirement.policies] }),
    warnings: [
      ...request.warnings,
      ...skippedWarning(flat, request.requirement),
      ...(session.lookasides?.warnings() ?? []),
    ],
  };
}

async function verifyReference(
  session: Session,
  request: VerifyRequest,
  text: string,
  seen: Map<string, Promise<ImageOutcome>>,
  only: boolean,
): Promise<readonly ImageReport[]> {
  const asAsked = "requirementFor" in request.requirement ? request.requirement.asAsked : undefined;
  const recursive = request.recursive || asAsked !== undefined;
  const alone = only && !recursive;
  const once = (
    repository: Repository,
    reference: Reference,
    digest: Digest,
    fetched: ManifestFacts | undefined,
  ): Promise<ImageOutcome> => {
    // With a reference required, what was asked for by another tag may be judged otherwise.
    const asked =
      asAsked !== undefined ? formatReference(reference) : byReference(request.requirement) ? reference.tag : "";
    const key = `${repository.name}@${digest} ${asked}`;
    const known = seen.get(key) ?? verifyOne(session, request, repository, { reference, digest, fetched, alone });
    seen.set(key, known);
    return known;
  };
  try {
    const reference = parseReference(text);
    const repository = session.open(reference);
    if (!recursive) {
      if (reference.digest !== undefined) {
        return [{ reference: text, ...(await once(repository, reference, reference.digest, undefined)) }];
      }
      const { subject } = await resolve(repository, reference);
      return [{ reference: text, ...(await once(repository, reference, subject.digest, subject)) }];
    }
    const { subject, manifest } = await resolve(repository, reference);
    const children = await descendants(repository, manifest);
    const own =
      asAsked === "children" && children.length > 0
        ? skipped(subject.digest)
        : once(repository, reference, subject.digest, subject);
    const others = children.map(async (child) => {
      const { digest } = child.subject;
      const named = { ...reference, tag: undefined, digest };
      const asked = asAsked === undefined ? named : reference;
      return { reference: formatReference(named), ...(await once(repository, asked, digest, child.subject)) };
    });
    return [{ reference: text, ...(await own) }, ...(await Promise.all(others))];
  } catch (error) {
    return [{ reference: text, ...unresolved(null, error) }];
  }
}

/** By what the policy says of the repository, where there is one. */
export async function verifyOne(
  session: Session,
  { requirement, formats }: Pick<VerifyRequest, "requirement" | "formats">,
  repository: Repository,
  wanted: Wanted,
): Promise<ImageOutcome> {
  if (!("requirementFor" in requirement)) return verifyImage(session, repository, wanted, requirement, formats);
  const { reference, digest, fetched } = wanted;
  const applicable = requirement.requirementFor(reference);
  if (applicable === undefined) {
    const error = new CountersignError(
      "E_POLICY_SCOPE",
      `no statement of the trust policy applies to ${reference.name}`,
      {
        hint: "add its repository to the registryScopes of a statement, or a statement for *",
      },
    );
    return unresolved(digest, error);
  }
  if (applicable === "skip") {
    if (fetched === undefined) await resolve(repository, reference);
    return skipped(digest);
  }
  if ("refused" in applicable) return unresolved(digest, applicable.refused);
  return verifyImage(
    session,
    repository,
    wanted,
    applicable,
    requirement.asAsked ? formatsOf(applicable, formats) : formats,
  );
}

function skipped(digest: Digest): ImageOutcome {
  return { digest, verdict: "trusted", status: "skipped", signatures: [], errors: [] };
}

/** Those alone that an authority speaks of, where all of them say so: places that keep no others are not looked at. */
function formatsOf(requirement: Requirement, wanted: VerifyRequest["formats"]): VerifyRequest["formats"] {
  const authorities = authoritiesOf(requirement);
  const named = [...new Set(authorities.flatMap(({ formats }) => formats ?? []))];
  if (authorities.some(({ formats }) => formats === undefined)) return wanted;
  return wanted === undefined ? named : named.filter((format) => wanted.includes(format));
}

export function byReference(requirement: VerifyRequest["requirement"]): boolean {
  if ("requirementFor" in requirement) return false;
  return authoritiesOf(requirement).some(({ reference }) => reference === "exact");
}

function skippedWarning(images: readonly ImageReport[], requirement: VerifyRequest["requirement"]): readonly string[] {
  const skipped = images.filter(({ status }) => status === "skipped").length;
  if (skipped === 0) return [];
  const count = skipped === 1 ? "1 image" : `${skipped} images`;
  if ("requirementFor" in requirement && requirement.asAsked !== undefined) {
    return [`the policy accepts ${count} whatever is signed: no signature was looked at`];
  }
  return [`the trust policy skips verification of ${count}: nothing was looked at`];
}

/** The worst of all: what is refused decides before what could not be told; nothing at all is not trusted. */
export function overall(verdicts: readonly Verdict[]): Verdict {
  for (const worst of ["untrusted", "unsigned", "undetermined"] as const) if (verdicts.includes(worst)) return worst;
  return verdicts.length === 0 ? "undetermined" : "trusted";
}
