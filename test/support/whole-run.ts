import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Once for all files: a folder for whatever they make, so that nothing stays behind when a worker is ended. */
export default function wholeRun(): () => void {
  const folder = mkdtempSync(path.join(tmpdir(), "cs-"));
  process.env["TMPDIR"] = folder;
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
