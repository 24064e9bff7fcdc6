import { runProgram } from "../../src/cli/program.ts";
import type { ExitCode } from "../../src/model/error-codes.ts";
import type { Host } from "../../src/platform/host.ts";

export interface CapturedRun {
  readonly exit: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command line in this process, in the world of `host`; what it would print is kept. */
export async function runCaptured(args: readonly string[], host: Host): Promise<CapturedRun> {
  let stdout = "";
  let stderr = "";
  const terminal = {
    out(text: string) {
      stdout += text;
    },
    err(text: string) {
      stderr += text;
    },
    interactive: false,
  };
  const exit = await runProgram(args, terminal, host);
  return { exit, stdout, stderr };
}
