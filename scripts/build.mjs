#!/usr/bin/env node
// Builds dist/ from src/: tsc (types checked) -> build/, rolldown joins that with the packages and minifies -> one small index.js
// and a file for each import(). The same sources give the same bytes in every folder: CI rebuilds and compares.
import * as childProcess from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { collectPackages, renderNotices } from "./notices.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const started = performance.now();
// Module ids are hashed from paths relative to the working folder.
process.chdir(root);

function fail(message) {
  console.error(`build: ${message}`);
  process.exit(1);
}

/** Plain JavaScript of src/ in build/, emptied first so that no file of a deleted source lives on. */
function compile() {
  rmSync("build", { recursive: true, force: true });
  try {
    childProcess.execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
      stdio: ["ignore", "inherit", "inherit"],
    });
  } catch {
    fail("src/ does not compile: mend the errors above");
  }
}

/** Files of the bundle by name, and the packages that went into it. */
async function bundle() {
  const joined = await rolldown({
    input: { index: path.join("build", "main.js") },
    platform: "node",
    external: ["openpgp"],
    // What the parts need of the program's first lines, those give out.
    preserveEntrySignatures: "allow-extension",
    // A module can be loaded late by some and at once by others.
    checks: { ineffectiveDynamicImport: false },
    onLog(_level, { code, message }) {
      fail(`${code}: ${message}`);
    },
  });
  const { output } = await joined.generate({
    format: "cjs",
    dynamicImportInCjs: false,
    paths: { openpgp: "./openpgp.js" },
    chunkFileNames: "[name].js",
    codeSplitting: { includeDependenciesRecursively: false, groups: [{ name: groupOf, debugName: "parts" }] },
    minify: true,
    comments: false,
  });
  await joined.close();
  const files = new Map();
  for (const part of output) {
    // Anything but a chunk is a file that a dependency reads at run time, which a bundle cannot promise to find.
    if (part.type !== "chunk")
      fail(`${part.fileName} wants to lie beside the bundle: keep the package that reads it out`);
    files.set(part.fileName, part.code);
  }
  return { files, modules: output.flatMap(({ moduleIds }) => moduleIds) };
}

/**
 * What `verify` loads at one time, in one file each, which costs a millisecond, and so does wrapping its modules apart; others share
 * parts of them: the program's first lines, what is needed for the first request, for the others, and for the answers.
 */
const parts = [
  ["index", "main.js"],
  ["first", "cli/program.js"],
  ["looking", "operations/look.js"],
  ["looking", "oci/registry-contents.js"],
  ["judging", "operations/judge-image.js"],
];
const partOf = new Map();

/** The part that a module belongs to; undefined: rolldown puts it where it is needed, the first lines into index.js. */
function groupOf(id, graph) {
  if (partOf.size === 0) {
    for (const [name, entry] of parts) {
      for (const module of reachable(path.resolve("build", entry), graph)) {
        if (!partOf.has(module)) partOf.set(module, name);
      }
    }
  }
  const part = partOf.get(id);
  return part === "index" ? undefined : part;
}

/** `from`, and all that is loaded with it. */
function reachable(from, graph, seen = new Set()) {
  if (seen.has(from)) return seen;
  seen.add(from);
  for (const next of graph.getModuleInfo(from)?.importedIds ?? []) reachable(next, graph, seen);
  return seen;
}

/** What must not be in a bundle that runs on other machines. */
function inspect(files) {
  for (const [name, source] of files) {
    // A dependency that uses them looks for files beside itself, which are not here, perhaps only on a rare path.
    const leak = /\b(?:__dirname|__filename|import\.meta)\b/.exec(source);
    if (leak) fail(`${name} uses ${leak[0]}: ${context(source, leak.index)}`);
    const home = source.indexOf(root);
    if (home >= 0) fail(`${name} holds this folder's path: ${context(source, home)}`);
    if (source.includes("sourceMappingURL=")) fail(`${name} names a source map`);
  }
}

function context(source, index) {
  return source.slice(Math.max(0, index - 60), index + 60);
}

/** JSON: SHA-256 in hex by file name. */
function hashes(files) {
  const entries = [...files].map(([name, text]) => [name, createHash("sha256").update(text).digest("hex")]);
  return `${JSON.stringify(Object.fromEntries(entries.sort()), null, 1)}\n`;
}

function write(files) {
  const fresh = path.join(root, "build", "dist");
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  for (const [name, text] of files) writeFileSync(path.join(fresh, name), text);
  chmodSync(path.join(fresh, "index.js"), 0o755);
  rmSync("dist", { recursive: true, force: true });
  renameSync(fresh, "dist");
}

compile();
const { files: program, modules } = await bundle();
inspect(program);
const packages = collectPackages([...modules, path.resolve("node_modules", "openpgp", "dist")], root);
program.set("index.js", `#!/usr/bin/env node\n${program.get("index.js")}`);
// What action.yml names: a runner starts a file without arguments.
for (const [name, word] of [
  ["action.js", "github-action"],
  ["action-post.js", "github-action-post"],
]) {
  program.set(name, `process.argv.splice(2, Infinity, "${word}");\nrequire("./index.js");\n`);
}
program.set("package.json", `${JSON.stringify({ type: "commonjs" })}\n`);
// A file of its own as its authors wrote it, and its licence beside it, which the LGPL asks (docs/decisions/016-openpgp.md).
program.set("openpgp.js", readFileSync("node_modules/openpgp/dist/node/openpgp.cjs", "utf8"));
program.set("openpgp.license.txt", readFileSync("node_modules/openpgp/LICENSE", "utf8"));
program.set("licenses.txt", renderNotices(packages, readFileSync("LICENSE", "utf8")));
// Last: who gets dist/ file by file learns from it which there are, and what each must be.
program.set("files.json", hashes(program));
write(program);

const bytes = [...program.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
const entryBytes = Buffer.byteLength(program.get("index.js"));
console.log(
  `dist/ ${Math.ceil(bytes / 1024)} KB in ${program.size} files, index.js ${Math.ceil(entryBytes / 1024)} KB, ` +
    `${packages.length} packages, ${((performance.now() - started) / 1000).toFixed(1)} s`,
);
