import type { Descriptor } from "../model/descriptor.ts";
import { CountersignError } from "../model/errors.ts";
import { type Copying, createCopying, newTally } from "../oci/copy.ts";
import type { SavedImage } from "../oci/layout-saved.ts";
import { createLayoutSaver, type LayoutSaver } from "../oci/layout-saver.ts";
import { readTree } from "../oci/manifest-tree.ts";
import { parseReference, type RegistryReference } from "../oci/reference.ts";
import type { Repository } from "../oci/repository.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { SaveReport } from "../reports/report.ts";
import { SETTLE } from "../stores/settle.ts";
import { type CopiedAttachment, copyAttachments } from "./copy-attachments.ts";
import { problemOf } from "./problem.ts";
import { resolve } from "./resolve.ts";
import type { Session } from "./session.ts";
import { expandTargets, type Targets } from "./targets.ts";

export interface SaveRequest {
  readonly targets: Targets;
  /** Path of the layout folder; made where there is none. */
  readonly directory: string;
}

type ImageReport = SaveReport["images"][number];
type Outcome = { readonly report: ImageReport; readonly saved?: SavedImage; readonly warnings: readonly string[] };

/** Nobody else sees a tag before `commit`: there is nothing to wait for. */
const ALONE = { ...SETTLE, base: 0, factor: 0 };

/**
 * Copies images from registries into one layout folder, with every platform and everything that hangs on them, known or not. The folder's
 * index names them when all are there. Verifies nothing.
 *
 * @throws E_USAGE for an image that is no registry's; E_LAYOUT_INVALID, E_FILE_UNWRITABLE of the folder. What befalls one image is in the
 * report: that one is not saved, also when one place where signatures may be could not be looked at.
 */
export async function save(session: Session, { targets, directory }: SaveRequest): Promise<SaveReport> {
  const { references, unlisted } = await expandTargets(session, targets);
  const wanted = references.map((text) => ({ text, reference: ofRegistry(text) }));
  const saver = await createLayoutSaver(session.host, directory);
  const copying = createCopying({ onMoved: (bytes) => session.progress.moved?.(bytes) });
  let done = 0;
  const outcomes = await mapConcurrently(wanted, session.concurrency, async ({ text, reference }) => {
    const outcome = await saveImage(session, saver, copying, text, reference);
    done += 1;
    session.progress.finished(done, wanted.length, text);
    return outcome;
  });
  const changed = await saver.commit(outcomes.flatMap(({ saved }) => saved ?? []));
  const images = outcomes.map(({ report }): ImageReport => {
    return report.status === "unchanged" && changed ? { ...report, status: "saved" } : report;
  });
  return {
    schemaVersion: 1,
    operation: "save",
    verified: false,
    directory,
    images: [...images, ...unlisted.map(({ reference, error }) => failed(reference, error))],
    warnings: outcomes.flatMap(({ warnings }) => [...warnings]),
  };
}

async function saveImage(
  session: Session,
  saver: LayoutSaver,
  copying: Copying,
  text: string,
  reference: RegistryReference,
): Promise<Outcome> {
  try {
    const source = session.open(reference);
    const destination = saver.image();
    const copier = copying.between(source, destination);
    const tally = newTally();
    const { manifest } = await resolve(source, reference);
    const tree = await readTree(source, manifest);
    await copier.copy(tree, tally);
    const honoured = new Set<never>();
    const task = { source, destination, copier, tally, dryRun: false, honoured, settle: ALONE, host: session.host };
    const { attachments, warnings } = await copyAttachments(task, tree);
    const { digest, mediaType, size } = manifest;
    const status = tally.manifests + tally.blobs === 0 ? "unchanged" : "saved";
    return {
      report: { reference: text, digest, status, copied: tally, attachments: [...attachments], errors: [] },
      saved: {
        image: { mediaType, digest, size },
        repository: reference.name,
        tag: reference.digest === undefined ? reference.tag : undefined,
        ...(await entriesOf(destination, attachments)),
      },
      warnings,
    };
  } catch (error) {
    return { report: failed(text, error), warnings: [] };
  }
}

/** What the folder's index is to say of attachments. */
async function entriesOf(
  folder: Repository,
  attachments: readonly CopiedAttachment[],
): Promise<Pick<SavedImage, "attachments" | "referrers">> {
  const named = (kind: "tag" | "referrer") => {
    const names = attachments.filter(({ place }) => place.kind === kind).map(({ place }) => place.name);
    return [...new Set(names)].sort();
  };
  const look = async (name: string): Promise<Descriptor> => {
    const manifest = await folder.getManifest(name);
    if (manifest === undefined) throw gone(folder, name);
    const { mediaType, digest, size, content } = manifest;
    const { artifactType = content.config?.mediaType, annotations } = content;
    return content.subject === undefined
      ? { mediaType, digest, size }
      : { mediaType, digest, size, artifactType, annotations };
  };
  const [tags, referrers] = await Promise.all([
    mapConcurrently(named("tag"), 16, async (name) => [name, await look(name)] as const),
    mapConcurrently(named("referrer"), 16, look),
  ]);
  return { attachments: new Map(tags), referrers };
}

function ofRegistry(text: string): RegistryReference {
  const reference = parseReference(text);
  if (reference.kind === "registry") return reference;
  throw new CountersignError("E_USAGE", `${text} is in a folder already`, {
    hint: "copy the folder, or name an image of a registry",
  });
}

function failed(reference: string, error: unknown): ImageReport {
  return { reference, digest: null, status: "failed", copied: newTally(), attachments: [], errors: [problemOf(error)] };
}

function gone({ name }: Repository, what: string): CountersignError {
  return new CountersignError("E_BLOB_MISSING", `${what} was put into ${name} and is not there`, {
    hint: "save again, and let no other program write into the folder meanwhile",
  });
}
