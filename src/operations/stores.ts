import { CountersignError } from "../model/errors.ts";
import type { FormatName } from "../model/signature.ts";
import type { Repository } from "../oci/repository.ts";
import type { Host } from "../platform/host.ts";
import { createReferrersStore } from "../stores/referrers-store.ts";
import { SETTLE } from "../stores/settle.ts";
import { withSharedLook } from "../stores/shared-look.ts";
import type { Store } from "../stores/store.ts";
import { createTagStore, type TagStoreOptions } from "../stores/tag-store.ts";

/** The stores of one repository, by the formats that are kept in them. */
export interface Stores {
  readonly all: readonly Store[];
  of(format: FormatName): Store;
  /** Those in which signatures of any of these formats are kept. */
  holding(formats: readonly FormatName[]): readonly Store[];
}

export function storesOf(repository: Repository, host: Host, tagOptions: TagStoreOptions = {}): Stores {
  const tag = createTagStore(repository, SETTLE, host, tagOptions);
  const referrers = withSharedLook(createReferrersStore(repository, SETTLE, host));
  const of = (format: FormatName) => {
    if (format !== "openpgp") return format === "cosign" ? tag : referrers;
    throw new CountersignError("E_FORMAT_UNSUPPORTED", "there is no place to keep OpenPGP signatures in", {
      hint: "use another format",
      exit: 2,
    });
  };
  return { all: [tag, referrers], of, holding: (formats) => [...new Set(formats.map(of))] };
}
