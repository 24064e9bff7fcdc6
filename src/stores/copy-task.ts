import type { Copier, CopyTally } from "../oci/copy.ts";
import type { StreamingRepository } from "../oci/repository.ts";
import type { HonouredConditions } from "./merge-tag.ts";
import type { SettleHost, SettleOptions } from "./settle.ts";

/** What copying the things that hang on an image needs; shared by all of one pair of repositories. */
export interface CopyTask {
  readonly source: StreamingRepository;
  readonly destination: StreamingRepository;
  /** Between the two. */
  readonly copier: Copier;
  readonly tally: CopyTally;
  /** Looks, and writes nothing; the copier's own `dryRun` goes with it. */
  readonly dryRun: boolean;
  readonly honoured: HonouredConditions;
  readonly settle: SettleOptions;
  readonly host: SettleHost;
}
