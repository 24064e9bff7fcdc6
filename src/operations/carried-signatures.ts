import { formatNamed } from "../formats/registry.ts";
import type { Digest } from "../model/digest.ts";
import { asCountersignError, CountersignError } from "../model/errors.ts";
import { OPENPGP_SIGNATURE } from "../model/media-types.ts";
import type { Entry, Evidence, LookFailure, Malformed, Place, Stored } from "../model/signature.ts";
import { type ManifestTree, manifestsOf } from "../oci/manifest-tree.ts";
import type { Manifest, StreamingRepository } from "../oci/repository.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import { authoritiesOf } from "../policies/requirement.ts";
import type { Store } from "../stores/store.ts";
import type { CopiedAttachment } from "./copy-attachments.ts";
import type { EndTrust, PromoteRequest, PromotionRun } from "./promotion.ts";
import type { PlannedPair } from "./promotion-pairs.ts";
import { keepsSignatures } from "./signature-keepers.ts";
import { storesOf } from "./stores.ts";

/** A simple signature that is to be carried. */
interface Piece {
  readonly entry: Entry;
  readonly stored: Stored;
  /** Where the destination has it already. */
  readonly there: Place | undefined;
}

/** The simple signatures of one manifest, looked at before anything is written. */
interface Load {
  readonly manifest: Manifest;
  readonly pieces: readonly Piece[];
  /** What is at the destination already. */
  readonly others: readonly (Evidence | Malformed)[];
}

/** The simple signatures of an image and of the images of its index that the destination has a place for. */
export interface Cargo {
  readonly destination: Store;
  readonly loads: ReadonlyMap<Digest, Load>;
  readonly warnings: readonly string[];
}

/** Both ends of a promotion, opened. */
interface Ends {
  readonly source: StreamingRepository;
  readonly destination: StreamingRepository;
}

const openpgp = formatNamed("openpgp");

/**
 * Whether simple signatures are asked for: a lookaside is named at an end, somebody's OpenPGP certificates are trusted at one, or the format
 * is named. Then the promotion is about them, and none may be left behind.
 */
export function asksForSimple({ source, destination, request }: PromotionRun, pair: PlannedPair): boolean {
  if (source.lookasides !== undefined || destination.lookasides !== undefined) return true;
  return (
    resignsOpenPgp(request) ||
    trustsOpenPgp(request.source, pair.source.reference) ||
    (request.destination !== undefined && trustsOpenPgp(request.destination, pair.destination.reference))
  );
}

/** Whether the destination gets an OpenPGP signature of its own. */
export function resignsOpenPgp({ resigning }: PromoteRequest): boolean {
  return resigning?.formats.some(({ name }) => name === openpgp.name) === true;
}

function trustsOpenPgp({ requirement, formats }: EndTrust, reference: PlannedPair["source"]["reference"]): boolean {
  if (formats?.includes("openpgp")) return true;
  const asked = "requirementFor" in requirement ? requirement.requirementFor(reference) : requirement;
  if (asked === undefined || asked === "skip" || "refused" in asked) return false;
  return authoritiesOf(asked).some(({ trust }) => trust.openpgp !== undefined);
}

/**
 * Reads the simple signatures at the source, and looks which of them the destination has. Writes nothing.
 *
 * @param asked false: only what a registry keeps itself is looked for, and stays behind with a warning where the destination has no place.
 * Undefined where there is nothing to look at.
 * @throws what either place failed with: a signature might stay behind; E_LOOKASIDE_MISSING where some were asked for, of the source or
 * new, and the destination has no place for them.
 */
export async function readCargo(
  run: PromotionRun,
  pair: PlannedPair,
  ends: Ends,
  tree: ManifestTree,
  asked: boolean,
): Promise<Cargo | undefined> {
  if (!asked && !(await keepsSignatures(run.keepers, ends.source))) return undefined;
  const from = storesOf(ends.source, run.source.host, {
    lookasides: run.source.lookasides,
    reference: pair.source.reference,
    demandsSimple: false,
  }).simple;
  const found = await mapConcurrently(manifestsOf(tree), AT_ONCE, async (manifest) => ({
    manifest,
    ...(await readAll(from, manifest.digest)),
  }));
  const warnings = found.flatMap((one) => one.warnings);
  const count = found.reduce((sum, { stored }) => sum + stored.length, 0);
  const to = (demandsSimple: boolean) =>
    storesOf(ends.destination, run.destination.host, {
      lookasides: run.destination.lookasides,
      reference: pair.destination.reference,
      demandsSimple,
    }).simple;
  const destination = to(count > 0 || resignsOpenPgp(run.request));
  if (!asked && (count === 0 || !(await keepsSignatures(run.keepers, ends.destination)))) {
    const left = count === 0 ? [] : [leftBehind(count, pair, ends.destination)];
    return { destination, loads: new Map(), warnings: [...warnings, ...left] };
  }
  const loads = await mapConcurrently(found, AT_ONCE, async ({ manifest, stored }): Promise<Load> => {
    const { digest } = manifest;
    const entries = await entriesAt(destination, ends.destination, digest);
    const there = new Map(entries.map(({ descriptor, place }) => [descriptor.digest, place]));
    const others = await mapConcurrently(
      entries.filter((entry) => openpgp.recognises(entry)),
      AT_ONCE,
      async (entry) => readEntry(destination, entry, digest),
    );
    const pieces = stored.map((piece) => ({ ...piece, there: there.get(piece.entry.descriptor.digest) }));
    return { manifest, pieces, others };
  });
  return { destination, loads: new Map(loads.map((load) => [load.manifest.digest, load])), warnings };
}

function leftBehind(count: number, { source }: PlannedPair, { name }: StreamingRepository): string {
  const what = count === 1 ? "1 OpenPGP signature" : `${count} OpenPGP signatures`;
  return `${what} of ${source.text} stayed behind: ${name} has no place for them; --destination-lookaside DIR or URL, or --destination-registries-d DIR, would carry them`;
}

/** Manifests whose signatures are looked at together. */
const AT_ONCE = 8;

async function readAll(store: Store, digest: Digest) {
  const { entries, failures } = await store.list(digest);
  throwFirst(failures);
  const warnings: string[] = [];
  const leave = ({ place }: Entry, why: string) => warnings.push(`${place.kind} ${place.name} stays behind: ${why}`);
  const read = await mapConcurrently(entries, AT_ONCE, async (entry) => {
    if (entry.descriptor.mediaType !== OPENPGP_SIGNATURE) {
      leave(entry, "it is no OpenPGP signature");
      return undefined;
    }
    try {
      return { entry, stored: await store.fetch(entry, digest) };
    } catch (error) {
      const { code, message } = asCountersignError(error);
      if (code !== "E_SIGNATURE_MALFORMED") throw error;
      leave(entry, message);
      return undefined;
    }
  });
  return { stored: read.filter((piece) => piece !== undefined), warnings };
}

/** What the destination has; nothing where the image itself is not there yet, and its registry says so. */
async function entriesAt(store: Store, destination: StreamingRepository, digest: Digest): Promise<readonly Entry[]> {
  const { entries, failures } = await store.list(digest);
  const [failure] = failures;
  if (failure?.code === "E_LOOKASIDE_MISSING") {
    throw new CountersignError(
      failure.code,
      `${destination.name} has no place for OpenPGP signatures: it keeps none itself, and no lookaside is named for it`,
      { hint: "name one with --destination-lookaside DIR or URL, or with --destination-registries-d DIR" },
    );
  }
  if (failure?.code === "E_REGISTRY_ANSWER" && (await destination.getManifest(digest)) === undefined) return [];
  throwFirst(failures);
  return entries;
}

async function readEntry(store: Store, entry: Entry, digest: Digest): Promise<Evidence | Malformed> {
  try {
    return openpgp.read(await store.fetch(entry, digest));
  } catch (error) {
    const { code, message } = asCountersignError(error);
    if (code !== "E_SIGNATURE_MALFORMED") throw error;
    return { format: openpgp.name, place: entry.place, reason: { code, message } };
  }
}

/**
 * Puts the signatures beside those that the destination has, whose image is there by now: none is replaced.
 * @throws what the store throws.
 */
export async function unloadCargo(
  { destination, loads }: Cargo,
  repository: string,
  dryRun: boolean,
): Promise<readonly CopiedAttachment[]> {
  const copied = await mapConcurrently([...loads.values()], AT_ONCE, async ({ manifest, pieces }) => {
    const { digest, mediaType, size } = manifest;
    const done: CopiedAttachment[] = [];
    // One after the other: each takes the next number of its lookaside.
    for (const { entry, stored, there } of pieces) {
      const artefact = { format: openpgp.name, mediaType: stored.mediaType, bytes: stored.bytes, annotations: {} };
      const subject = { repository, digest, mediaType, size };
      const planned = there ?? (dryRun ? entry.place : undefined);
      const place = planned ?? (await destination.append(subject, artefact)).place;
      done.push({
        kind: "signature",
        format: openpgp.name,
        subject: digest,
        place: { kind: place.kind, name: place.name, digest: entry.descriptor.digest },
        artifactType: null,
        status: there !== undefined ? "present" : dryRun ? "planned" : "copied",
      });
    }
    return done;
  });
  return copied.flat();
}

function throwFirst([failure]: readonly LookFailure[]): void {
  if (failure === undefined) return;
  const { code, place, message, hint, retry } = failure;
  throw new CountersignError(code, `${place}: ${message}`, { hint, retry });
}
