import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import type { Machine } from "../support/machine.ts";

/** The passphrase in the variable PKI. */
export const secret = "pki secret";

/** A new PKI; the machine's environment must have the passphrase. */
export async function initialised(machine: Machine, ...flags: readonly string[]): Promise<string> {
  const folder = join(temporaryFolder(), "pki");
  const run = await machine.run(["pki", "init", folder, "--passphrase", "env://PKI", ...flags]);
  expect(run.exit, run.stderr).toBe(0);
  return folder;
}
