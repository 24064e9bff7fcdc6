import type { FormatName } from "../model/signature.ts";
import { parseRepository, type Reference } from "../oci/reference.ts";
import type { Repository } from "../oci/repository.ts";
import type { Host } from "../platform/host.ts";
import { createReferrersStore } from "../stores/referrers-store.ts";
import { SETTLE } from "../stores/settle.ts";
import { withSharedLook } from "../stores/shared-look.ts";
import { createSimpleStore } from "../stores/simple-store.ts";
import type { Store } from "../stores/store.ts";
import { createTagStore, type TagStoreOptions } from "../stores/tag-store.ts";
import type { LookasideRoutes } from "./lookaside-routes.ts";

/** The stores of one repository, by the formats that are kept in them. */
export interface Stores {
  /** Those that are looked at whatever is asked for; the one of simple signatures is not among them. */
  readonly all: readonly Store[];
  /** Simple signatures, in the registry's extension or a lookaside: for those who ask for them. */
  readonly simple: Store;
  of(format: FormatName): Store;
  /** Those in which signatures of any of these formats are kept. */
  holding(formats: readonly FormatName[]): readonly Store[];
}

export interface StoresOptions extends TagStoreOptions {
  /** Where the lookasides of this run are; absent: none is named. */
  readonly lookasides?: LookasideRoutes | undefined;
  /** As the image was named, for rules about one tag or digest; the repository alone where it is not told. */
  readonly reference?: Reference | undefined;
  /** Whether it is a failure that there is no place for simple signatures; true unless told. */
  readonly demandsSimple?: boolean | undefined;
}

export function storesOf(repository: Repository, host: Host, options: StoresOptions = {}): Stores {
  const { lookasides, reference, demandsSimple } = options;
  const tag = createTagStore(repository, SETTLE, host, options);
  const referrers = withSharedLook(createReferrersStore(repository, SETTLE, host));
  const simple = createSimpleStore(repository, host, {
    lookaside: lookasides?.of(reference ?? parseRepository(repository.name)),
    passedOver: () => lookasides?.passOver(repository),
    demanded: demandsSimple,
  });
  const of = (format: FormatName) => (format === "cosign" ? tag : format === "openpgp" ? simple : referrers);
  return { all: [tag, referrers], simple, of, holding: (formats) => [...new Set(formats.map(of))] };
}
