import { CountersignError, isCountersignError } from "../model/errors.ts";
import type { Manifest, Repository, WriteCondition } from "../oci/repository.ts";
import type { Host } from "../platform/host.ts";

/** Readings of a tag that was written until it must show that, and the wait between them in milliseconds. */
const READINGS = 4;
const PAUSE = 500;

/**
 * Makes a tag name a manifest that the repository has, unless it names another than at the start: the writing is conditional on that
 * (`If-Match`, `If-None-Match`), where the registry honours it, and follows directly on a reading where it does not.
 *
 * @param before what the tag named at the start; undefined: it was not there.
 * @throws E_TAG_MOVED when somebody else has moved it since; E_STORED_DIFFERS when it was written and does not show it;
 * E_REGISTRY_CONFLICT when the registry does not let it move; and what the repository throws.
 */
export async function moveTag(
  repository: Repository,
  host: Pick<Host, "sleep">,
  tag: string,
  before: Manifest | undefined,
  { digest, bytes, mediaType }: Manifest,
): Promise<"moved" | "unchanged"> {
  const name = `${repository.name}:${tag}`;
  /** True when it names the manifest already. */
  const look = async (): Promise<Manifest | undefined | true> => {
    const now = await repository.getManifest(tag);
    if (now?.digest === digest) return true;
    if (now?.digest !== before?.digest) throw moved(name, before, now);
    return now;
  };
  const now = await look();
  if (now === true) return "unchanged";
  try {
    await repository.putManifest(tag, { bytes, mediaType }, conditionOn(now));
  } catch (error) {
    if (!isCountersignError(error) || error.code !== "E_REGISTRY_CONFLICT") throw error;
    // Refused although nothing has changed: the tag may not change, or the registry means something else by the condition.
    if ((await look()) !== true) await repository.putManifest(tag, { bytes, mediaType });
  }
  for (let reading = 1; reading <= READINGS; reading += 1) {
    if ((await look()) === true) return "moved";
    if (reading < READINGS) await host.sleep(PAUSE * reading);
  }
  throw new CountersignError("E_STORED_DIFFERS", `${name} was written, but does not name ${digest}`, {
    hint: "the registry takes writes that it does not keep: ask who runs it, then promote again",
  });
}

function conditionOn(now: Manifest | undefined): WriteCondition | undefined {
  if (now === undefined) return { ifNoneMatch: true };
  return now.etag === undefined ? undefined : { ifMatch: now.etag };
}

function moved(name: string, before: Manifest | undefined, now: Manifest | undefined): CountersignError {
  const [was, is] = [before?.digest ?? "nothing", now?.digest ?? "nothing"];
  return new CountersignError(
    "E_TAG_MOVED",
    `${name} named ${was} at the start and names ${is} now: somebody else has moved it`,
    {
      hint: "see who did; when this image shall still follow, promote again",
    },
  );
}
