import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { parseReference, parseRepository, type Reference } from "../oci/reference.ts";
import { isAttachmentTag } from "./targets.ts";

/** One promotion as the caller wrote it. */
export interface Pair {
  readonly source: string;
  readonly destination: string;
}

/** A reference beside its text. */
export interface Named {
  readonly text: string;
  readonly reference: Reference;
}

export interface PlannedPair {
  readonly source: Named;
  readonly destination: Named;
  /** The destination tag that moves; undefined: by digest only. */
  readonly tag: string | undefined;
}

/**
 * The pairs, read. A destination without tag and digest takes the source's tag, or goes by digest only where the source is named by
 * its digest.
 *
 * @throws E_REFERENCE_INVALID; E_USAGE for a tag that two pairs move, that carries signatures, or that a folder needs and has not.
 */
export function planPairs(pairs: readonly Pair[]): readonly PlannedPair[] {
  const planned = pairs.map(planPair);
  const taken = new Map<string, string>();
  for (const { source, destination, tag } of planned) {
    if (tag === undefined) continue;
    const key = `${destination.reference.name}:${tag}`;
    const other = taken.get(key);
    if (other !== undefined && other !== source.text)
      throw wrong(`${key} is the destination of two images: ${other} and ${source.text}`, "name each destination once");
    taken.set(key, source.text);
  }
  return planned;
}

function planPair({ source, destination }: Pair): PlannedPair {
  const from = parseReference(source);
  const to = parseReference(destination);
  const tag = isRepository(destination) ? from.tag : to.tag;
  if (tag !== undefined && isAttachmentTag(tag)) {
    throw wrong(
      `${destination} is a tag that carries signatures of another image`,
      "name the tag of an image; signatures come along by themselves",
    );
  }
  if (tag === undefined && to.kind === "layout") {
    throw wrong(
      `${destination} has no tag, and by digest alone nobody finds an image in a folder`,
      "write oci:PATH:TAG",
    );
  }
  const reference = { ...to, tag };
  return { source: { text: source, reference: from }, destination: { text: destination, reference }, tag };
}

/** Neither a tag nor a digest is written. */
function isRepository(text: string): boolean {
  try {
    parseRepository(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Pairs from a list: a source and a destination on each line, parted by blanks; empty lines and `#` comments are passed over.
 * @throws E_USAGE naming the line.
 */
export function parsePairs(text: string): readonly Pair[] {
  const pairs = text.split(/\r?\n/).flatMap((written, at) => {
    const line = written.trim();
    if (line === "" || line.startsWith("#")) return [];
    const [source, destination, ...others] = line.split(/\s+/);
    if (source !== undefined && destination !== undefined && others.length === 0) return [{ source, destination }];
    throw wrong(
      `line ${at + 1} of the list is not SOURCE DESTINATION: ${JSON.stringify(line.slice(0, 160))}`,
      "write two references on each line, parted by a blank",
    );
  });
  if (pairs.length > LIMITS.tags)
    throw wrong(`the list has ${pairs.length} lines, more than the ${LIMITS.tags} that are read`, "split it");
  return pairs;
}

function wrong(message: string, hint: string): CountersignError {
  return new CountersignError("E_USAGE", message, { hint });
}
