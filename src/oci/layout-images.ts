import type { Digest } from "../model/digest.ts";
import { createLayoutFiles } from "./layout-files.ts";
import type { LayoutHost } from "./layout-host.ts";
import { type IndexEntry, imageEntries, kindOf, nameOf, readLayoutIndex } from "./layout-index.ts";
import { createReferrerFinder } from "./layout-referrers.ts";

/** One manifest that a layout folder holds for its own sake, and not because it refers to another. */
export interface HeldImage {
  readonly digest: Digest;
  /** Names it by itself; absent when it has none, or shares it with another image. */
  readonly tag?: string | undefined;
}

/** The images of a layout folder, each once. @throws E_LAYOUT_INVALID, E_FILE_UNREADABLE. */
export async function listHeldImages(host: LayoutHost, path: string): Promise<readonly HeldImage[]> {
  const files = createLayoutFiles(host, path);
  await files.check();
  const index = readLayoutIndex(await files.readIndex(), files.indexPath);
  const entries = imageEntries(index);
  // A kind says so of a manifest with a subject, too.
  const marked = entries.filter((entry) => kindOf(entry) !== undefined);
  const others = await createReferrerFinder(files).withoutSubject(entries.filter((entry) => !marked.includes(entry)));
  const images = new Map<Digest, HeldImage>();
  for (const entry of [...marked, ...others]) {
    const { digest } = entry.descriptor;
    images.set(digest, { digest, tag: images.get(digest)?.tag ?? ownName(entry, entries) });
  }
  return [...images.values()];
}

function ownName(entry: IndexEntry, entries: readonly IndexEntry[]): string | undefined {
  const name = nameOf(entry);
  const shared = entries.some((other) => nameOf(other) === name && other.descriptor.digest !== entry.descriptor.digest);
  return shared ? undefined : name;
}
