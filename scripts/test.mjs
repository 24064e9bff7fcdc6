#!/usr/bin/env node
// The one test command. Installs and builds what is missing, runs every test (or those whose path matches the arguments),
// ends with the line "N passed, N failed" and exits non-zero unless N failed is 0. With CI set, a test that did not run
// has failed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { installDependencies, requireNode, root, run } from "./setup.mjs";

requireNode();
try {
  installDependencies();
  if (!existsSync(path.join(root, "dist", "index.js"))) {
    console.log("building dist/");
    run(process.execPath, ["scripts/build.mjs"]);
  }
} catch (error) {
  console.error(error.message);
  console.log("0 passed, 1 failed");
  process.exit(1);
}

const folder = mkdtempSync(path.join(tmpdir(), "countersign-test-"));
const reportFile = path.join(folder, "report.json");
const vitest = spawnSync(
  process.execPath,
  [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--allowOnly=false",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${reportFile}`,
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
);
const report = existsSync(reportFile) ? JSON.parse(readFileSync(reportFile, "utf8")) : { testResults: [] };
rmSync(folder, { recursive: true, force: true });

const files = report.testResults.map(({ name, status, assertionResults }) => ({
  name: path.relative(root, name),
  failed: status === "failed",
  tests: assertionResults,
}));
const tests = files.flatMap((file) => file.tests);
const passed = tests.filter((test) => test.status === "passed").length;
const notRun = tests.filter((test) => test.status !== "passed" && test.status !== "failed");
let failed = tests.filter((test) => test.status === "failed").length;

/** Counts one failure that is not that of a test. */
function refuse(message) {
  console.error(`FAILED: ${message}`);
  failed += 1;
}

for (const file of files) {
  if (file.failed && !file.tests.some((test) => test.status === "failed")) {
    refuse(`${file.name} broke outside its tests`);
  } else if (!file.failed && file.tests.every((test) => notRun.includes(test)) && !file.tests.every(wantsPeer)) {
    refuse(`${file.name} ran no test`);
  }
}
if (passed + failed === 0) refuse("no test ran");
if (vitest.status !== 0 && failed === 0) refuse(`vitest ended with status ${vitest.status ?? vitest.signal}`);

const missing = new Set(notRun.flatMap((test) => test.ancestorTitles.filter(namesPeer)));
for (const title of missing) console.log(`not run: ${title}`);
if (missing.size > 0) console.log("scripts/peers.sh installs the programs that these need");
let skipped = notRun.length;
if (process.env.CI && skipped > 0) {
  for (const test of notRun) console.error(`FAILED: not run: ${test.fullName}`);
  failed += skipped;
  skipped = 0;
}

// test/interop/support/peers.ts names its skipped suites so.
function namesPeer(title) {
  return title.endsWith(" missing)");
}

function wantsPeer(test) {
  return test.ancestorTitles.some(namesPeer);
}

console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed > 0 ? 1 : 0);
