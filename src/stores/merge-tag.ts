import type { Descriptor } from "../model/descriptor.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import type { Manifest, Repository, WriteCondition } from "../oci/repository.ts";
import { isPassingRefusal } from "./put-manifest.ts";
import { type SettleHost, type SettleOptions, settleTime } from "./settle.ts";
import { type ListName, type Member, readTaggedList, type TaggedList } from "./tagged-list.ts";

/** A tag as it was read; `at` is when the reading began, in milliseconds. Undefined: the repository has no such tag. */
export interface Reading {
  readonly manifest: Manifest | undefined;
  readonly at: number;
}

/** Conditions that a registry has refused a write for: these it honours. Shared by all merges of one store. */
export type HonouredConditions = Set<"ifMatch" | "ifNoneMatch">;

export interface Merge {
  readonly repository: Repository;
  readonly tag: string;
  readonly list: ListName;
  /** One entry, or several at once. */
  readonly addition: Member | readonly Member[];
  /** Two entries of one key are the same entry. */
  keyOf(descriptor: Descriptor): string;
  /** The document with this list in place of the one it was read with; whatever it refers to is in the repository when this resolves. */
  render(list: TaggedList): Promise<{ readonly bytes: Uint8Array; readonly mediaType: string }>;
  /** An earlier reading, which may spare one. */
  readonly recent?: Reading | undefined;
  readonly honoured: HonouredConditions;
  readonly settle: SettleOptions;
  readonly host: SettleHost;
}

export async function readTag(repository: Repository, tag: string, host: SettleHost): Promise<Reading> {
  const at = host.now().getTime();
  return { manifest: await repository.getManifest(tag), at };
}

/**
 * Adds entries to the list under a tag, beside whatever others add at the same time, and resolves to the manifest that then
 * stood there. An entry that is there already is not written again.
 *
 * A write is conditional on the reading that it rests on (`If-Match`, `If-None-Match: *`). Registries may ignore
 * that without a word, so the tag is read back after a time in which every writer that had read it before will have
 * written, and each entry that was seen in this run and is gone by then is put back, until the tag rests. Only a
 * condition that the registry has refused a write for is known to be honoured, and needs no such wait.
 *
 * @throws E_REGISTRY_CONFLICT when the tag does not come to rest, E_MANIFEST_UNSUPPORTED when something else stands there, and what
 * `render` and the repository throw.
 */
export async function mergeIntoTag(merge: Merge): Promise<Manifest> {
  const { repository, tag, addition, keyOf, honoured, settle, host } = merge;
  const additions = "descriptor" in addition ? [addition] : addition;
  const seen = new Map<string, Member>();
  let reading = merge.recent ?? (await readTag(repository, tag, host));
  /** The last write or, after it, the last reading; the tag rests when it is found unchanged. */
  let last: { readonly digest: string; readonly window: number; readonly guarded: boolean } | undefined;
  let conditional = true;
  let contention = 0;
  let refusals = 0;

  for (let turn = 0; turn < settle.attempts; turn += 1) {
    const { manifest } = reading;
    const found = readTaggedList(manifest, merge.list, tag);
    const present = new Set(found.members.map(({ descriptor }) => keyOf(descriptor)));
    for (const member of found.members) seen.set(keyOf(member.descriptor), member);
    for (const member of additions) if (!seen.has(keyOf(member.descriptor))) seen.set(keyOf(member.descriptor), member);
    const missing = [...seen].filter(([key]) => !present.has(key)).map(([, member]) => member);

    if (missing.length === 0 && manifest !== undefined) {
      if (last === undefined || last.guarded || last.digest === manifest.digest) return manifest;
      // Others have written since, ours and all. One of them may not have seen everything: stay until they have settled.
      last = { ...last, digest: manifest.digest };
      contention += 1;
    } else {
      const list = { ...found, members: [...found.members, ...missing] };
      const outcome = await tryWrite(merge, reading, list, conditional);
      if (outcome.kind === "overtaken") {
        contention += 1;
        reading = outcome.by;
        continue;
      }
      if (outcome.kind === "refused") {
        contention += 1;
        refusals += outcome.condition === undefined ? 1 : 0;
        if (refusals >= REFUSALS) throw outcome.error;
        await host.sleep(host.random() * settle.freshness * contention);
        reading = await readTag(repository, tag, host);
        if (outcome.condition === undefined) continue;
        // Refused although nothing has changed: the registry does not mean by the condition what we do.
        if (isSame(reading, outcome.base)) conditional = false;
        else honoured.add(nameOf(outcome.condition));
        continue;
      }
      last = outcome;
    }
    if (!last.guarded) await host.sleep(settleTime(settle, last.window, contention, host.random()));
    reading = await readTag(repository, tag, host);
  }
  throw new CountersignError(
    "E_REGISTRY_CONFLICT",
    `the tag ${tag} in ${repository.name} did not come to rest: others keep writing it`,
    { hint: "try again when fewer programs sign this image at once, or use a registry that honours If-Match" },
  );
}

/** Refusals, other than for a condition, that are taken for passing. */
const REFUSALS = 4;

type Outcome =
  | {
      readonly kind: "written";
      readonly digest: string;
      /** Milliseconds from the start of the reading that it rests on to its end. */
      readonly window: number;
      /** Nobody can have written in between. */
      readonly guarded: boolean;
    }
  | { readonly kind: "overtaken"; readonly by: Reading }
  /** For the condition, or without one for a reason that may pass. */
  | {
      readonly kind: "refused";
      readonly error: CountersignError;
      readonly base: Reading;
      readonly condition?: WriteCondition | undefined;
    };

/** Writes once. What is refused is not sent again as it is: it would rest on an ever older reading. */
async function tryWrite(
  { repository, tag, render, honoured, settle, host }: Merge,
  earlier: Reading,
  list: TaggedList,
  conditional: boolean,
): Promise<Outcome> {
  const document = await render(list);
  const base = isFresh(earlier, settle, host) ? earlier : await readTag(repository, tag, host);
  if (!isSame(base, earlier)) return { kind: "overtaken", by: base };
  const condition = conditional ? conditionOf(base) : undefined;
  try {
    const { digest } = await repository.putManifest(tag, document, condition);
    const window = Math.max(0, host.now().getTime() - base.at);
    return { kind: "written", digest, window, guarded: condition !== undefined && honoured.has(nameOf(condition)) };
  } catch (error) {
    if (isPassingRefusal(error)) return { kind: "refused", error, base };
    if (condition === undefined || !isCountersignError(error) || error.code !== "E_REGISTRY_CONFLICT") throw error;
    return { kind: "refused", error, base, condition };
  }
}

function isSame(one: Reading, other: Reading): boolean {
  return one.manifest?.digest === other.manifest?.digest;
}

function nameOf(condition: WriteCondition): "ifMatch" | "ifNoneMatch" {
  return "ifMatch" in condition ? "ifMatch" : "ifNoneMatch";
}

function isFresh({ at }: Reading, { freshness }: SettleOptions, host: SettleHost): boolean {
  const age = host.now().getTime() - at;
  return age >= 0 && age <= freshness;
}

function conditionOf({ manifest }: Reading): WriteCondition | undefined {
  if (manifest === undefined) return { ifNoneMatch: true };
  return manifest.etag === undefined ? undefined : { ifMatch: manifest.etag };
}
