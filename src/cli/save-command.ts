import type { Command } from "commander";
import { save } from "../operations/save.ts";
import { carryText } from "../reports/carry-text.ts";
import { exitOfCarry } from "./exit.ts";
import { readOptions, text } from "./option-values.ts";
import {
  addImageOptions,
  addOutputOptions,
  addRegistryOptions,
  imageReaders,
  outputReaders,
  registryReaders,
} from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import { directoryOf } from "./saved-directory.ts";
import { openSession } from "./session.ts";
import { loadTargets } from "./targets.ts";
import type { Verb } from "./verb.ts";

const { recursive: _, ...imagesReaders } = imageReaders;
const readers = { dir: text, ...imagesReaders, ...registryReaders, ...outputReaders };

/** `save --dir DIR IMAGE…`: images with all that hangs on them into a folder that cosign loads. Verifies nothing and says so. */
export const saveVerb: Verb = {
  name: "save",
  define(command: Command): Command {
    command.argument(
      "[image...]",
      "references, or repositories with --all or --tags; - reads a list from standard input",
    );
    command.option("--dir <folder>", "the folder to save into: made where there is none, added to where there is one");
    addImageOptions(command, { recursive: false });
    addRegistryOptions(command);
    addOutputOptions(command);
    return command.addHelpText("after", help);
  },
  async run(images, raw, terminal, world) {
    const options = readOptions(readers, raw);
    const directory = directoryOf(options.dir);
    const session = await openSession(options, terminal, { verb: "saved", actions: "pull", images, host: world });
    await checkReportPlace(options.report, session.host);
    const targets = await loadTargets(session.host, images, options);
    const report = await session.finish(() => save(session, { targets, directory }));
    return emit(report, carryText, exitOfCarry(report), options, session.host, terminal);
  },
};

const help = `
An image is saved with every platform, signature, attestation and referrer that it has. Nothing is verified: verify before, or
in the folder, where an image is named oci:FOLDER or oci:FOLDER:TAG.

Examples:
  $ countersign save --dir carried registry.example.com/app:1.2
  $ countersign save --dir carried --tags 'v*' registry.example.com/app
`;
