import { type CountersignError, isCountersignError } from "../model/errors.ts";
import type { Repository } from "../oci/repository.ts";
import type { SettleHost } from "./settle.ts";

const ATTEMPTS = 4;
const STEP = 100;

/**
 * Whether a registry's refusal of a manifest may pass. Docker's registry refuses one (400 DIGEST_INVALID) for the moment in which somebody
 * else uploads a blob that it refers to: the signers of one image share the payload, and all of them the empty configuration.
 */
export function isPassingRefusal(error: unknown): error is CountersignError {
  return isCountersignError(error) && error.code === "E_REGISTRY_ANSWER";
}

/**
 * Writes a manifest that rests on nothing but its own bytes, and tries a few times where it is refused.
 * @throws what the repository throws.
 */
export async function putManifestPatiently(
  repository: Repository,
  host: SettleHost,
  reference: string,
  manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
): ReturnType<Repository["putManifest"]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await repository.putManifest(reference, manifest);
    } catch (error) {
      if (!isPassingRefusal(error) || attempt === ATTEMPTS) throw error;
      await host.sleep(STEP * attempt * (0.5 + host.random()));
    }
  }
}
