import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { runStep } from "../../../src/action/run.ts";
import type { Runner } from "../../../src/action/runner.ts";
import { createNodeHost } from "../../../src/platform/node-host.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { inputVariables } from "./step.ts";

export interface Said {
  readonly kind: "mask" | "print" | "command" | "group" | "output" | "state" | "path" | "summary";
  readonly text: string;
}

export interface Step {
  readonly exit: 0 | 1;
  /** Everything that the runner was told, in order. */
  readonly said: readonly Said[];
  readonly outputs: Readonly<Record<string, string>>;
  readonly summary: string;
  /** Workflow commands. */
  readonly annotations: string;
  readonly log: string;
  /** RUNNER_TEMP. */
  readonly temporary: string;
}

/** Runs a step in this process, with a runner that writes down what it is told; nobody waits, sockets and files are real. */
export async function step(
  inputs: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<Step> {
  const folder = temporaryFolder();
  const [temporary, home] = [join(folder, "temp"), join(folder, "home")];
  for (const each of [temporary, home]) mkdirSync(each);
  const said: Said[] = [];
  const outputs: Record<string, string> = {};
  const say = (kind: Said["kind"]) => (text: string) => void said.push({ kind, text });
  const runner: Runner = {
    mask: say("mask"),
    print: say("print"),
    command: say("command"),
    startGroup: say("group"),
    endGroup: () => say("group")(""),
    setOutput: async (name, value) => {
      outputs[name] = value;
      say("output")(`${name}=${value}`);
    },
    saveState: async (name, value) => say("state")(`${name}=${value}`),
    addPath: async (path) => say("path")(path),
    addSummary: async (markdown) => say("summary")(markdown),
  };
  const host = {
    ...createNodeHost(),
    homeDirectory: home,
    sleep: async () => {},
    env: {
      PATH: "/usr/bin:/bin",
      RUNNER_TEMP: temporary,
      GITHUB_EVENT_NAME: "push",
      GITHUB_STEP_SUMMARY: join(folder, "summary"),
      ...env,
      ...inputVariables(inputs),
    },
  };
  const exit = await runStep(host, runner, { node: process.execPath, script: "/action/dist/index.js" });
  const textOf = (...kinds: readonly Said["kind"][]) =>
    said
      .filter(({ kind }) => kinds.includes(kind))
      .map(({ text }) => text)
      .join("");
  return {
    exit,
    said,
    outputs,
    summary: textOf("summary"),
    annotations: textOf("command"),
    log: textOf("print"),
    temporary,
  };
}
