import { isCountersignError } from "../model/errors.ts";
import type { Repository } from "../oci/repository.ts";
import { memoUnlessFailed } from "../platform/memo.ts";

/** What registries have said so far in a run, by host. */
export type SignatureKeepers = Map<string, Promise<boolean>>;

/**
 * Whether the registry of a repository keeps simple signatures itself, for those whom nobody has asked to look for them: a registry that
 * refuses to say what it supports has not said that it keeps any, and everything else goes on. One request to each registry in a run.
 *
 * @throws what it fails with where it does not answer, which is no answer.
 */
export async function keepsSignatures(
  known: SignatureKeepers,
  { name, signatures }: Pick<Repository, "name" | "signatures">,
): Promise<boolean> {
  if (signatures === undefined) return false;
  const [registry = ""] = name.split("/");
  return memoUnlessFailed(known, registry, () =>
    signatures.supported().catch((error: unknown) => {
      if (isCountersignError(error) && REFUSALS.has(error.code)) return false;
      throw error;
    }),
  );
}

/** 403; and whatever else is neither what was asked for nor a fault that passes, 404 above all. */
const REFUSALS: ReadonlySet<string> = new Set(["E_REGISTRY_DENIED", "E_REGISTRY_ANSWER"]);
