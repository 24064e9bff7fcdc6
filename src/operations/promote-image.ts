import { asCountersignError, CountersignError, isCountersignError } from "../model/errors.ts";
import type { Requirement, Verdict } from "../model/policy.ts";
import { type CopyTally, newTally } from "../oci/copy.ts";
import { type ManifestTree, manifestsOf, readTree } from "../oci/manifest-tree.ts";
import { formatReference, type Reference } from "../oci/reference.ts";
import type { Manifest, StreamingRepository } from "../oci/repository.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { PromoteReport } from "../reports/report.ts";
import type { CopyTask } from "../stores/copy-task.ts";
import { SETTLE } from "../stores/settle.ts";
import { type CopiedAttachments, copyAttachments } from "./copy-attachments.ts";
import { moveTag } from "./move-tag.ts";
import { problemOf } from "./problem.ts";
import type { PromoteRequest, PromotionRun, Resigning } from "./promotion.ts";
import type { PlannedPair } from "./promotion-pairs.ts";
import { type Resigned, resign } from "./resign.ts";
import { resolve } from "./resolve.ts";
import type { Session } from "./session.ts";
import { ownTrust } from "./store-signature.ts";
import { byReference, overall } from "./verify.ts";
import { type ImageOutcome, verifyImage } from "./verify-image.ts";

export type PromotedImage = PromoteReport["images"][number];
type Verification = NonNullable<PromotedImage["verification"]["source"]>;

interface Outcome {
  readonly image: PromotedImage;
  readonly warnings: readonly string[];
}

/** Promotes one image. Never throws: what went wrong, and how far it came, stands in the report. */
export async function promoteImage(run: PromotionRun, pair: PlannedPair): Promise<Outcome> {
  const { source, destination, tag } = pair;
  const tally = newTally();
  const report: Mutable<PromotedImage> = {
    source: source.text,
    destination: destination.text,
    digest: null,
    status: "failed",
    verification: { source: null, destination: null },
    copied: tally,
    attachments: [],
    resigned: [],
    tag: tag === undefined ? null : { name: tag, previous: null, status: "kept" },
    errors: [],
  };
  const warnings: string[] = [];
  try {
    report.status = await work(run, pair, report, tally, warnings);
  } catch (error) {
    report.errors = [problemOf(error)];
    report.status = asCountersignError(error).exit === 1 ? "refused" : "failed";
  }
  return { image: { ...report, copied: { ...tally } }, warnings };
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

async function work(
  run: PromotionRun,
  pair: PlannedPair,
  report: Mutable<PromotedImage>,
  tally: CopyTally,
  warnings: string[],
): Promise<PromotedImage["status"]> {
  const { request } = run;
  const source = run.source.open(pair.source.reference);
  const destination = run.destination.open(pair.destination.reference);
  const { tag } = pair;
  const [top, before] = await Promise.all([
    resolve(source, pair.source.reference),
    tag === undefined ? undefined : destination.getManifest(tag),
  ]);
  const { digest } = top.subject;
  report.digest = digest;
  if (report.tag !== null) report.tag = { ...report.tag, previous: before?.digest ?? null };
  const named = pair.destination.reference.digest;
  if (named !== undefined && named !== digest) throw otherDigest(pair, digest);

  const tree = await readTree(source, top.manifest);
  report.verification.source = await verifyAt(
    run,
    run.source,
    source,
    pair.source.reference,
    tree,
    request.requirement,
    run.verified,
  );
  ensureTrusted(report.verification.source, pair.source.text, "the source");

  const { attachments, warnings: remarks } = await carry(run, source, destination, tree, tally);
  report.attachments = [...attachments];
  warnings.push(...remarks);
  const { resigning } = request;
  if (resigning !== undefined && run.material !== undefined) {
    const signed = await resign(
      run.destination,
      destination,
      subjectsOf(request, tree),
      resigning,
      run.material,
      request.dryRun,
    );
    report.resigned = [...signed];
  }
  if (request.dryRun) return planned(report, tally, digest);

  await ensureStored(destination, tree);
  const { requirement, reference } = destinationTrust(run, pair, resigning);
  report.verification.destination = await verifyAt(run, run.destination, destination, reference, tree, requirement);
  ensureTrusted(report.verification.destination, pair.destination.text, "the destination");

  if (tag !== undefined && report.tag !== null) {
    report.tag = { ...report.tag, status: "unknown" };
    try {
      const status = await moveTag(destination, run.destination.host, tag, before, top.manifest);
      report.tag = { ...report.tag, status };
    } catch (error) {
      if (isKept(error)) report.tag = { ...report.tag, status: "kept" };
      throw error;
    }
  }
  return isIdle(report, tally) ? "unchanged" : "promoted";
}

/** Copies the image, then what hangs on it. */
async function carry(
  run: PromotionRun,
  source: StreamingRepository,
  destination: StreamingRepository,
  tree: ManifestTree,
  tally: CopyTally,
): Promise<CopiedAttachments> {
  const task: CopyTask = {
    source,
    destination,
    copier: run.copying.between(source, destination),
    tally,
    dryRun: run.request.dryRun,
    honoured: run.honouredBy(destination.name),
    settle: SETTLE,
    host: run.destination.host,
  };
  const key = `${source.name} ${destination.name} ${tree.manifest.digest}`;
  const earlier = run.carried.get(key);
  const mine = (async () => {
    await earlier?.catch(() => {});
    await task.copier.copy(tree, tally);
    return copyAttachments(task, tree);
  })();
  run.carried.set(key, mine);
  return mine;
}

function subjectsOf({ recursive }: PromoteRequest, tree: ManifestTree): readonly Manifest[] {
  return recursive ? manifestsOf(tree) : [tree.manifest];
}

/** The verdict about the image and, if asked, about every image of its index. */
async function verifyAt(
  { request }: PromotionRun,
  session: Session,
  repository: StreamingRepository,
  reference: Reference,
  tree: ManifestTree,
  requirement: Requirement,
  seen?: Map<string, Promise<ImageOutcome>>,
): Promise<Verification> {
  const images = await mapConcurrently(subjectsOf(request, tree), 16, async (manifest) => {
    const { digest } = manifest;
    const own = digest === tree.manifest.digest;
    const named = own ? reference : { ...reference, tag: undefined, digest };
    const key = `${repository.name}@${digest} ${byReference(requirement) ? formatReference(named) : ""}`;
    const known =
      seen?.get(key) ?? verifyImage(session, repository, { reference: named, digest, fetched: manifest }, requirement);
    seen?.set(key, known);
    return { reference: formatReference({ ...named, digest }), ...(await known) };
  });
  return { verdict: overall(images.map(({ verdict }) => verdict)), images };
}

function ensureTrusted({ verdict, images }: Verification, text: string, where: string): void {
  if (verdict === "trusted") return;
  const worst = images.find((image) => image.verdict === verdict);
  const name = worst?.reference ?? text;
  const cause = worst?.errors[0] ?? worst?.signatures.flatMap(({ reasons }) => reasons)[0];
  const why = cause === undefined ? "" : `: ${cause.code}: ${cause.message}`;
  if (verdict === "undetermined") {
    throw new CountersignError("E_UNDETERMINED", `whether ${name} verifies at ${where} could not be told${why}`, {
      hint: worst?.errors[0]?.hint ?? "promote again later; nothing is promoted that could not be verified",
    });
  }
  throw new CountersignError("E_NOT_VERIFIED", `${name} does not verify at ${where}, it is ${verdict}${why}`, {
    hint: hintFor(verdict, where),
  });
}

function hintFor(verdict: Verdict, where: string): string {
  if (where === "the destination")
    return "check the --destination flags: what was copied is there, and its tag was not touched";
  return verdict === "unsigned"
    ? "sign it first, then promote"
    : "find out who signed it; check the keys, roots and identities that are trusted";
}

/** Everything is at the destination, byte for byte, whatever it answered when it was written. */
async function ensureStored(destination: StreamingRepository, tree: ManifestTree): Promise<void> {
  await mapConcurrently(manifestsOf(tree), 16, async ({ digest }) => {
    if ((await destination.getManifest(digest)) !== undefined) return;
    throw new CountersignError("E_STORED_DIFFERS", `${destination.name} took ${digest}, but does not have it`, {
      hint: "the registry takes writes that it does not keep: ask who runs it, then promote again",
    });
  });
}

/** What must hold at the destination, and by which name the image is called in signatures there. */
function destinationTrust(
  { request, material }: PromotionRun,
  pair: PlannedPair,
  resigning: Resigning | undefined,
): { readonly requirement: Requirement; readonly reference: Reference } {
  if (request.destinationRequirement !== undefined) {
    return { requirement: request.destinationRequirement, reference: pair.destination.reference };
  }
  // The signatures that came along name the source, if anything.
  const reference = pair.source.reference;
  if (resigning === undefined || material === undefined) return { requirement: request.requirement, reference };
  const leaf = material.chain.length > 1 ? material.chain[0] : undefined;
  const own: Requirement = {
    authority: {
      name: "the new signature",
      trust: ownTrust(material),
      identities: leaf === undefined ? [] : [{ fingerprint: leaf.fingerprint }],
      annotations: resigning.options.annotations,
      reference: "none",
    },
  };
  return { requirement: { all: [request.requirement, own] }, reference };
}

/** Of a tag that was to be moved: whether it is known not to name the image now. */
function isKept(error: unknown): boolean {
  return isCountersignError(error) && (error.code === "E_TAG_MOVED" || error.code === "E_REGISTRY_CONFLICT");
}

function planned(report: Mutable<PromotedImage>, tally: CopyTally, digest: string): PromotedImage["status"] {
  if (report.tag !== null) {
    report.tag = { ...report.tag, status: report.tag.previous === digest ? "unchanged" : "planned" };
  }
  return isIdle(report, tally) ? "unchanged" : "planned";
}

function isIdle({ tag, attachments, resigned }: PromotedImage, { manifests, blobs, mounted }: CopyTally): boolean {
  return (
    manifests + blobs + mounted === 0 &&
    attachments.every(({ status }) => status === "present") &&
    resigned.every(({ status }: Resigned) => status === "unchanged") &&
    (tag === null || tag.status === "unchanged")
  );
}

function otherDigest({ source, destination }: PlannedPair, digest: string): CountersignError {
  return new CountersignError(
    "E_SUBJECT_MISMATCH",
    `${source.text} is ${digest}, and ${destination.text} names another`,
    {
      hint: "leave the digest of the destination out, or name the source by the same",
    },
  );
}
