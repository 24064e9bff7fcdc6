import { CountersignError } from "../model/errors.ts";
import { createCopying, newTally } from "../oci/copy.ts";
import { listHeldImages } from "../oci/layout-images.ts";
import { readTree } from "../oci/manifest-tree.ts";
import { parseReference, type RegistryReference } from "../oci/reference.ts";
import type { Manifest, Repository } from "../oci/repository.ts";
import type { LoadReport } from "../reports/report.ts";
import { SETTLE } from "../stores/settle.ts";
import { copyAttachments } from "./copy-attachments.ts";
import { moveTag } from "./move-tag.ts";
import { problemOf } from "./problem.ts";
import { notFound } from "./resolve.ts";
import type { Session } from "./session.ts";

export interface LoadRequest {
  /** Path of the layout folder. */
  readonly directory: string;
  /** Tag or digest of the image in the folder; needed when it holds several. */
  readonly image?: string | undefined;
  /** Where it goes, in a registry. */
  readonly reference: string;
}

type ImageReport = LoadReport["images"][number];

/**
 * Copies one image of a layout folder, `save`'s, cosign's or any other, into a registry, with all that the folder has of it: blobs before
 * manifests, the image before what refers to it, the tag last, which then names it whatever it named before. Verifies nothing.
 *
 * @throws E_USAGE when it does not say which of several images, or not where to; E_SUBJECT_NOT_FOUND, E_LAYOUT_INVALID. What happens from then on is
 * in the report.
 */
export async function load(session: Session, request: LoadRequest): Promise<LoadReport> {
  const reference = ofRegistry(request.reference);
  const { directory } = request;
  const source = session.open({ kind: "layout", path: directory, name: `oci:${directory}` });
  const manifest = await choose(session, source, request, reference);
  const warnings: string[] = [];
  const tally = newTally();
  const report = {
    reference: request.reference,
    digest: manifest.digest,
    copied: tally,
    attachments: [] as ImageReport["attachments"],
  };
  const tag = reference.digest === undefined ? reference.tag : undefined;
  let image: ImageReport;
  try {
    const destination = session.open(reference);
    const before = tag === undefined ? undefined : await destination.getManifest(tag);
    const tree = await readTree(source, manifest);
    const copier = createCopying({ onMoved: (bytes) => session.progress.moved?.(bytes) }).between(source, destination);
    await copier.copy(tree, tally);
    const honoured = new Set<never>();
    const task = { source, destination, copier, tally, dryRun: false, honoured, settle: SETTLE, host: session.host };
    const copied = await copyAttachments(task, tree);
    report.attachments = [...copied.attachments];
    warnings.push(...copied.warnings);
    const moved = tag === undefined ? "unchanged" : await moveTag(destination, session.host, tag, before, manifest);
    const changed = tally.manifests + tally.blobs + tally.mounted > 0 || moved === "moved";
    image = {
      ...report,
      status: changed ? "loaded" : "unchanged",
      tag: tag === undefined ? null : { name: tag, previous: before?.digest ?? null, status: moved },
      errors: [],
    };
  } catch (error) {
    image = { ...report, status: "failed", tag: null, errors: [problemOf(error)] };
  }
  session.progress.finished(1, 1, request.reference);
  return { schemaVersion: 1, operation: "load", verified: false, directory, images: [image], warnings };
}

async function choose(
  session: Session,
  source: Repository,
  { directory, image }: LoadRequest,
  { digest }: RegistryReference,
): Promise<Manifest> {
  const wanted = image ?? digest ?? (await onlyHeld(session, directory));
  const manifest = await source.getManifest(wanted);
  if (manifest === undefined) throw notFound(source, wanted);
  if (digest === undefined || digest === manifest.digest) return manifest;
  throw new CountersignError("E_USAGE", `${wanted} in ${directory} is ${manifest.digest}, not ${digest}`, {
    hint: "leave out the digest at the destination, or name another image of the folder",
  });
}

async function onlyHeld(session: Session, directory: string): Promise<string> {
  const images = await listHeldImages(session.host, directory);
  const [first, ...others] = images;
  if (first === undefined) {
    throw new CountersignError("E_SUBJECT_NOT_FOUND", `${directory} holds no image`, {
      hint: "check the folder; a save that was stopped leaves it so, and is to be run again",
    });
  }
  if (others.length === 0) return first.digest;
  const names = images.slice(0, 10).map(({ digest, tag }) => tag ?? digest);
  throw new CountersignError("E_USAGE", `${directory} holds ${images.length} images: ${names.join(", ")}`, {
    hint: `say which: --image ${names[0]}`,
  });
}

function ofRegistry(text: string): RegistryReference {
  const reference = parseReference(text);
  if (reference.kind === "registry") return reference;
  throw new CountersignError("E_USAGE", `${text} is no image of a registry`, {
    hint: "name where to load it: REGISTRY/REPOSITORY:TAG",
  });
}
