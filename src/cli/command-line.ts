import { Command, CommanderError } from "commander";
import type { ExitCode } from "../model/error-codes.ts";
import { CountersignError } from "../model/errors.ts";
import type { Host } from "../platform/host.ts";
import { withOwnSpelling } from "./cosign-flags.ts";
import type { Terminal } from "./terminal.ts";
import type { Verb } from "./verb.ts";
import { aliases, commandOf, verbs } from "./verbs.ts";
import { VERSION } from "./version.ts";

const summaries: Readonly<Record<string, string>> = {
  sign: "sign images, store the signatures, verify what was stored",
  payload: "write the bytes to sign for an image, for keys that cannot be reached from here",
  attach: "check and store what was signed elsewhere",
  verify: "verify images by key or by your own certificate authority",
  promote: "verify, copy with signatures, verify again, and only then move the tag",
  list: "show everything attached to an image; verifies nothing",
  save: "copy images with all that hangs on them into a folder, to carry them; verifies nothing",
  load: "copy an image of such a folder into a registry; verifies nothing",
  pki: "your own root, intermediate and leaves: make, check, revoke",
  lookaside: "places of OpenPGP signatures beside the registry: publish what is staged",
  policy: "tell what podman, skopeo and CRI-O make of a policy.json",
  "pulp-sign": "sign a manifest file for Pulp, as its signing service",
  triangulate: "print under which tag an image's signatures stand",
  quickstart: "see it all: sign, verify, tamper, promote, refuse; offline, on an embedded registry",
};

/**
 * Runs any command line, by commander: options in all their spellings, `--help`, and what is wrong with a line.
 * @throws E_USAGE, and what the verb throws.
 */
export async function runCommandLine(
  args: readonly string[],
  terminal: Terminal,
  host: Host | undefined,
): Promise<ExitCode> {
  let exit: ExitCode = 0;
  const word = args.find((arg) => !arg.startsWith("-"));
  const wanted = word === undefined || word === "help" ? word : commandOf(word);
  const program = new Command("countersign")
    .description(
      "Signs container images in every format that registries and clusters verify,\nand lets nothing pass that does not.",
    )
    .version(`countersign ${VERSION}`, "-V, --version")
    .helpCommand(true)
    .addHelpText("after", examples)
    .configureOutput({ writeOut: terminal.out, writeErr: () => undefined })
    .exitOverride();
  for (const [name, summary] of Object.entries(summaries)) {
    const command = program.command(name).summary(summary).description(summary);
    command.copyInheritedSettings(program);
    for (const [alias, target] of Object.entries(aliases)) if (target === name) command.alias(alias);
    // Only the verb that is asked for is loaded.
    const isWanted = wanted === name || (wanted === "help" && args.includes(name));
    const load = verbs[name];
    if (!isWanted || load === undefined) continue;
    install(command, await load(), async (verb, images, options) => {
      exit = await verb.run(images, options, terminal, host);
    });
  }
  if (args.length === 0) {
    terminal.out(program.helpInformation());
    return 2;
  }
  try {
    await program.parseAsync([...withOwnSpelling(args)], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (error.code === "commander.help") throw noVerb(wanted ?? "");
    throw new CountersignError("E_USAGE", usageSentence(error.message), {
      hint: `see countersign ${wanted === undefined || wanted === "help" ? "" : `${wanted} `}--help`,
    });
  }
  return exit;
}

/** Puts a verb's options and action on a command, and its own verbs under it. */
function install(
  command: Command,
  verb: Verb,
  run: (verb: Verb, images: readonly string[], options: unknown) => Promise<void>,
): void {
  verb.define(command);
  for (const own of verb.verbs ?? []) {
    install(
      command
        .command(own.name)
        .summary(own.summary ?? "")
        .description(own.summary ?? ""),
      own,
      run,
    );
  }
  if (verb.verbs !== undefined) return;
  command.action((...parameters: unknown[]) => run(verb, command.args, parameters.at(-2)));
}

function noVerb(wanted: string): CountersignError {
  return new CountersignError("E_USAGE", `${wanted} does nothing by itself`, {
    hint: `name what it shall do: see countersign ${wanted} --help`,
  });
}

/** What commander found wrong, on one line; of an unknown `--name=value` the value, which may be a secret, is left out. */
function usageSentence(message: string): string {
  return message
    .replace(/^error: /, "")
    .replace(/^unknown option '([^=]*)=[\s\S]*?'(?=(?:\n\(Did you mean [^\n]*\))?$)/, "unknown option '$1'")
    .replaceAll("\n", " ");
}

const examples = `
Examples:
  $ countersign quickstart
  $ countersign sign --key cosign.key registry.example.com/app@sha256:…
  $ countersign verify --ca-roots root.pem --certificate-identity https://ci.example.com/release \\
      registry.example.com/app:1.2

Exit status: 0 done, every image trusted; 1 refused; 2 wrong use; 3 could not tell, safe to try again; 70 a bug.
`;
