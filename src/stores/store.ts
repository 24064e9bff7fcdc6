import type { Subject } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import type { Artefact, Entry, Listing, Stored } from "../model/signature.ts";

/** One way a repository keeps what belongs to an image: bytes and descriptors, blind to their encoding. */
export interface Store {
  readonly kind: "tag" | "referrers" | "lookaside" | "extension";
  /**
   * What is kept for `subject`, and what could not be looked at. What a registry answers or fails to answer never throws
   * here: it becomes a failure of the listing, so that it cannot be mistaken for an empty place.
   */
  list(subject: Digest): Promise<Listing>;
  /**
   * The bytes of an entry that `list(subject)` or `append` gave.
   * @throws what the repository throws, E_MANIFEST_INVALID, E_SUBJECT_MISMATCH (a referrer that names another subject),
   * E_TOO_LARGE; E_BLOB_MISSING when what was listed is gone.
   */
  fetch(entry: Entry, subject: Digest): Promise<Stored>;
  /**
   * Adds an artefact beside what is there. The same artefact again adds nothing; what others wrote in the meantime stays.
   * Resolves, once the registry shows it, to the entry as it stands there.
   * @throws what the repository throws; E_REGISTRY_CONFLICT when other writers did not settle; E_LIMIT when the place is full;
   * E_FORMAT_UNSUPPORTED when the artefact cannot be kept this way.
   */
  append(subject: Subject, artefact: Artefact): Promise<Entry>;
}
