import { CountersignError } from "../model/errors.ts";
import type { SignatureExtension } from "../oci/extension-document.ts";
import type { Repository } from "../oci/repository.ts";
import type { Host } from "../platform/host.ts";
import { lookFailure } from "./look-failure.ts";
import type { LookasideRoute } from "./lookaside-store.ts";
import type { Store } from "./store.ts";

export interface SimpleStoreOptions {
  /** The lookaside of the repository; absent: none is named. */
  readonly lookaside?: LookasideRoute | undefined;
  /** Told when a lookaside is named and the registry keeps signatures itself. */
  readonly passedOver?: (() => void) | undefined;
  /** Whether it is a place that could not be looked at when there is none; false: then nothing is kept. */
  readonly demanded?: boolean | undefined;
}

/**
 * Where simple signatures of a repository are: in the registry, if it says that it keeps them, and then nowhere else (containers/image
 * docker_image_src.go); otherwise in the lookaside. Nothing is asked of the registry before the first look.
 */
export function createSimpleStore(
  { name, signatures }: Pick<Repository, "name" | "signatures">,
  host: Pick<Host, "randomBytes">,
  { lookaside, passedOver, demanded = true }: SimpleStoreOptions,
): Store {
  const named = lookaside?.read !== undefined || lookaside?.write !== undefined;
  let store: Promise<Store | undefined> | undefined;

  const choose = async (extension: SignatureExtension | undefined): Promise<Store | undefined> => {
    if (extension !== undefined && (await extension.supported())) {
      if (named) passedOver?.();
      const { createExtensionStore } = await import("./extension-store.ts");
      return createExtensionStore(extension, host);
    }
    if (!named) return undefined;
    const { createLookasideStore } = await import("./lookaside-store.ts");
    return createLookasideStore(lookaside);
  };

  const chosen = (): Promise<Store | undefined> => {
    store ??= choose(signatures);
    return store;
  };

  const needed = async (): Promise<Store> => {
    const there = await chosen();
    if (there === undefined) throw nowhere(name);
    return there;
  };

  return {
    kind: "lookaside",
    async list(subject) {
      try {
        const there = demanded ? await needed() : await chosen();
        return (await there?.list(subject)) ?? { entries: [], failures: [] };
      } catch (error) {
        return { entries: [], failures: [lookFailure(error, "signature extension or lookaside")] };
      }
    },
    fetch: async (entry, subject) => (await needed()).fetch(entry, subject),
    append: async (subject, artefact) => (await needed()).append(subject, artefact),
  };
}

function nowhere(name: string): CountersignError {
  return new CountersignError(
    "E_LOOKASIDE_MISSING",
    `${name} keeps no simple signatures itself, and no lookaside is named`,
    { hint: "name one with --lookaside DIR or URL, or with --registries-d DIR" },
  );
}
