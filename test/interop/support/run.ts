import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export interface Completed {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** The whole environment of the program. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  readonly stdin?: string | Uint8Array | undefined;
  /** Milliseconds; 60 seconds unless told. */
  readonly timeout?: number | undefined;
}

/** Runs a program to its end and resolves with what it printed, whatever its exit code; rejects when it does not end in time. */
export function run(program: string, args: readonly string[], options: RunOptions): Promise<Completed> {
  const timeout = options.timeout ?? 60_000;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: options.env, cwd: options.cwd });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    // A program that ends without reading its input is not a failure of the test.
    child.stdin.on("error", () => {});
    child.stdin.end(options.stdin);
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`${program} ${args.join(" ")}: no end after ${timeout} ms\n${Buffer.concat(stderr)}`));
    }, timeout);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const text = Buffer.concat(stderr).toString();
      resolve({
        exitCode: code ?? 255,
        stdout: Buffer.concat(stdout).toString(),
        stderr: signal === null ? text : `${text}ended by ${signal}\n`,
      });
    });
  });
}

const folders: string[] = [];
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A new empty folder that goes when this process does. */
export function temporaryFolder(purpose: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), `countersign-${purpose}-`));
  folders.push(folder);
  return folder;
}
