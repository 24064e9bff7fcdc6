import type { Digest } from "../model/digest.ts";
import { asCountersignError, CountersignError, isCountersignError } from "../model/errors.ts";
import { type CopyTally, newTally } from "../oci/copy.ts";
import { type ManifestTree, readTree } from "../oci/manifest-tree.ts";
import type { Reference } from "../oci/reference.ts";
import type { StreamingRepository } from "../oci/repository.ts";
import type { PromoteReport } from "../reports/report.ts";
import type { CopyTask } from "../stores/copy-task.ts";
import { SETTLE } from "../stores/settle.ts";
import { asksForSimple, readCargo, unloadCargo } from "./carried-signatures.ts";
import { type CopiedAttachments, copyAttachments } from "./copy-attachments.ts";
import { foretellDestination } from "./foretell-destination.ts";
import { moveTag } from "./move-tag.ts";
import { problemOf } from "./problem.ts";
import type { PromotionRun, Resigning } from "./promotion.ts";
import { destinationTrust, ensureStored, ensureTrusted, subjectsOf, verifyAt } from "./promotion-checks.ts";
import type { PlannedPair } from "./promotion-pairs.ts";
import { type Resigned, resign } from "./resign.ts";
import { resolve } from "./resolve.ts";
import { keepsSignatures } from "./signature-keepers.ts";
import { signedReference } from "./signed-reference.ts";

export type PromotedImage = PromoteReport["images"][number];

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
  planned: PlannedPair,
  report: Mutable<PromotedImage>,
  tally: CopyTally,
  warnings: string[],
): Promise<PromotedImage["status"]> {
  const { request } = run;
  const source = run.source.open(planned.source.reference);
  const destination = run.destination.open(planned.destination.reference);
  const { tag } = planned;
  const asked = asksForSimple(run, planned);
  // Its answer is there by the time that it is needed, and a failure is told then.
  if (!asked) keepsSignatures(run.keepers, source).catch(() => {});
  const [top, before] = await Promise.all([
    resolve(source, planned.source.reference),
    tag === undefined ? undefined : destination.getManifest(tag),
  ]);
  const { digest } = top.subject;
  report.digest = digest;
  if (report.tag !== null) report.tag = { ...report.tag, previous: before?.digest ?? null };
  const named = planned.destination.reference.digest;
  if (named !== undefined && named !== digest) throw otherDigest(planned, digest);
  const pair = tag === undefined ? byDigest(planned, digest) : planned;

  const tree = await readTree(source, top.manifest);
  report.verification.source = await verifyAt(
    run,
    run.source,
    source,
    pair.source.reference,
    tree,
    request.source,
    run.verified,
  );
  ensureTrusted(report.verification.source, pair.source.text, "the source");

  const cargo = await readCargo(run, pair, { source, destination }, tree, asked);
  warnings.push(...(cargo?.warnings ?? []));
  if (cargo !== undefined && asked) await foretellDestination(run, pair, tree, cargo, report.verification.source);

  const { attachments, warnings: remarks } = await carry(run, source, destination, tree, tally);
  const simple = cargo === undefined ? [] : await unloadCargo(cargo, destination.name, request.dryRun);
  report.attachments = [...attachments, ...simple];
  warnings.push(...remarks);
  const { resigning } = request;
  if (resigning !== undefined && run.material !== undefined) {
    const signed = await resign(
      run.destination,
      destination,
      pair.destination.reference,
      subjectsOf(request, tree),
      resigningAs(resigning, { ...pair.destination.reference, tag }),
      run.material,
      request.dryRun,
    );
    report.resigned = [...signed];
  }
  if (request.dryRun) return asPlanned(report, tally, digest);

  await ensureStored(destination, tree);
  const { reference, ...trust } = destinationTrust(run, pair, resigning);
  report.verification.destination = await verifyAt(run, run.destination, destination, reference, tree, trust);
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

/** Where no tag moves, the image is pulled by its digest, and policies are asked about that. */
function byDigest(pair: PlannedPair, digest: Digest): PlannedPair {
  const { text, reference } = pair.destination;
  return { ...pair, destination: { text, reference: { ...reference, digest } } };
}

/** Signed anew is the name that the image is pulled by at the destination. */
function resigningAs(resigning: Resigning, destination: Reference): Resigning {
  const reference = resigning.options.reference ?? signedReference(resigning.formats, destination);
  return { ...resigning, options: { ...resigning.options, reference } };
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

/** Of a tag that was to be moved: whether it is known not to name the image now. */
function isKept(error: unknown): boolean {
  return isCountersignError(error) && (error.code === "E_TAG_MOVED" || error.code === "E_REGISTRY_CONFLICT");
}

function asPlanned(report: Mutable<PromotedImage>, tally: CopyTally, digest: string): PromotedImage["status"] {
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
