import type { Digest } from "../model/digest.ts";
import type { Listing } from "../model/signature.ts";
import type { Store } from "./store.ts";

/** A store that is looked at once for all who ask of a subject before something is added to it: the formats of one run share the look. */
export function withSharedLook(store: Store): Store {
  const looks = new Map<Digest, Promise<Listing>>();
  return {
    kind: store.kind,
    list(subject) {
      const look = looks.get(subject) ?? store.list(subject);
      looks.set(subject, look);
      return look;
    },
    fetch: (entry, subject) => store.fetch(entry, subject),
    append(subject, artefact) {
      looks.delete(subject.digest);
      return store.append(subject, artefact);
    },
  };
}
