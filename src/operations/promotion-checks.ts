import { CountersignError } from "../model/errors.ts";
import type { Requirement, Verdict } from "../model/policy.ts";
import { type ManifestTree, manifestsOf } from "../oci/manifest-tree.ts";
import { formatReference, type Reference } from "../oci/reference.ts";
import type { Manifest, StreamingRepository } from "../oci/repository.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { PromoteReport } from "../reports/report.ts";
import type { EndTrust, PromoteRequest, PromotionRun, Resigning } from "./promotion.ts";
import type { PlannedPair } from "./promotion-pairs.ts";
import type { Session } from "./session.ts";
import { materialFor, ownTrust } from "./store-signature.ts";
import { byReference, overall, verifyOne } from "./verify.ts";
import type { ImageOutcome } from "./verify-image.ts";

/** What became of verifying at one end. */
export type Verification = NonNullable<PromoteReport["images"][number]["verification"]["source"]>;

/** The manifests that are signed if asked: the image; with `recursive`, or where a policy asks about them, every image of its index. */
export function subjectsOf(
  { recursive, source, destination }: PromoteRequest,
  tree: ManifestTree,
): readonly Manifest[] {
  const asked = [source, destination ?? source].some(({ requirement }) => asAskedOf(requirement) !== undefined);
  return recursive || asked ? manifestsOf(tree) : [tree.manifest];
}

function asAskedOf(requirement: EndTrust["requirement"]): "all" | "children" | undefined {
  return "requirementFor" in requirement ? requirement.asAsked : undefined;
}

/** Those that are verified. */
function verifiedOf(recursive: boolean, requirement: EndTrust["requirement"], tree: ManifestTree): readonly Manifest[] {
  const asAsked = asAskedOf(requirement);
  if (!recursive && asAsked === undefined) return [tree.manifest];
  const [top, ...children] = manifestsOf(tree);
  if (top === undefined || (asAsked === "children" && children.length > 0)) return children;
  return [top, ...children];
}

/** The verdict about the image and, if asked, about every image of its index. */
export async function verifyAt(
  { request }: PromotionRun,
  session: Session,
  repository: StreamingRepository,
  reference: Reference,
  tree: ManifestTree,
  trust: EndTrust & { readonly place?: Reference | undefined },
  seen?: Map<string, Promise<ImageOutcome>>,
): Promise<Verification> {
  const { requirement } = trust;
  const questions = questionsOf(request, trust, reference, tree);
  const images = await mapConcurrently(questions, 16, async ({ manifest, named, asked }) => {
    const { digest } = manifest;
    const told = asAskedOf(requirement) !== undefined || byReference(requirement) ? formatReference(asked) : "";
    const key = `${repository.name}@${digest} ${told}`;
    const wanted = { reference: asked, digest, fetched: manifest, place: trust.place };
    const known = seen?.get(key) ?? verifyOne(session, trust, repository, wanted);
    seen?.set(key, known);
    return { reference: formatReference({ ...named, digest }), ...(await known) };
  });
  return { verdict: overall(images.map(({ verdict }) => verdict)), images };
}

/** A manifest that is verified: what it is called, and the reference by which the requirement is asked about it. */
export interface Question {
  readonly manifest: Manifest;
  readonly named: Reference;
  readonly asked: Reference;
}

export function questionsOf(
  { recursive }: PromoteRequest,
  { requirement }: EndTrust,
  reference: Reference,
  tree: ManifestTree,
): readonly Question[] {
  const asAsked = asAskedOf(requirement);
  return verifiedOf(recursive, requirement, tree).map((manifest) => {
    const { digest } = manifest;
    const named = digest === tree.manifest.digest ? reference : { ...reference, tag: undefined, digest };
    return { manifest, named, asked: asAsked === undefined ? named : reference };
  });
}

export function ensureTrusted({ verdict, images }: Verification, text: string, where: string): void {
  // A policy that looks at nothing is no reason to promote.
  const unseen = images.find(({ status }) => status === "skipped");
  if (verdict === "trusted" && unseen === undefined) return;
  if (verdict === "trusted") {
    throw new CountersignError(
      "E_NOT_VERIFIED",
      `${unseen?.reference} is not verified at ${where}: the policy skips it`,
      {
        hint: "name a policy that verifies this repository, or trust by flags: nothing is promoted that does not verify",
      },
    );
  }
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
): EndTrust & { readonly reference: Reference; readonly place: Reference } {
  const place = pair.destination.reference;
  if (request.destination !== undefined) return { ...request.destination, reference: place, place };
  // The signatures that came along name the source, if anything.
  const { reference } = pair.source;
  if (resigning === undefined || offered === undefined) return { ...request.source, reference, place };
  const [format, ...others] = resigning.formats;
  const material = format === undefined || others.length > 0 ? offered : materialFor(format, offered);
  const leaf = material.chain.length > 1 ? material.chain[0] : undefined;
  const own: Requirement = {
    authority: {
      name: "the new signature",
      trust: { ...ownTrust(material), timestamps: resigning.witnessing?.trust },
      identities: leaf === undefined ? [] : [{ fingerprint: leaf.fingerprint }],
      annotations: resigning.options.annotations,
      reference: "none",
    },
  };
  const { requirement, formats } = request.source;
  return {
    requirement: both(requirement, own),
    formats: formats && [...new Set([...formats, ...resigning.formats.map(({ name }) => name)])],
    reference,
    place,
  };
}

function both(requirement: EndTrust["requirement"], own: Requirement): EndTrust["requirement"] {
  if (!("requirementFor" in requirement)) return { all: [requirement, own] };
  return {
    ...requirement,
    requirementFor(reference) {
      const found = requirement.requirementFor(reference);
      return found === undefined || found === "skip" || "refused" in found ? found : { all: [found, own] };
    },
  };
}
