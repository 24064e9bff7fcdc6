#!/usr/bin/env node
// Builds dist/ from src/: tsc (types checked) -> build/, esbuild joins what is loaded together -> build/joined/, ncc adds the
// packages -> one small index.js and a chunk for each import(), esbuild minifies them all. The same sources give the same bytes in every folder: CI rebuilds and compares.
import * as childProcess from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import ncc from "@vercel/ncc";
import { build, transform } from "esbuild";
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

/**
 * Our own modules, those that load together in one scope each: a module for itself costs a function and a getter for each
 * export, which is a third of what it takes to load them.
 */
async function join() {
  const entry = path.join("build", "main.js");
  if (!existsSync(entry)) fail("src/main.ts is missing: nothing to start from");
  const outdir = path.join("build", "joined");
  const settings = { bundle: true, splitting: true, format: "esm", platform: "node", target: "node20" };
  await build({ entryPoints: [entry], outdir, packages: "external", legalComments: "none", ...settings });
  return path.resolve(outdir, "main.js");
}

/** Files of the bundle by name, unminified, and the packages that went into it. */
async function bundle(entry) {
  const { code, assets, stats } = await ncc(entry, {
    cache: false,
    minify: false,
    quiet: true,
    esm: false,
    target: "es2022",
  });
  const { errors, warnings } = stats.compilation;
  for (const problem of [...errors, ...warnings]) console.error(`build: ${problem.message}`);
  if (errors.length + warnings.length > 0) fail("ncc complained: mend what it names above");

  const files = new Map([["index.js", startProcessesLate(code.replace(/^#!.*\n/, ""))]]);
  for (const [name, asset] of Object.entries(assets)) {
    if (name === "package.json") continue;
    // Anything but a chunk is a file that a dependency reads at run time, which a bundle cannot promise to find.
    if (!/^\d+\.index\.js$/.test(name))
      fail(`${name} wants to lie beside the bundle: keep the package that reads it out`);
    const source = asset.source.toString();
    files.set(name, isOpenPgp(source) ? requireAsItIs(source) : source);
  }
  if ([...files.values()].filter(isOpenPgp).length !== 1) fail("openpgp is not in one chunk: see isOpenPgp");
  return { files, packages: collectPackages(stats.compilation.modules, root) };
}

/** The chunk of OpenPGP.js, which stays a file of its own, as its authors wrote it (docs/decisions/016-openpgp.md). */
function isOpenPgp(source) {
  return /^\/\*! OpenPGP\.js v[0-9.]+ /m.test(source);
}

/** OpenPGP.js makes itself a `require` for Node's own modules from where its file lies; the one that is there does as well. */
function requireAsItIs(source) {
  const own = /\(0,\w+(?:\.createRequire)\)\(require\("url"\)\.pathToFileURL\(__filename\)\.href\)/g;
  if ((source.match(own) ?? []).length !== 1) fail("openpgp makes its require otherwise: see requireAsItIs");
  return source.replace(own, "require");
}

/** commander loads what starts processes as it is loaded itself, and only needs it for commands that are programs of their own. */
function startProcessesLate(code) {
  const eager = 'module.exports = require("node:child_process");';
  if (code.split(eager).length !== 2) fail("node:child_process is not loaded as it was: see startProcessesLate");
  const names = Object.keys(childProcess).filter((name) => name !== "default");
  const getters = names.map((name) => `get ${name}() { return require("node:child_process").${name}; }`);
  return code.replace(eager, `module.exports = { ${getters.join(", ")} };`);
}

async function minify(files) {
  const minified = new Map();
  for (const [name, source] of files) {
    if (isOpenPgp(source)) {
      minified.set(name, source);
      continue;
    }
    const { code } = await transform(source, {
      minify: true,
      format: "cjs",
      target: "node20",
      // A file of ASCII alone is kept and scanned by V8 in half the bytes.
      charset: "ascii",
      legalComments: "none",
    });
    minified.set(name, code);
  }
  return minified;
}

/** What must not be in a bundle that runs on other machines. */
function inspect(files) {
  for (const [name, bundled] of files) {
    // ncc's own line, for files that would lie beside the bundle; there are none.
    const source = bundled.replace(/\.ab=__dirname\+"\/"/, "");
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
const { files, packages } = await bundle(await join());
const program = await minify(files);
inspect(program);
program.set("index.js", `#!/usr/bin/env node\n${program.get("index.js")}`);
// What action.yml names: a runner starts a file without arguments.
for (const [name, word] of [
  ["action.js", "github-action"],
  ["action-post.js", "github-action-post"],
]) {
  program.set(name, `process.argv.splice(2, Infinity, "${word}");\nrequire("./index.js");\n`);
}
program.set("package.json", `${JSON.stringify({ type: "commonjs" })}\n`);
// What the LGPL asks to lie beside it.
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
