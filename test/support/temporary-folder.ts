import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made: string[] = [];

/** A new empty folder, gone when the tests of the file are done. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "countersign-test-"));
  made.push(path);
  return path;
}

/** For each-file.ts, once the tests of a file are done. */
export function removeTemporaryFolders(): void {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
}
