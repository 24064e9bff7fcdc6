import type { Format, SigningOptions } from "../model/format.ts";
import type { Requirement } from "../model/policy.ts";
import type { PublicMaterial, Signer } from "../model/signature.ts";
import { formatReference, parseReference, type Reference } from "../oci/reference.ts";
import type { Repository } from "../oci/repository.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { SignReport } from "../reports/report.ts";
import { type LeftAlone, leftAlone } from "./left-alone.ts";
import { problemOf } from "./problem.ts";
import { rehearse } from "./rehearse.ts";
import { descendants, type Pinned, resolve } from "./resolve.ts";
import type { Session } from "./session.ts";
import { ensureMakes } from "./sign-by-envelope.ts";
import { type SubjectSignature, signSubject } from "./sign-subject.ts";
import { signedReference } from "./signed-reference.ts";
import type { Witnessing } from "./store-signature.ts";
import { expandTargets, type Targets } from "./targets.ts";

export interface SignRequest {
  readonly targets: Targets;
  readonly signer: Signer;
  readonly formats: readonly Format[];
  readonly options: SigningOptions;
  /** Every image of an index beside the index itself. */
  readonly recursive: boolean;
  /** Signs only what carries a signature already that this holds for; everything else is left alone. */
  readonly signedBy?: Requirement | undefined;
  /** Has every signature witnessed; absent: none is. */
  readonly witnessing?: Witnessing | undefined;
  readonly warnings: readonly string[];
}

type ImageReport = SignReport["images"][number];

/** What became of a subject: signed in each format, or left alone. */
type Outcome = readonly SubjectSignature[] | LeftAlone;

const ALL_SKIPPED = "no image carries a valid signature of those asked for with --signed-by: nothing was signed";

/**
 * Signs images in every format asked for, stores the signatures, reads them back and verifies them. Goes on when an image
 * fails; the report has each. Throws only before the first request: what key and format cannot do together
 * (E_ALGORITHM_UNSUPPORTED), names that are none; or when no tag is found that was asked for.
 */
export async function sign(session: Session, request: SignRequest): Promise<SignReport> {
  const { material, refusals } = await described(request, session.host.now());
  const { references, unlisted } = await expandTargets(session, request.targets);
  const run: Run = { session, request, material, left: new Map(), signed: new Map() };
  let done = 0;
  const images = await mapConcurrently(references, session.concurrency, async (text) => {
    const reports = await signReference(run, text);
    done += 1;
    session.progress.finished(done, references.length, text);
    return reports;
  });
  const unseen = unlisted.map(({ reference, error }) => failed(reference, null, error));
  const reports = [...images.flat(), ...unseen];
  const allSkipped = reports.length > 0 && reports.every(({ status }) => status === "skipped");
  return {
    schemaVersion: 1,
    operation: "sign",
    images: reports,
    warnings: [
      ...request.warnings,
      ...refusals,
      ...(allSkipped ? [ALL_SKIPPED] : []),
      ...(session.lookasides?.warnings() ?? []),
    ],
  };
}

/** Who signs, and what verifiers will not take; all that can be refused before the first request is. */
async function described(
  request: SignRequest,
  at: Date,
): Promise<{ readonly material: PublicMaterial | undefined; readonly refusals: readonly string[] }> {
  const { signer, formats, options } = request;
  if (signer.envelopes !== undefined) {
    ensureMakes(signer, request);
    return { material: undefined, refusals: [] };
  }
  const material = await signer.describe();
  return { material, refusals: rehearse(formats, { ...options, at }, material) };
}

/** What the images of a run share; by repository and digest what was left alone, and what was signed. */
interface Run {
  readonly session: Session;
  readonly request: SignRequest;
  /** Undefined: the signer makes whole envelopes. */
  readonly material: PublicMaterial | undefined;
  readonly left: Map<string, Promise<LeftAlone | undefined>>;
  readonly signed: Map<string, Promise<readonly SubjectSignature[]>>;
}

async function signReference(run: Run, text: string): Promise<readonly ImageReport[]> {
  const { session, request } = run;
  try {
    const reference = parseReference(text);
    const repository = session.open(reference);
    const top = await resolve(repository, reference);
    const pinned = request.recursive ? [top, ...(await descendants(repository, top.manifest))] : [top];
    return await Promise.all(
      pinned.map(async (image: Pinned) => {
        const { subject } = image;
        const named = subject === top.subject ? text : nameOf(reference, subject.digest);
        try {
          return imageReport(named, subject.digest, await signPinned(run, repository, reference, image));
        } catch (error) {
          return failed(named, subject.digest, error);
        }
      }),
    );
  } catch (error) {
    return [failed(text, null, error)];
  }
}

/** Signs an image in every format, once each: two tags of one digest are two only to formats that sign the reference. */
async function signPinned(
  { session, request, material, left, signed }: Run,
  repository: Repository,
  reference: Reference,
  { subject }: Pinned,
): Promise<Outcome> {
  const { signedBy, options, formats } = request;
  const image = `${subject.repository}@${subject.digest}`;
  const alone =
    signedBy && (await once(left, image, () => leftAlone(session, repository, reference, subject, signedBy)));
  if (alone !== undefined) return alone;
  const identity = options.reference ?? signedReference(formats, reference);
  const parts = [
    { name: image, formats: formats.filter(({ signsReference }) => !signsReference), options },
    {
      name: `${image} ${identity ?? ""}`,
      formats: formats.filter(({ signsReference }) => signsReference),
      options: { ...options, reference: identity },
    },
  ].filter((part) => part.formats.length > 0);
  const outcomes = parts.map(({ name, ...part }) =>
    once(signed, name, () => signSubject(session, repository, subject, { ...request, ...part }, material, reference)),
  );
  return (await Promise.all(outcomes)).flat();
}

function once<T>(known: Map<string, Promise<T>>, key: string, work: () => Promise<T>): Promise<T> {
  const found = known.get(key) ?? work();
  known.set(key, found);
  return found;
}

function nameOf(reference: Reference, digest: Pinned["subject"]["digest"]): string {
  return formatReference({ ...reference, tag: undefined, digest });
}

function imageReport(reference: string, digest: string, outcomes: Outcome): ImageReport {
  if ("unseen" in outcomes)
    return { reference, digest, status: "failed", signatures: [], errors: [...outcomes.unseen] };
  if ("skipped" in outcomes) {
    return { reference, digest, status: "skipped", skippedAs: outcomes.skipped, signatures: [], errors: [] };
  }
  const signatures = outcomes.flatMap((outcome) => (outcome.kind === "stored" ? [outcome.signature] : []));
  const errors = outcomes.flatMap((outcome) =>
    outcome.kind === "failed" ? [problemOf(outcome.error, outcome.format)] : [],
  );
  const added = signatures.some((signature) => signature.added);
  return {
    reference,
    digest,
    status: errors.length > 0 ? "failed" : added ? "signed" : "unchanged",
    signatures,
    errors,
  };
}

function failed(reference: string, digest: string | null, error: unknown): ImageReport {
  return { reference, digest, status: "failed", signatures: [], errors: [problemOf(error)] };
}
