// What scripts need before they can run on a machine that has Node and nothing else.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

/** Ends the process with a message when this Node is too old. */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 11)) return;
  console.error(`Node.js ${process.versions.node} is too old: install 20.11 or newer`);
  process.exit(1);
}

/** Runs a program in the repository, its output shown; throws when it fails. */
export function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed${error ? `: ${error.message}` : ""}`);
}

/** `npm ci` when what is installed is not what package-lock.json says. No package's own install script is run: none is needed. */
export function installDependencies() {
  if (dependenciesInstalled()) return;
  console.log("installing dependencies");
  run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
}

function dependenciesInstalled() {
  // npm's own record of what it has put into node_modules.
  const record = path.join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return false;
  const wanted = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(record, "utf8")).packages;
  return Object.entries(wanted).every(([where, { version, optional, peer }]) => {
    if (where === "") return true;
    // Optional packages are often for other platforms.
    if (installed[where] === undefined) return optional === true || peer === true;
    return installed[where].version === version && existsSync(path.join(root, where));
  });
}
