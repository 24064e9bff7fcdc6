// One job of the GitLab templates: reads what the include wrote into COUNTERSIGN_INPUT_*, gets the program, runs it, and ends
// in its exit status. No shell sees an input. The templates carry this file word for word.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { getProgram } from "./program.mjs";
import { Stop, show } from "./stop.mjs";

const folder = path.dirname(fileURLToPath(import.meta.url));
const env = process.env;
/** verb: the command; guarded: it needs secrets; pairs: an image is "SOURCE DESTINATION"; reports: endings; flags: [input, flag, kind]. */
const job = JSON.parse(readFileSync(path.join(folder, "job.json"), "utf8"));

/**
 * What the include says, undefined where it says nothing. Empty is neither: a variable that is not set has expanded to nothing,
 * and a rule must not vanish so.
 */
function given(input) {
  const value = env[`COUNTERSIGN_INPUT_${input.toUpperCase().replaceAll("-", "_")}`]?.trim();
  if (value === undefined || value === "unset") return undefined;
  if (value !== "") return value;
  const mend = "set the variable that it names: one that is not set expands to nothing; or leave the input out";
  throw new Stop("E_USAGE", 2, `the input ${input} is empty`, mend);
}

const isOn = (input) => given(input) === `${input}=true`;
const linesOf = (input) =>
  (given(input) ?? "")
    .split(/\r\n|\n|\r/)
    .map((line) => line.trim())
    .filter((line) => line !== "");

try {
  if (job.guarded) refuseForks();
  const args = [job.verb, ...flags(), ...reports(), ...linesOf("extra-args"), ...images()];
  const program = await getProgram(given("program") ?? "", folder, env);
  console.log(`$ countersign ${args.map(shown).join(" ")}`);
  process.exitCode = await run(program, args);
} catch (error) {
  const known = error instanceof Stop ? error : new Stop("E_BUG", 70, error?.message ?? "", "report this");
  console.error(`countersign: ${known.code}: ${show(known.message)}\n  mend: ${show(known.mend)}`);
  process.exitCode = known.status;
}

/**
 * The pipeline of a fork's merge request runs what its author wrote, with this project's secrets when a member starts it here. The
 * author could take this check out too: it stops accidents; protected variables and environments stop attacks.
 */
function refuseForks() {
  const source = env.CI_MERGE_REQUEST_SOURCE_PROJECT_ID;
  const mergeRequest = env.CI_PIPELINE_SOURCE === "merge_request_event" || env.CI_MERGE_REQUEST_IID || source;
  const fork =
    mergeRequest && (!source || [env.CI_PROJECT_ID, env.CI_MERGE_REQUEST_PROJECT_ID].some((id) => id !== source));
  const from = env.CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY;
  const external = env.CI_PIPELINE_SOURCE === "external_pull_request_event" || env.CI_EXTERNAL_PULL_REQUEST_IID;
  const externalFork = external && (!from || from !== env.CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY);
  if ((!fork && !externalFork) || isOn("allow-forks")) return;
  throw new Stop(
    "E_EVENT_UNTRUSTED",
    2,
    `${job.verb} is refused in the merge request of a fork: others wrote what runs here`,
    "run this job for branches and tags, by the input rules; allow-forks: true if you mean it",
  );
}

function flags() {
  return job.flags
    .flatMap(([input, flag, kind]) => {
      if (kind === "switch") return isOn(input) ? [flag] : [];
      if (kind === "sources") return linesOf(input).flatMap((source) => [flag, sourceOf(input, source)]);
      const value = given(input);
      if (value === undefined) return [];
      if (kind === "value") return [flag, variableValue(input, value)];
      if (kind === "variable") return [flag, variable(input, value)];
      return [flag, kind === "source" ? sourceOf(input, value) : value];
    })
    .concat(instanceAuthority());
}

/** The certificate authority that the runner trusts for this instance, which is the registry's too. */
function instanceAuthority() {
  const file = env.CI_SERVER_TLS_CA_FILE;
  return file && existsSync(file) ? ["--registry-cacert", file] : [];
}

function sourceOf(input, source) {
  return source.startsWith("env://") ? variable(input, source.slice("env://".length)) : source;
}

/** A CI variable by its name: of type file its path, else its name again. Its value is in no argument. */
function variable(input, name) {
  const value = variableValue(input, name);
  return path.isAbsolute(value) && existsSync(value) ? value : `env://${name}`;
}

function variableValue(input, name) {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name)) {
    // Not shown: who pastes the secret in place of its name must not find it in the log.
    const mend = `write ${input}: NAME, without a dollar sign; never the secret itself, which is why what was written is not shown`;
    throw new Stop("E_USAGE", 2, `the input ${input} is not the name of a variable`, mend);
  }
  const value = (env[name] ?? "").trim();
  if (value === "")
    throw new Stop(
      "E_ENVIRONMENT_EMPTY",
      2,
      `the variable ${name}, named by the input ${input}, is empty or not set`,
      whyEmpty(),
    );
  return value;
}

function whyEmpty() {
  const ref = show(env.CI_COMMIT_REF_NAME ?? "this ref");
  const state = { true: `${ref} is protected`, false: `${ref} is not protected` }[env.CI_COMMIT_REF_PROTECTED] ?? "";
  const protection = `is the ref protected? A protected variable exists only on protected branches and tags${state && `, and ${state}`}`;
  return `${protection}; look for it under Settings, CI/CD, Variables, and at the environment it is bound to`;
}

function reports() {
  return job.reports.flatMap((ending) => ["--report", `${given("reports")}${ending}`]);
}

/** Behind "--", where nothing is taken for a flag. The command line holds one pair, whose registries credentials are for; others go by a file. */
function images() {
  const [listed, file] = [linesOf("images"), given("images-file")];
  if (file !== undefined && listed.length > 0)
    throw new Stop("E_USAGE", 2, "images and images-file are both given", "leave one out");
  if (file !== undefined) return [`--images=${file}`];
  if (listed.length === 0) {
    throw new Stop("E_USAGE", 2, "no image is named", "name them by the input images, one a line, or by images-file");
  }
  if (!job.pairs) return ["--", ...listed];
  const pairs = listed.map((line) => line.split(/\s+/));
  const [odd] = pairs.filter((pair) => pair.length !== 2);
  if (odd)
    throw new Stop(
      "E_USAGE",
      2,
      `${show(odd.join(" "))} is not SOURCE DESTINATION`,
      "write the two on a line, with a blank between",
    );
  const [first = [], ...others] = pairs;
  if (others.length === 0) return ["--", ...first];
  const list = path.join(folder, "images.txt");
  writeFileSync(list, others.map((pair) => `${pair.join(" ")}\n`).join(""));
  return [`--images=${list}`, "--", ...first];
}

function shown(arg) {
  return /^[\w@%+=:,./-]+$/.test(arg) ? arg : JSON.stringify(show(arg));
}

/** Resolves to the exit status; a program that was ended by a signal could not tell. */
function run(program, args) {
  const { NODE_EXTRA_CA_CERTS: extra, ...rest } = env;
  // Was set for the download alone, where the job itself has not set it.
  const own = extra && extra !== env.CI_SERVER_TLS_CA_FILE ? { ...rest, NODE_EXTRA_CA_CERTS: extra } : rest;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: "inherit", env: own });
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 3));
    for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => child.kill(signal));
  });
}
