import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "./temporary-folder.ts";

/** What a run printed, and how it ended. */
export interface CountersignRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output, which must be one JSON document. */
  json(): unknown;
}

export interface CountersignOptions {
  /** Added to PATH and HOME, which is all that it gets otherwise. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  readonly stdin?: string | Uint8Array | undefined;
  /** Milliseconds; 60 seconds unless told. */
  readonly timeout?: number | undefined;
  /** Another Node.js than this process has. */
  readonly node?: string | undefined;
  /** Another copy of the program than `countersignProgram` names. */
  readonly program?: string | undefined;
}

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
let folder: string | undefined;

function home(): string {
  // Gone where an earlier file of this worker made it.
  if (folder === undefined || !existsSync(folder)) folder = temporaryFolder();
  return folder;
}

/** The program under test: the bundle that users start, or what COUNTERSIGN_PROGRAM names. */
export function countersignProgram(): string {
  const program = process.env["COUNTERSIGN_PROGRAM"] || path.join(root, "dist", "index.js");
  if (!existsSync(program)) throw new Error(`${program} is not there: run node scripts/build.mjs`);
  return program;
}

/** A file of this text, gone when the test process ends: keys, certificates and roots are named by path. */
export function fileOf(text: string | Uint8Array): string {
  const name = path.join(home(), randomUUID());
  writeFileSync(name, text, { mode: 0o600 });
  return name;
}

/**
 * Runs countersign as its users do, in a process of its own with an empty home and a clean environment, to its end. Rejects
 * only when it does not end in time.
 */
export function runCountersign(args: readonly string[], options: CountersignOptions = {}): Promise<CountersignRun> {
  const { cwd = home(), stdin, timeout = 60_000, node = process.execPath, program = countersignProgram() } = options;
  const env = { PATH: "/usr/bin:/bin", HOME: home(), ...options.env };
  return new Promise((resolve, reject) => {
    const child = spawn(node, [program, ...args], { env, cwd });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    // It may end without reading its input.
    child.stdin.on("error", () => {});
    child.stdin.end(stdin);
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`countersign ${args.join(" ")}: no end after ${timeout} ms\n${Buffer.concat(stderr)}`));
    }, timeout);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const [out, err] = [Buffer.concat(stdout).toString(), Buffer.concat(stderr).toString()];
      resolve({
        exitCode: code ?? 255,
        stdout: out,
        stderr: signal === null ? err : `${err}ended by ${signal}\n`,
        json: () => JSON.parse(out) as unknown,
      });
    });
  });
}
