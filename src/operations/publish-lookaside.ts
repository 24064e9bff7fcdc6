import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Files } from "../platform/host.ts";
import type { LookasideReport } from "../reports/report.ts";
import type { LookasideBase } from "../stores/lookaside-base.ts";
import { readLookasideBlob } from "../stores/lookaside-blob.ts";
import { indexOfFile, isLookasideFolder } from "../stores/lookaside-path.ts";
import { add } from "../stores/lookaside-store.ts";

export interface PublishRequest {
  /** Folder of a lookaside, as `sign --lookaside-staging` writes it. */
  readonly staged: string;
  readonly target: LookasideBase;
}

const DEPTH = 32;

/**
 * Adds every signature of a staged lookaside to another, under the next free number of its image where it is not there already. Nothing of
 * the target is replaced, and several may publish at once. What fails ends it; run again, it goes on.
 *
 * @throws what the folder and the target throw; E_LOOKASIDE_GAP, E_LIMIT, E_FILE_UNREADABLE.
 */
export async function publishLookaside(
  files: Pick<Files, "list" | "read" | "exists">,
  { staged, target }: PublishRequest,
): Promise<LookasideReport> {
  if (!(await files.exists(`${staged}/.`))) {
    throw new CountersignError("E_FILE_UNREADABLE", `${staged} is no folder`, { hint: "check the path" });
  }
  const done: LookasideReport["files"][number][] = [];
  const warnings: string[] = [];

  const walk = async (path: string, depth: number): Promise<void> => {
    const names = (await files.list(path === "" ? staged : `${staged}/${path}`)).filter(
      (name) => !name.startsWith("."),
    );
    if (isLookasideFolder(path)) {
      const numbered = names.map((name) => ({ name, index: indexOfFile(name) ?? 0 }));
      for (const { name, index } of numbered.sort((one, other) => one.index - other.index)) {
        const from = `${path}/${name}`;
        if (index === 0) {
          warnings.push(`${from} is no signature: left alone`);
          continue;
        }
        const bytes = await files.read(`${staged}/${from}`, LIMITS.lookasideFile);
        const blob = readLookasideBlob(bytes);
        if ("fault" in blob) {
          // podman refuses an image for one broken file.
          warnings.push(`${from} is no signature, ${blob.fault}: left alone`);
          continue;
        }
        const { path: to, added } = await add(target, path, bytes);
        done.push({ from, to: `${target.name}/${to}`, status: added ? "added" : "present" });
        if (done.length > LIMITS.attachments) throw tooMany(staged);
      }
      return;
    }
    for (const name of names.sort()) {
      const inner = path === "" ? name : `${path}/${name}`;
      if (depth < DEPTH && (await files.exists(`${staged}/${inner}/.`))) await walk(inner, depth + 1);
      else warnings.push(`${inner} is no signature: left alone`);
    }
  };

  await walk("", 0);
  return { schemaVersion: 1, operation: "lookaside publish", files: done, warnings };
}

function tooMany(staged: string): CountersignError {
  return new CountersignError("E_LIMIT", `${staged} holds more than ${LIMITS.attachments} signatures`, {
    hint: "publish it in parts, and empty it once it is published",
  });
}
