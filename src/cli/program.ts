import type { ExitCode } from "../model/error-codes.ts";
import type { Host } from "../platform/host.ts";
import { withOwnSpelling } from "./cosign-flags.ts";
import { reportError } from "./failure.ts";
import { readPlainLine } from "./plain-line.ts";
import { processTerminal, type Terminal } from "./terminal.ts";
import { commandOf } from "./verbs.ts";
import { verifyVerb } from "./verify-command.ts";

export type { Terminal } from "./terminal.ts";

/**
 * Runs the command line `args` (without node and program) in the world of `host`, the real one unless told. Resolves to the
 * exit status; nothing thrown gets past it.
 */
export async function runProgram(
  args: readonly string[],
  terminal: Terminal = processTerminal(),
  host?: Host,
): Promise<ExitCode> {
  try {
    return await dispatch(args, terminal, host);
  } catch (error) {
    return reportError(error, args.map(commandOf).find((name) => name !== undefined) ?? "", args, terminal);
  }
}

async function dispatch(args: readonly string[], terminal: Terminal, host: Host | undefined): Promise<ExitCode> {
  const [word, ...words] = withOwnSpelling(args);
  // The one verb that is waited for: a gate asks it before each start of a container.
  const line = word === verifyVerb.name ? readPlainLine(verifyVerb.define, words) : undefined;
  if (line !== undefined) return verifyVerb.run(line.images, line.options, terminal, host);
  const { runCommandLine } = await import("./command-line.ts");
  return runCommandLine(args, terminal, host);
}
