import type { Digest } from "../model/digest.ts";
import { asCountersignError } from "../model/errors.ts";
import type { Format, ManifestFacts } from "../model/format.ts";
import type { Authority, Requirement } from "../model/policy.ts";
import type { Entry, FormatName } from "../model/signature.ts";
import type { Reference } from "../oci/reference.ts";
import type { Repository } from "../oci/repository.ts";
import { authoritiesOf } from "../policies/requirement.ts";
import type { Store } from "../stores/store.ts";
import { collect } from "./collect.ts";
import { foretellPayload } from "./foretell-payload.ts";
import type { ImageOutcome } from "./judge-image.ts";
import { problemOf } from "./problem.ts";
import { notFound } from "./resolve.ts";
import type { Session } from "./session.ts";
import { type Stores, storesOf } from "./stores.ts";

export type { ImageOutcome } from "./judge-image.ts";

export interface Wanted {
  /** As the caller asked for it, which is what `--require-reference exact` compares. */
  readonly reference: Reference;
  readonly digest: Digest;
  /** The manifest, where it has been fetched and checked already. */
  readonly fetched?: ManifestFacts | undefined;
  /** The only image of the run: what may be needed is asked for at once, though some of it in vain. */
  readonly alone?: boolean | undefined;
}

/**
 * The verdict about one digest: every place is looked at side by side with the manifest itself, every signature found is
 * checked; with `only`, signatures of these formats are looked for and no others. Never throws for what a registry answers or fails to answer.
 */
export async function verifyImage(
  session: Session,
  repository: Repository,
  { reference, digest, fetched, alone }: Wanted,
  requirement: Requirement,
  only?: readonly FormatName[],
): Promise<ImageOutcome> {
  const authorities = authoritiesOf(requirement);
  const at = session.host.now();
  const foretell = alone === true ? (subject: Digest) => foretellPayload(repository, subject) : undefined;
  const stores = storesOf(repository, session.host, { foretell, lookasides: session.lookasides, reference });
  const presence = fetched ?? present(repository, digest);
  const facts = Promise.resolve(presence).then((found) => ("verdict" in found ? undefined : found));
  const [found, { kept, failures }] = await Promise.all([
    presence,
    collect(
      only === undefined ? [...stores.all, ...simpleStores(stores, authorities)] : stores.holding(only),
      (entries) => knownFormats(entries, only),
      digest,
      async (evidence, format) =>
        "reason" in evidence
          ? evidence
          : (await judging()).assess(evidence, authorities, (trust) =>
              format.check(evidence, digest, trust, at, facts),
            ),
    ),
  ]);
  if ("verdict" in found) return found;
  return (await judging()).judgeImage(digest, reference, { requirement, assessments: kept, failures });
}

/** What makes a verdict of answers: not loaded before the first requests have gone out. */
const judging = () => import("./judge-image.ts");

/** Simple signatures are looked for where somebody's OpenPGP certificates are trusted: nobody else pays for the look. */
function simpleStores({ simple }: Stores, authorities: readonly Authority[]): readonly Store[] {
  return authorities.some(({ trust }) => trust.openpgp !== undefined) ? [simple] : [];
}

/** Formats that no entry can be of are not loaded at all. */
async function knownFormats(
  entries: readonly Entry[],
  only: readonly FormatName[] | undefined,
): Promise<readonly Format[]> {
  const { coreFormats } = await judging();
  const isCore = (entry: Entry) => coreFormats.some((format) => format.recognises(entry));
  const known = entries.every(isCore) ? coreFormats : Object.values((await import("../formats/registry.ts")).formats);
  return known.filter(({ name }) => only === undefined || only.includes(name));
}

/** Its manifest; or why an image cannot be trusted whatever is signed: it is not there, or what is there is not it. */
async function present(repository: Repository, digest: Digest): Promise<ManifestFacts | ImageOutcome> {
  try {
    const manifest = await repository.getManifest(digest);
    return manifest ?? unresolved(digest, notFound(repository, digest));
  } catch (error) {
    return unresolved(digest, error);
  }
}

/** An image that could not be had. Missing is an answer, and so is a damaged one; everything else is "could not tell". */
export function unresolved(digest: Digest | null, error: unknown): ImageOutcome {
  const { code, exit } = asCountersignError(error);
  const missing = code === "E_SUBJECT_NOT_FOUND";
  // Wrong use that shows only now, as credentials that cannot be read, is no fault of the image.
  const refused = exit === 1;
  return {
    digest,
    verdict: refused ? "untrusted" : "undetermined",
    status: missing ? "missing" : refused ? "refused" : "unreachable",
    signatures: [],
    errors: [problemOf(error)],
  };
}
