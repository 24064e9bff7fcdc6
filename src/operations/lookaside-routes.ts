import type { Reference } from "../oci/reference.ts";
import type { Repository } from "../oci/repository.ts";
import type { LookasideBase } from "../stores/lookaside-base.ts";
import type { LookasideRoute } from "../stores/lookaside-store.ts";
import { type RegistriesD, scopesOf } from "../stores/registries-d.ts";

/** Which lookaside an image's simple signatures are in, for a run. */
export interface LookasideRoutes {
  of(reference: Reference): LookasideRoute;
  /** A registry keeps the signatures of this repository itself, so that its lookaside is neither read nor written. */
  passOver(repository: Pick<Repository, "name">): void;
  /** What the report says of them, once everything is done. */
  warnings(): readonly string[];
}

export interface LookasideSources {
  /** Named by flag, for every image: read, and written where nothing else is. */
  readonly lookaside?: LookasideBase | undefined;
  /** Named by flag: written, and published later. */
  readonly staging?: LookasideBase | undefined;
  readonly configuration?: RegistriesD | undefined;
  /** Whether the run may put anything anywhere. Who only reads does not see what is staged, as nobody else does. */
  readonly writes: boolean;
  /** A base by its address as the configuration has it; the same one for the same address. */
  readonly open: (address: string) => LookasideBase;
}

/** Flags before the configuration. containers/image's own default folder is never used: nobody looks for signatures there. */
export function createLookasideRoutes(sources: LookasideSources): LookasideRoutes {
  const { lookaside, staging, configuration, writes, open } = sources;
  const passedOver = new Set<string>();

  const configured = (reference: Reference, use: "read" | "write"): LookasideBase | undefined => {
    if (reference.kind !== "registry") return undefined;
    const address = configuration?.lookup(scopesOf(reference), use);
    return address === undefined ? undefined : open(address);
  };

  return {
    of(reference) {
      return {
        repository: reference.kind === "registry" ? reference.repository : undefined,
        read: lookaside ?? configured(reference, "read"),
        write: writes ? (staging ?? lookaside ?? configured(reference, "write")) : undefined,
      };
    },
    passOver({ name }) {
      passedOver.add(name);
    },
    warnings: () => [
      ...(configuration?.warnings ?? []),
      ...[...passedOver].map(
        (name) => `${name} keeps simple signatures in its registry: the lookaside is neither read nor written`,
      ),
    ],
  };
}
