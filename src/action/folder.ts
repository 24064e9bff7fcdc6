import { join } from "node:path";
import type { Host } from "../platform/host.ts";
import type { Runner } from "./runner.ts";

const STATE = "folder";
const NAME = /^countersign-[0-9a-f]{16}$/;

/** Where the runner keeps what a job leaves behind. */
function temporary({ env, temporaryDirectory }: Pick<Host, "env" | "temporaryDirectory">): string {
  return env["RUNNER_TEMP"] || temporaryDirectory;
}

/**
 * A name for a folder of this step, which is made when something is put into it. It lasts until the job ends: later steps read
 * what lies there. The post step is told of it first, so that it goes whatever happens.
 */
export async function stepFolder(host: Host, runner: Runner): Promise<string> {
  const name = `countersign-${Buffer.from(host.randomBytes(8)).toString("hex")}`;
  await runner.saveState(STATE, name);
  return join(temporary(host), name);
}

/** Removes the folder of the step that this is the post step of. */
export async function removeStepFolder(host: Host): Promise<void> {
  const name = host.env[`STATE_${STATE}`] ?? "";
  // Only what is called as this action calls it is removed.
  if (NAME.test(name)) await host.files.remove(join(temporary(host), name));
}
