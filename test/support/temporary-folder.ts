import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new empty folder, gone when the test process ends. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "countersign-test-"));
  process.once("exit", () => rmSync(path, { recursive: true, force: true }));
  return path;
}
