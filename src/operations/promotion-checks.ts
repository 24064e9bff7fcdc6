import { CountersignError } from "../model/errors.ts";
import type { Requirement, Verdict } from "../model/policy.ts";
import { type ManifestTree, manifestsOf } from "../oci/manifest-tree.ts";
import { formatReference, type Reference } from "../oci/reference.ts";
import type { Manifest, StreamingRepository } from "../oci/repository.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { PromoteReport } from "../reports/report.ts";
import type { PromoteRequest, PromotionRun, Resigning } from "./promotion.ts";
import type { PlannedPair } from "./promotion-pairs.ts";
import type { Session } from "./session.ts";
import { materialFor, ownTrust } from "./store-signature.ts";
import { byReference, overall } from "./verify.ts";
import { type ImageOutcome, verifyImage } from "./verify-image.ts";

/** What became of verifying at one end. */
type Verification = NonNullable<PromoteReport["images"][number]["verification"]["source"]>;

/** The manifests that are verified, and signed if asked: the image, with `recursive` every image of its index. */
export function subjectsOf({ recursive }: PromoteRequest, tree: ManifestTree): readonly Manifest[] {
  return recursive ? manifestsOf(tree) : [tree.manifest];
}

/** The verdict about the image and, if asked, about every image of its index. */
export async function verifyAt(
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

export function ensureTrusted({ verdict, images }: Verification, text: string, where: string): void {
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
export async function ensureStored(destination: StreamingRepository, tree: ManifestTree): Promise<void> {
  await mapConcurrently(manifestsOf(tree), 16, async ({ digest }) => {
    if ((await destination.getManifest(digest)) !== undefined) return;
    throw new CountersignError("E_STORED_DIFFERS", `${destination.name} took ${digest}, but does not have it`, {
      hint: "the registry takes writes that it does not keep: ask who runs it, then promote again",
    });
  });
}

/** What must hold at the destination, and by which name the image is called in signatures there. */
export function destinationTrust(
  { request, material: offered }: PromotionRun,
  pair: PlannedPair,
  resigning: Resigning | undefined,
): { readonly requirement: Requirement; readonly reference: Reference } {
  if (request.destinationRequirement !== undefined) {
    return { requirement: request.destinationRequirement, reference: pair.destination.reference };
  }
  // The signatures that came along name the source, if anything.
  const reference = pair.source.reference;
  if (resigning === undefined || offered === undefined) return { requirement: request.requirement, reference };
  const [format, ...others] = resigning.formats;
  const material = format === undefined || others.length > 0 ? offered : materialFor(format, offered);
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
