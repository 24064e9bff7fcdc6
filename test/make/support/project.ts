import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { requirePeer } from "../../interop/support/peers.ts";
import { countersignProgram } from "../../support/countersign.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

/** What a run of make printed, and how it ended. */
export interface MakeRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MakeOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** In place of the folder with everything: what stands in for PATH. */
  readonly path?: string;
}

/** A git repository that has countersign as a submodule. */
export interface Project {
  readonly folder: string;
  write(name: string, text: string): void;
  read(name: string): string;
  has(name: string): boolean;
  make(args: readonly string[], options?: MakeOptions): Promise<MakeRun>;
}

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"];

function git(folder: string, ...args: readonly string[]): void {
  execFileSync("git", ["-C", folder, ...identity, ...args], {
    stdio: "pipe",
    env: { PATH: "/usr/bin:/bin", HOME: folder },
  });
}

let source: string | undefined;

/** A repository of what users run: the makefile, and the program under test. */
function submoduleSource(): string {
  if (source !== undefined && existsSync(source)) return source;
  source = temporaryFolder();
  cpSync(join(root, "make"), join(source, "make"), { recursive: true });
  cpSync(dirname(countersignProgram()), join(source, "dist"), { recursive: true });
  writeFileSync(join(source, "package.json"), '{ "type": "module" }\n');
  git(source, "init", "--quiet");
  git(source, "add", "--all");
  git(source, "commit", "--quiet", "--message", "Release");
  return source;
}

/** A new project with these files, and countersign checked out under `.countersign`. */
export function createProject(files: Readonly<Record<string, string>>): Project {
  const folder = temporaryFolder();
  const write = (name: string, text: string) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text, { mode: text.startsWith("#!") ? 0o755 : 0o644 });
  };
  for (const [name, text] of Object.entries(files)) write(name, text);
  git(folder, "init", "--quiet");
  git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", submoduleSource(), ".countersign");
  return {
    folder,
    write,
    read: (name) => readFileSync(join(folder, name), "utf8"),
    has: (name) => existsSync(join(folder, name)),
    make: (args, options) => runMake(folder, args, options),
  };
}

/** Runs make to its end, not blocking the registry that runs in this process. */
function runMake(folder: string, args: readonly string[], { env, path }: MakeOptions = {}): Promise<MakeRun> {
  const environment = { PATH: path ?? `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: folder, ...env };
  return new Promise((resolve, reject) => {
    const child = spawn(requirePeer("make"), [...args], {
      cwd: folder,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const printed = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => (printed.stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (printed.stderr += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ exitCode: code ?? 255, ...printed }));
  });
}

/** A folder with the programs that a recipe needs and no other, and with these scripts. */
export function programsFolder(scripts: Readonly<Record<string, string>> = {}): string {
  const folder = temporaryFolder();
  for (const name of ["sh", "make", "mkdir", "dirname", "tr"]) {
    symlinkSync(execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim(), join(folder, name));
  }
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return folder;
}
