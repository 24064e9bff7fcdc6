import type { Digest } from "../model/digest.ts";
import type { ErrorCode } from "../model/error-codes.ts";
import { asCountersignError, CountersignError } from "../model/errors.ts";
import type { Format } from "../model/format.ts";
import { LIMITS } from "../model/limits.ts";
import { BUNDLE_PREDICATE_TYPE, COSIGN_SIGN_PREDICATE } from "../model/media-types.ts";
import type { Entry, Evidence, LookFailure, Malformed, Stored } from "../model/signature.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import { lookFailure } from "../stores/look-failure.ts";
import type { Store } from "../stores/store.ts";

/** What was found for one subject. `consider` sees each piece of evidence once and keeps what it needs; the bytes are let go. */
export interface Collected<T> {
  readonly kept: readonly T[];
  readonly failures: readonly LookFailure[];
}

/** Fetches in flight for one image; junk beside a signature must not hold the good one up. */
const FETCHES = 16;

/**
 * Lists every store, fetches what a format recognises, reads it, and hands each piece to `consider`. Never throws for what
 * a registry answers: a place that could not be looked at becomes a failure. `formats` is asked for those that
 * entries of a listing may be of, when it has come.
 */
export async function collect<T>(
  stores: readonly Store[],
  formats: (entries: readonly Entry[]) => Promise<readonly Format[]> | readonly Format[],
  subject: Digest,
  consider: (evidence: Evidence | Malformed, format: Format) => T | Promise<T>,
): Promise<Collected<T>> {
  const perStore = await Promise.all(
    stores.map(async (store) => {
      const listing = await store.list(subject);
      const known = await formats(listing.entries);
      const failures = [...listing.failures];
      const wanted = listing.entries.flatMap((entry) => {
        const candidates = known.filter((candidate) => candidate.recognises(entry));
        return candidates.length === 0 ? [] : [{ entry, candidates }];
      });
      wanted.sort((one, other) => byPromise(one.entry) - byPromise(other.entry));
      if (wanted.length > LIMITS.signatures) failures.push(tooMany(store, wanted.length));
      const kept = await mapConcurrently(wanted.slice(0, LIMITS.signatures), FETCHES, async ({ entry, candidates }) => {
        const [first] = candidates;
        if (first === undefined) return [];
        const fetched = await fetchEntry(store, entry, first, subject);
        if ("code" in fetched) {
          failures.push(fetched);
          return [];
        }
        if ("reason" in fetched) return [await consider(fetched, first)];
        const format = candidates.find((candidate) => candidate.holds?.(fetched)) ?? first;
        return [await consider(format.read(fetched), format)];
      });
      return { kept: kept.flat(), failures };
    }),
  );
  return { kept: perStore.flatMap(({ kept }) => kept), failures: perStore.flatMap(({ failures }) => failures) };
}

/** What is wrong with the thing itself, wherever it is asked for; everything else is a place that could not be looked at. */
const FAULTS: ReadonlySet<ErrorCode> = new Set([
  "E_SUBJECT_MISMATCH",
  "E_SIGNATURE_MALFORMED",
  "E_MANIFEST_INVALID",
  "E_MANIFEST_UNSUPPORTED",
  "E_TOO_LARGE",
]);

async function fetchEntry(
  store: Store,
  entry: Entry,
  format: Format,
  subject: Digest,
): Promise<Stored | Malformed | LookFailure> {
  try {
    return await store.fetch(entry, subject);
  } catch (error) {
    const { code, message } = asCountersignError(error);
    if (FAULTS.has(code)) return { format: format.name, place: entry.place, reason: { code, message } };
    return lookFailure(error, `${entry.place.kind} ${entry.place.name}`);
  }
}

/** Signatures before attestations, where the listing tells them apart: the limit is for what may be junk. */
function byPromise({ descriptor: { annotations } }: Entry): number {
  const type = annotations?.[BUNDLE_PREDICATE_TYPE];
  return type === undefined || type === COSIGN_SIGN_PREDICATE ? 0 : 1;
}

function tooMany(store: Store, count: number): LookFailure {
  const message = `${count} signatures are stored; only the first ${LIMITS.signatures} were looked at`;
  return lookFailure(new CountersignError("E_LIMIT", message, { hint: "remove what nobody needs" }), store.kind);
}
