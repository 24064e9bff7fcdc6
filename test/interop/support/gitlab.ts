/**
 * A GitLab of files: gitlab-ci-local reads a pipeline as GitLab does and runs its jobs by bash on this machine. The project that
 * has the templates is a git repository behind https://gitlab.example.test, its API and a mirror are a server of this process.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { type Handler, serve } from "../../../src/platform/serve.ts";
import { root } from "../../gitlab/support/templates.ts";
import { countersignProgram } from "../../support/countersign.ts";
import { requirePeer } from "./peers.ts";
import { run, temporaryFolder } from "./run.ts";

export interface Instance {
  /** Where the templates are: path on the instance, and commit. */
  readonly project: string;
  readonly commit: string;
  /** `http://127.0.0.1:PORT`: API under /api/v4, a file of `files` under its name. */
  readonly origin: string;
  /** Served beside the API, by name. */
  readonly files: Map<string, Uint8Array>;
  /** Home of git and gitlab-ci-local. */
  readonly home: string;
  close(): Promise<void>;
}

const token = "glcbt-of-this-job";

export async function startInstance(): Promise<Instance> {
  const home = temporaryFolder("gitlab-home");
  const [project, upstream] = ["security/countersign", path.join(home, "countersign")];
  for (const folder of ["gitlab", "templates"])
    cpSync(path.join(root, folder), path.join(upstream, folder), { recursive: true });
  const commit = commitAll(upstream, home);
  for (const setting of ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"])
    git(upstream, home, "config", setting, "true");
  git(
    home,
    home,
    "config",
    "--global",
    `url.file://${upstream}.insteadOf`,
    `https://gitlab.example.test/${project}.git`,
  );

  const files = new Map<string, Uint8Array>();
  const dist = path.dirname(countersignProgram());
  const handle: Handler = async ({ url, headers }) => {
    const raw = /^\/api\/v4\/projects\/security%2Fcountersign\/repository\/files\/dist%2F([\w.-]+)\/raw$/.exec(
      url.pathname,
    );
    const name = raw?.[1];
    if (name === undefined) return answer(files.get(url.pathname.slice(1)));
    const allowed = headers["job-token"] === token && url.searchParams.get("ref") === commit;
    const file = path.join(dist, name);
    return answer(allowed && existsSync(file) ? readFileSync(file) : undefined);
  };
  const { origin, close } = await serve(handle);
  return { project, commit, origin, files, home, close };
}

function answer(body: Uint8Array | undefined) {
  return body === undefined ? { status: 404, headers: {} } : { status: 200, headers: {}, body };
}

export interface Pipeline {
  /** `.gitlab-ci.yml`. */
  readonly configuration: object;
  /** Files of the project, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Variables of the project: text, or of type file. */
  readonly variables?: Readonly<Record<string, string | { readonly file: string }>>;
}

export interface PipelineRun {
  readonly exitCode: number;
  /** All that was printed, without colours. */
  readonly log: string;
  /** Exit status by job, of those that ran. */
  readonly jobs: Readonly<Record<string, number>>;
  /** The folder of the project. */
  readonly folder: string;
  /** What one job printed. */
  logOf(job: string): string;
  /** A file that a job has kept as an artifact. */
  artifact(job: string, file: string): string;
}

/** Commits the project afresh and runs its pipeline to the end, in a folder of its own. */
export async function runPipeline(
  instance: Instance,
  { configuration, files = {}, variables = {} }: Pipeline,
  flags: readonly string[] = [],
): Promise<PipelineRun> {
  const folder = temporaryFolder("gitlab-project");
  for (const [name, text] of Object.entries({ ...files, ".gitlab-ci.yml": stringify(configuration) })) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  commitAll(folder, instance.home);
  git(folder, instance.home, "remote", "add", "origin", "https://gitlab.example.test/team/app.git");
  const ofProject = Object.entries(variables).map(([name, value]) => [
    name,
    typeof value === "string"
      ? { type: "variable", values: { "*": value } }
      : { type: "file", values: { "*": value.file } },
  ]);
  writeFileSync(path.join(folder, ".gitlab-ci-local-variables.yml"), stringify(Object.fromEntries(ofProject)));
  const predefined = { CI_API_V4_URL: `${instance.origin}/api/v4`, CI_JOB_TOKEN: token };
  const given = Object.entries(predefined).flatMap(([name, value]) => ["--variable", `${name}=${value}`]);
  const done = await run(
    requirePeer("gitlab-ci-local"),
    ["--force-shell-executor", "--color=false", ...given, ...flags],
    { cwd: folder, env: environment(instance.home), timeout: 120_000 },
  );
  const log = done.stdout + done.stderr;
  const ends = [...log.matchAll(/^(?!pipeline )(\S+) +finished in .*?(?:(?:FAIL|WARN) (\d+)|PASS)? *$/gm)];
  return {
    exitCode: done.exitCode,
    log,
    folder,
    jobs: Object.fromEntries(ends.map(([, job = "", status]) => [job, Number(status ?? 0)])),
    logOf: (job) =>
      [...log.matchAll(/^(\S+) +> (.*)$/gm)].flatMap(([, name, line = ""]) => (name === job ? [line] : [])).join("\n"),
    artifact: (job, file) => readFileSync(path.join(folder, ".gitlab-ci-local", "artifacts", job, file), "utf8"),
  };
}

function environment(home: string): Record<string, string> {
  return {
    PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin`,
    HOME: home,
    GIT_CONFIG_NOSYSTEM: "1",
    FORCE_COLOR: "0",
  };
}

function git(cwd: string, home: string, ...args: string[]): string {
  return execFileSync("git", args, {
    cwd,
    env: environment(home),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
}

/** A repository of all that is in the folder, as one commit; its hash. */
function commitAll(folder: string, home: string): string {
  git(folder, home, "init", "--quiet", "--initial-branch=main");
  git(folder, home, "add", "--all");
  git(
    folder,
    home,
    "-c",
    "user.name=test",
    "-c",
    "user.email=test@example.test",
    "commit",
    "--quiet",
    "--message=Test",
  );
  return git(folder, home, "rev-parse", "HEAD").trim();
}
