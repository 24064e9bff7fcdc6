import type { Digest } from "../model/digest.ts";
import type { Format, ManifestFacts } from "../model/format.ts";
import type { Authority } from "../model/policy.ts";
import type { Entry, FormatName, Malformed } from "../model/signature.ts";
import type { Reference } from "../oci/reference.ts";
import type { Repository } from "../oci/repository.ts";
import type { Assessment } from "../policies/judge.ts";
import type { Store } from "../stores/store.ts";
import { type Collected, collect } from "./collect.ts";
import { foretellPayload } from "./foretell-payload.ts";
import type { Session } from "./session.ts";
import { type Stores, storesOf } from "./stores.ts";

export interface Wanted {
  /** As the caller asked for it, which is what `--require-reference exact` compares. */
  readonly reference: Reference;
  /** Where it is, when it is asked for by another name: lookasides go by this. */
  readonly place?: Reference | undefined;
  readonly digest: Digest;
  /** The manifest, where it has been fetched and checked already. */
  readonly fetched?: ManifestFacts | undefined;
  /** The only image of the run: what may be needed is asked for at once, though some of it in vain. */
  readonly alone?: boolean | undefined;
}

export interface LookOptions {
  /** Signatures of these formats alone; of all when undefined. */
  readonly only: readonly FormatName[] | undefined;
  readonly at: Date;
  /** The image's own manifest, once it has come; undefined when there is none. */
  readonly facts: Promise<ManifestFacts | undefined>;
}

/** Looks at every place where signatures of an image can be, and assesses each one that is found by what the authorities ask for. */
export function look(
  { host, lookasides }: Session,
  repository: Repository,
  { reference, place, digest, alone }: Wanted,
  authorities: readonly Authority[],
  { only, at, facts }: LookOptions,
): Promise<Collected<Assessment | Malformed>> {
  const foretell = alone === true ? (subject: Digest) => foretellPayload(repository, subject) : undefined;
  const stores = storesOf(repository, host, { foretell, lookasides, reference: place ?? reference });
  return collect(
    only === undefined ? [...stores.all, ...simpleStores(stores, authorities)] : stores.holding(only),
    (entries) => knownFormats(entries, only),
    digest,
    async (evidence, format) =>
      "reason" in evidence
        ? evidence
        : (await judging()).assess(evidence, authorities, (trust) => format.check(evidence, digest, trust, at, facts)),
  );
}

/** What makes a verdict of answers: not loaded before the requests have gone out. */
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
