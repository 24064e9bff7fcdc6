import type { ChildProcess } from "node:child_process";
import { CountersignError } from "../model/errors.ts";
import { causeCode } from "./faults.ts";
import type { Command, Completed } from "./host.ts";

const PASSED = ["PATH", "HOME", "TMPDIR", "LANG"];
const PROXIES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"].flatMap((name) => [name, name.toUpperCase()]);

/**
 * Runs a program, without a shell, in a process group of its own and an environment of named variables only, until it and whoever
 * holds its output are done.
 *
 * A program ended by a signal has the exit code 128 + its number, as in a shell; any exit code is an answer, not an error.
 * What it leaves unread of its input is no error either. On a timeout, or too much output, the whole group is killed; when it is done,
 * whoever is left of the group.
 *
 * @throws E_COMMAND when it cannot be started, E_TIMEOUT, E_LIMIT when its output is longer than `outputLimit`.
 */
export async function runCommand(
  command: Command,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Completed> {
  const { spawn } = await import("node:child_process");
  const { constants } = await import("node:os");
  const [program, ...args] = command.argv;
  return new Promise((resolve, reject) => {
    let child: ReturnType<typeof spawn>;
    try {
      child = spawn(program, args, {
        detached: true,
        shell: false,
        windowsHide: true,
        stdio: ["pipe", "pipe", "pipe"],
        env: select(env, [...PASSED, ...PROXIES, ...(command.passEnv ?? [])]),
      });
    } catch (cause) {
      reject(notStarted(program, cause));
      return;
    }
    let fault: CountersignError | undefined;
    const end = (reason: CountersignError) => {
      fault ??= reason;
      killGroup(child);
      // Who left the group may hold the pipes open: nobody waits for that.
      child.stdout?.destroy();
      child.stderr?.destroy();
    };
    const overflow = () =>
      end(
        new CountersignError("E_LIMIT", `${program} wrote more than the ${command.outputLimit} bytes that are read`, {
          hint: "run it by hand and see what it prints",
        }),
      );
    const stdout = collect(child.stdout, command.outputLimit, overflow);
    const stderr = collect(child.stderr, command.outputLimit, overflow);
    const timer = setTimeout(
      () =>
        end(
          new CountersignError("E_TIMEOUT", `${program} did not end within ${command.timeout} ms`, {
            hint: "run it by hand and see what it waits for",
          }),
        ),
      command.timeout,
    );
    const finished = endWithUs(child);
    child.once("error", (cause) => {
      fault ??= notStarted(program, cause);
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      finished();
      endRest(child);
      if (fault) reject(fault);
      else
        resolve({
          exitCode: code ?? 128 + (signal ? constants.signals[signal] : 0),
          stdout: stdout(),
          stderr: stderr(),
        });
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end(command.stdin);
  });
}

function select(env: Readonly<Record<string, string | undefined>>, names: readonly string[]): Record<string, string> {
  const selected: Record<string, string> = {};
  for (const name of names) {
    const value = env[name];
    if (value !== undefined) selected[name] = value;
  }
  return selected;
}

function collect(stream: NodeJS.ReadableStream | null, limit: number, overflow: () => void): () => Uint8Array {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > limit) overflow();
    else chunks.push(chunk);
  });
  stream?.on("error", () => {});
  return () => Buffer.concat(chunks);
}

const running = new Set<ChildProcess>();
const killAll = () => running.forEach(killGroup);

/** Kills a child's group should this process end before it; returns what takes that back. */
function endWithUs(child: ChildProcess): () => void {
  if (running.size === 0) process.once("exit", killAll);
  running.add(child);
  return () => {
    running.delete(child);
    if (running.size === 0) process.off("exit", killAll);
  };
}

/** The child leads a group: a negative number means everyone in it. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL");
  }
}

/** Nothing goes on behind the back of whoever asked: what a program leaves running of its group ends with it. */
function endRest(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nobody was left.
  }
}

function notStarted(program: string, cause: unknown): CountersignError {
  const code = causeCode(cause);
  return new CountersignError("E_COMMAND", `${program} cannot be started: ${code}`, {
    cause,
    hint: code === "ENOENT" ? "install it, or write its whole path" : "check that it is a program that may be run",
  });
}
