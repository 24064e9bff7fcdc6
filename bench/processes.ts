import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

export interface StartedProcess {
  /** The first line that it printed: its address. */
  readonly line: string;
  stop(): Promise<void>;
}

/** Starts a server of the benchmark in a process of its own, which ends with this one at the latest. */
export async function startProcess(program: string): Promise<StartedProcess> {
  const child = spawn(process.execPath, [path.resolve("build", "bench", program)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`${program} ended in ${code}`);
  });
  const [line] = (await Promise.race([once(createInterface(child.stdout), "line"), ended])) as [string];
  ended.catch(() => {});
  return {
    line,
    async stop() {
      process.off("exit", kill);
      const gone = once(child, "exit");
      kill();
      await gone;
    },
  };
}
