import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { countersignProgram } from "../../support/countersign.ts";
import { requirePeer } from "./peers.ts";
import { run, temporaryFolder } from "./run.ts";

/**
 * Workflows run by `act` on this machine, without containers and without a network: what a workflow fetches is served from folders.
 * What GitHub's runner does and act does not: it hides secrets by its own list only, checks no `permissions:`, has no
 * environments, no OIDC endpoint and no `job.workflow_repository`.
 */

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..", "..");

export interface Annotation {
  readonly level: "error" | "warning";
  readonly title: string;
  readonly message: string;
}

export interface ActStep {
  readonly outputs: Readonly<Record<string, string>>;
  readonly result: string | undefined;
  readonly annotations: readonly Annotation[];
  /** What a reader of the log sees of it. */
  readonly log: string;
  readonly summary: string;
}

export interface ActRun {
  readonly succeeded: boolean;
  /** By `id:`, or by position where there is none. */
  step(id: string): ActStep;
  /** Post steps that ran, each with how it ended. */
  readonly post: readonly string[];
  /** All that was printed, but for act's own record of what it was told to hide, which GitHub's runner does not show. */
  readonly text: string;
}

export interface ActOptions {
  /** A workflow file, YAML. */
  readonly workflow: string;
  readonly event?: string;
  readonly payload?: unknown;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

const record = z.object({
  level: z.string().optional(),
  msg: z.string().default(""),
  stage: z.string().optional(),
  stepID: z.array(z.string()).default([]),
  stepResult: z.string().optional(),
  command: z.string().optional(),
  name: z.string().optional(),
  arg: z.string().optional(),
  content: z.string().optional(),
  kvPairs: z.record(z.string(), z.string()).nullish(),
});
type Entry = z.infer<typeof record>;

/** The repository as `uses: example/countersign@v1` fetches it: what is committed for users, and none of the rest. */
export function actionCheckout(): string {
  const folder = temporaryFolder("action");
  cpSync(path.join(root, "action.yml"), path.join(folder, "action.yml"));
  cpSync(path.dirname(countersignProgram()), path.join(folder, "dist"), { recursive: true });
  cpSync(path.join(root, ".github"), path.join(folder, ".github"), { recursive: true });
  return folder;
}

/** Stands in for actions/checkout, which needs a server: copies the folder that `repository` is served from. */
function checkoutStandIn(action: string): string {
  const folder = temporaryFolder("checkout");
  writeFileSync(
    path.join(folder, "action.yml"),
    JSON.stringify({
      name: "checkout",
      description: "copies",
      inputs: Object.fromEntries(
        ["repository", "ref", "path", "persist-credentials", "sparse-checkout", "sparse-checkout-cone-mode"].map(
          (name) => [name, { description: name }],
        ),
      ),
      runs: { using: "node24", main: "main.mjs" },
    }),
  );
  writeFileSync(
    path.join(folder, "main.mjs"),
    `import { cpSync } from "node:fs";
const { INPUT_REPOSITORY, INPUT_REF, INPUT_PATH, GITHUB_WORKSPACE } = process.env;
if (INPUT_REPOSITORY !== "example/countersign" || INPUT_REF !== "v1") throw new Error(\`not \${INPUT_REPOSITORY}@\${INPUT_REF}\`);
cpSync(${JSON.stringify(action)}, \`\${GITHUB_WORKSPACE}/\${INPUT_PATH}\`, { recursive: true });
`,
  );
  return folder;
}

/** Runs a workflow that uses `example/countersign@v1`, which is `action`. */
export async function runAct(action: string, options: ActOptions): Promise<ActRun> {
  const { event = "push" } = options;
  const folder = temporaryFolder("act");
  const [work, home, bin] = ["work", "home", "bin"].map((name) => path.join(folder, name));
  if (!work || !home || !bin) throw new Error("no folders");
  for (const each of [path.join(work, ".github", "workflows"), home, bin]) mkdirSync(each, { recursive: true });
  // The runner brings a Node.js of its own; act takes the one on PATH.
  symlinkSync(requirePeer("node24"), path.join(bin, "node"));
  const file = path.join(work, ".github", "workflows", "test.yml");
  writeFileSync(file, options.workflow);
  const eventFile = path.join(folder, "event.json");
  writeFileSync(eventFile, JSON.stringify(options.payload ?? {}));
  const secretFile = path.join(folder, "secrets");
  writeFileSync(secretFile, dotenv(options.secrets ?? {}));
  const PATH = `${bin}:/usr/bin:/bin`;
  const git = (...args: string[]) => execFileSync("git", args, { cwd: work, env: { PATH, HOME: home } });
  git("init", "--quiet", "--initial-branch=main");
  git("add", "--all");
  git("-c", "user.name=test", "-c", "user.email=test@example.test", "commit", "--quiet", "--message=test");
  git("remote", "add", "origin", "https://github.com/example/app");
  const checkout = checkoutStandIn(action);
  const completed = await run(
    requirePeer("act"),
    [
      event,
      ...["--json", "--platform", "ubuntu-latest=-self-hosted", "--platform", "ubuntu-24.04=-self-hosted"],
      ...["--workflows", file, "--eventpath", eventFile, "--secret-file", secretFile],
      ...["--local-repository", `example/countersign@v1=${action}`],
      ...["--local-repository", `actions/checkout@${checkoutCommit}=${checkout}`],
      ...Object.entries(options.env ?? {}).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    ],
    { cwd: work, env: { PATH, HOME: home }, timeout: 120_000 },
  );
  const entries = completed.stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => record.parse(JSON.parse(line)));
  const shown = completed.stdout.split("\n").filter((line) => !line.includes('"command":"add-mask"'));
  const text = `${shown.join("\n")}\n${completed.stderr}`;
  return {
    succeeded: completed.exitCode === 0,
    step: (id) => stepOf(entries, id, text),
    post: entries
      .filter(({ stage, stepResult }) => stage === "Post" && stepResult !== undefined)
      .map(({ stepResult }) => stepResult ?? ""),
    text,
  };
}

/** The commit of actions/checkout that our reusable workflows pin. */
const checkoutCommit = "de0fac2e4500dabe0009e67214ff5f5447ce83dd";

function stepOf(entries: readonly Entry[], id: string, text: string): ActStep {
  const own = entries.filter(
    ({ stage, stepID, command }) => stage === "Main" && stepID.at(-1) === id && command !== "add-mask",
  );
  if (own.length === 0) throw new Error(`no step ${id} ran:\n${text}`);
  return {
    outputs: Object.fromEntries(
      own.filter(({ command }) => command === "set-output").map(({ name = "", arg = "" }) => [name, arg]),
    ),
    result: own.find(({ stepResult }) => stepResult !== undefined)?.stepResult,
    annotations: own
      .filter(({ command }) => command === "error" || command === "warning")
      .map(({ command, kvPairs, arg = "" }) => ({
        level: command === "error" ? "error" : "warning",
        title: kvPairs?.["title"] ?? "",
        message: arg,
      })),
    log: own.map(({ msg }) => msg).join("\n"),
    summary: own.flatMap(({ command, content = "" }) => (command === "summary" ? [content] : [])).join(""),
  };
}

/** As act reads it; texts of several lines in quotes. */
function dotenv(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}\n`)
    .join("");
}
