import type { Format, SigningOptions } from "../model/format.ts";
import type { PublicMaterial, Signer } from "../model/signature.ts";
import type { Copying } from "../oci/copy.ts";
import type { PolicyEntry } from "../policies/containers/entry.ts";
import type { HonouredConditions } from "../stores/merge-tag.ts";
import type { Pair } from "./promotion-pairs.ts";
import type { Session } from "./session.ts";
import type { SignatureKeepers } from "./signature-keepers.ts";
import type { Witnessing } from "./store-signature.ts";
import type { VerifyRequest } from "./verify.ts";
import type { ImageOutcome } from "./verify-image.ts";

/** Signs for the destination, at the destination. */
export interface Resigning {
  readonly signer: Signer;
  readonly formats: readonly Format[];
  readonly options: SigningOptions;
  readonly witnessing?: Witnessing | undefined;
}

/** What must hold at an end: the same for every image, or as a policy says, by signatures of these formats or, unless told, of all. */
export type EndTrust = Pick<VerifyRequest, "requirement" | "formats">;

export interface PromoteRequest {
  readonly pairs: readonly Pair[];
  readonly source: EndTrust;
  /**
   * What must hold at the destination before its tag is moved. Absent: what holds at the source, the image still called by the source's
   * name, and, where it is signed anew, that signature too.
   */
  readonly destination?: EndTrust | undefined;
  readonly resigning?: Resigning | undefined;
  /** Every image of an index is verified, and signed anew, beside the index; copied it is in any case. */
  readonly recursive: boolean;
  readonly dryRun: boolean;
  /** Told what a policy.json at the destination must say to accept the OpenPGP signatures of an image that verified at the source. */
  readonly onPolicyEntry?: ((entry: PolicyEntry) => void) | undefined;
  readonly warnings: readonly string[];
}

/** What the promotions of a run share. */
export interface PromotionRun {
  readonly source: Session;
  readonly destination: Session;
  readonly request: PromoteRequest;
  /** Of the signer, when it is signed anew. */
  readonly material: PublicMaterial | undefined;
  readonly copying: Copying;
  /** The conditions on writes that a repository is known to honour. */
  honouredBy(repository: string): HonouredConditions;
  /** What was verified at sources. */
  readonly verified: Map<string, Promise<ImageOutcome>>;
  /** The last copy of each digest between each two repositories: another of the same waits, and then finds all of it there. */
  readonly carried: Map<string, Promise<unknown>>;
  /** The registries that keep simple signatures themselves. */
  readonly keepers: SignatureKeepers;
}
