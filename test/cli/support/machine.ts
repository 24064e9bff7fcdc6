import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExitCode } from "../../../src/model/error-codes.ts";
import type { Host } from "../../../src/platform/host.ts";
import { runCommand } from "../../../src/platform/node-command.ts";
import { createNodeHost } from "../../../src/platform/node-host.ts";
import { runCaptured } from "../../support/run-captured.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { NOW } from "../../trust/support/pki.ts";

export interface Run {
  readonly exit: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
  /** Milliseconds that the program meant to wait; nobody did. */
  readonly slept: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly stdin?: string | Uint8Array | undefined;
}

/** A machine for the program alone: folders, environment and clock are its own, files and sockets are real. */
export interface Machine {
  readonly home: string;
  /** Keeps `content` in a folder that the program is not watched in; gives its path. */
  file(name: string, content: string | Uint8Array): string;
  /** The path of a file that is not there. */
  absent(name: string): string;
  /** Runs the command line in this process. The clock stands at NOW and moves only by what the program sleeps. */
  run(args: readonly string[], options?: RunOptions): Promise<Run>;
  /** Every file in the home, working and temporary folder, with what is in it. */
  contents(): ReadonlyMap<string, string>;
}

/** Makes a machine, and its working folder that of this process. `env` is all that the program sees of the environment. */
export function createMachine(env: Readonly<Record<string, string>> = {}): Machine {
  const folder = temporaryFolder();
  const [home, work, temporary, material] = ["home", "work", "tmp", "material"].map((name) => join(folder, name));
  if (!home || !work || !temporary || !material) throw new Error("no folders");
  for (const each of [home, work, temporary, material]) mkdirSync(each);
  process.chdir(work);
  return {
    home,
    file(name, content) {
      const path = join(material, name);
      writeFileSync(path, content, { mode: 0o600 });
      return path;
    },
    absent: (name) => join(material, name),
    async run(args, options = {}) {
      let slept = 0;
      const environment = { PATH: "/usr/bin:/bin", ...env, ...options.env };
      const host: Host = {
        ...createNodeHost(),
        env: environment,
        run: (command) => runCommand(command, environment),
        homeDirectory: home,
        temporaryDirectory: temporary,
        now: () => new Date(NOW.getTime() + slept),
        async sleep(milliseconds) {
          slept += milliseconds;
        },
        readStdin: async () => Buffer.from(options.stdin ?? ""),
      };
      return { ...(await runCaptured(args, host)), slept };
    },
    contents() {
      const files = [home, work, temporary].flatMap((root) =>
        readdirSync(root, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name)),
      );
      return new Map(files.sort().map((path) => [path, createHash("sha256").update(readFileSync(path)).digest("hex")]));
    },
  };
}
