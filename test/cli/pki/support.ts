import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import type { Machine } from "../support/machine.ts";

/** The passphrase in the variable PKI. */
export const secret = "pki secret";

const made = new WeakMap<Machine, Map<string, Promise<string>>>();

/**
 * A new PKI; the machine's environment must have the passphrase. Keys take long to make and to encrypt: each machine makes one
 * for the same flags, and its tests get copies of it as it was.
 */
export async function initialised(machine: Machine, ...flags: readonly string[]): Promise<string> {
  return copyOf(machine, ["init", ...flags], async () => {
    const folder = join(temporaryFolder(), "pki");
    const run = await machine.run(["pki", "init", folder, "--passphrase", "env://PKI", ...flags]);
    expect(run.exit, run.stderr).toBe(0);
    return folder;
  });
}

/** A copy of the folder that `make` makes once for the same words on this machine. */
export async function copyOf(machine: Machine, words: readonly string[], make: () => Promise<string>): Promise<string> {
  const ofMachine = made.get(machine) ?? new Map<string, Promise<string>>();
  made.set(machine, ofMachine);
  const key = JSON.stringify(words);
  const original = ofMachine.get(key) ?? make();
  ofMachine.set(key, original);
  const folder = join(temporaryFolder(), "pki");
  cpSync(await original, folder, { recursive: true, preserveTimestamps: true });
  return folder;
}
