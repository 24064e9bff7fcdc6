import { join } from "node:path";
import { runProgram, type Terminal } from "../cli/program.ts";
import type { ExitCode } from "../model/error-codes.ts";
import { asCountersignError, CountersignError } from "../model/errors.ts";
import type { Host } from "../platform/host.ts";
import { jsonText } from "../reports/json.ts";
import type { ErrorReport, Report } from "../reports/report.ts";
import { commandLineOf } from "./arguments.ts";
import { refuseUntrustedEvent } from "./events.ts";
import { stepFolder } from "./folder.ts";
import { imagesOf, movesOf } from "./images.ts";
import { COMMANDS, type CommandName } from "./input-table.ts";
import { type ActionInputs, loadInputs } from "./inputs.ts";
import { outputsOf } from "./outputs.ts";
import { render } from "./render.ts";
import type { Runner } from "./runner.ts";
import { secretsOf } from "./secrets.ts";
import { type Program, setUp } from "./setup.ts";

/** What a run came to. */
interface Result {
  readonly report: Report | ErrorReport;
  readonly exit: ExitCode;
}

/**
 * The step: reads its inputs, hides the secrets among them, refuses what must not be signed, runs the command line in process, and
 * tells the job what came of it. Resolves to the exit status of the step, 0 or 1.
 */
export async function runStep(host: Host, runner: Runner, program: Program): Promise<0 | 1> {
  let command = namedCommand(host);
  let summary = true;
  let result: Result;
  const folder = await stepFolder(host, runner);
  try {
    const inputs = loadInputs(host.env);
    ({ command, summary } = inputs);
    for (const secret of secretsOf(inputs, host.env)) runner.mask(secret);
    if (inputs.command === "setup") {
      await runner.setOutput("path", await setUp(host, runner, program, folder));
      return 0;
    }
    if ((command === "sign" || command === "promote") && !inputs.allowUntrustedEvents) {
      await refuseUntrustedEvent(command, host);
    }
    result = await runCommand(inputs, folder, host, runner);
  } catch (thrown) {
    result = failed(command, thrown);
  }
  await tell(command, result, { summary, folder }, host, runner);
  return result.exit === 0 ? 0 : 1;
}

/** For what must be said before the inputs could be read. */
function namedCommand({ env }: Host): CommandName {
  return COMMANDS.find((name) => name === env["INPUT_COMMAND"]?.trim()) ?? "setup";
}

async function runCommand(inputs: ActionInputs, folder: string, host: Host, runner: Runner): Promise<Result> {
  const { command, given } = inputs;
  const work = command === "promote" ? promotion(inputs) : { images: imagesOf(inputs), list: undefined };
  const { images, list } = work;
  const own: string[] = list === undefined ? [] : ["--images=-"];
  if (command === "payload") {
    const path = given.get("payload") ?? join(folder, "payload");
    own.push(`--out=${path}`);
    await runner.setOutput("payload", path);
  } else if (command === "attach") {
    own.push(`--payload=${given.get("payload") ?? ""}`);
  }
  const { args, env } = commandLineOf(inputs, images, own);
  const guard = Buffer.from(host.randomBytes(16)).toString("hex");
  const print = (text: string) => runner.print(text, guard);
  let report: Report | ErrorReport | undefined;
  const terminal: Terminal = {
    out: print,
    err: print,
    interactive: false,
    report: (made) => {
      report = made;
    },
  };
  const token = host.env["GITHUB_TOKEN"] || given.get("github-token");
  const world: Host = {
    ...host,
    env: { ...host.env, ...env, ...(token === undefined ? {} : { GITHUB_TOKEN: token }) },
    mask: runner.mask,
    readStdin: async () => Buffer.from(list ?? ""),
  };
  const count = list?.split("\n").length ?? (command === "promote" ? 1 : images.length);
  runner.startGroup(`countersign ${command}, ${count === 1 ? "1 image" : `${count} images`}`);
  try {
    const exit = await runProgram(args, terminal, world);
    if (report === undefined) throw new CountersignError("E_BUG", `${command} ended without a report`);
    return { report, exit };
  } finally {
    runner.endGroup();
  }
}

/** One promotion as arguments, several as the list that the command line reads from its standard input. */
function promotion(inputs: ActionInputs): { readonly images: readonly string[]; readonly list: string | undefined } {
  const moves = movesOf(inputs);
  const [only] = moves;
  if (only !== undefined && moves.length === 1) return { images: [only.source, only.destination], list: undefined };
  return { images: [], list: moves.map(({ source, destination }) => `${source} ${destination}`).join("\n") };
}

function failed(command: CommandName, thrown: unknown): Result {
  const { code, message, hint, retry, exit } = asCountersignError(thrown);
  const error = { code, message, hint: hint ?? null, retry, place: null };
  return { report: { schemaVersion: 1, operation: command, error }, exit };
}

/** Outputs, report file, annotations and summary; what of them cannot be written is said, and changes no verdict. */
async function tell(
  command: CommandName,
  { report, exit }: Result,
  { summary, folder }: { readonly summary: boolean; readonly folder: string },
  host: Host,
  runner: Runner,
): Promise<void> {
  const rendered = render(command, report);
  runner.command(rendered.annotations);
  for (const [name, value] of Object.entries(outputsOf(report, exit))) await runner.setOutput(name, value);
  const file = join(folder, "report.json");
  await host.files.write(file, Buffer.from(jsonText(report)));
  await runner.setOutput("report", file);
  // A server without summaries is no reason to fail.
  if (summary && host.env["GITHUB_STEP_SUMMARY"]) await runner.addSummary(rendered.summary);
}
