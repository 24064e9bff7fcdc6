import { join } from "node:path";
import { asCountersignError } from "../model/errors.ts";
import { createNodeHost } from "../platform/node-host.ts";
import { workflowCommand } from "../reports/workflow-command.ts";
import { removeStepFolder } from "./folder.ts";
import { createRunner } from "./runner.ts";

/**
 * The GitHub Action: `main` is the step, `post` runs when the job ends and leaves nothing of it behind. Resolves to the exit status of
 * the process; nothing thrown gets past it.
 */
export async function runAction(phase: "main" | "post"): Promise<0 | 1> {
  try {
    const host = createNodeHost();
    if (phase === "post") {
      await removeStepFolder(host);
      return 0;
    }
    const { runStep } = await import("./run.ts");
    const script = join(process.argv[1] ?? "", "..", "index.js");
    return await runStep(host, await createRunner(), { node: process.execPath, script });
  } catch (thrown) {
    const { code, message, hint } = asCountersignError(thrown);
    const lines = [message, ...(hint === undefined ? [] : [`mend: ${hint}`])];
    process.stdout.write(workflowCommand("error", { title: `countersign: ${code}`, lines }));
    return 1;
  }
}
