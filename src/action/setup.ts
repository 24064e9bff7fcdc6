import { join } from "node:path";
import type { Host } from "../platform/host.ts";
import type { Runner } from "./runner.ts";

/** Where the program is that a launcher starts. */
export interface Program {
  /** The Node.js that runs it: the runner's own, so that a job needs none. */
  readonly node: string;
  /** `dist/index.js` of this action. */
  readonly script: string;
}

/**
 * Puts `countersign` on the PATH of the steps that follow, until the job ends. A launcher for POSIX shells, which Windows has
 * too, and one for cmd and PowerShell.
 */
export async function setUp(host: Host, runner: Runner, program: Program, folder: string): Promise<string> {
  const bin = join(folder, "bin");
  await host.files.write(join(bin, "countersign"), Buffer.from(shellLauncher(program)), { mode: 0o755 });
  await host.files.write(join(bin, "countersign.cmd"), Buffer.from(windowsLauncher(program)));
  await runner.addPath(bin);
  return bin;
}

export function shellLauncher({ node, script }: Program): string {
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  return `#!/bin/sh\nexec ${quote(node)} ${quote(script)} "$@"\n`;
}

/** A path on Windows holds no quote; a percent sign would begin a variable. */
export function windowsLauncher({ node, script }: Program): string {
  const quote = (text: string) => `"${text.replaceAll("%", "%%")}"`;
  return `@${quote(node)} ${quote(script)} %*\r\n`;
}
