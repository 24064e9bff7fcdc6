import type { Command } from "commander";
import { load } from "../operations/load.ts";
import { carryText } from "../reports/carry-text.ts";
import { exitOfCarry } from "./exit.ts";
import { readOptions, text } from "./option-values.ts";
import { addOutputOptions, addRegistryOptions, outputReaders, registryReaders } from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import { directoryOf } from "./saved-directory.ts";
import { openSession, sessionDefaults } from "./session.ts";
import { onlyImage } from "./targets.ts";
import type { Verb } from "./verb.ts";

const readers = { dir: text, image: text, ...registryReaders, ...outputReaders };

/** `load --dir DIR IMAGE`: one image of a folder, with all that hangs on it, into a registry. Verifies nothing and says so. */
export const loadVerb: Verb = {
  name: "load",
  define(command: Command): Command {
    command.argument("[image]", "where to: REGISTRY/REPOSITORY:TAG; a tag that names another image is moved");
    command
      .option("--dir <folder>", "the folder that save, or cosign save, has written; or any OCI layout")
      .option("--image <name>", "which image of the folder, by its tag or digest there, when it holds several");
    addRegistryOptions(command);
    addOutputOptions(command);
    return command.addHelpText("after", help);
  },
  async run(images, raw, terminal, world) {
    const options = { ...readOptions(readers, raw), concurrency: sessionDefaults.concurrency };
    const directory = directoryOf(options.dir);
    const reference = onlyImage(images);
    const session = await openSession(options, terminal, { verb: "loaded", actions: "pull,push", images, host: world });
    await checkReportPlace(options.report, session.host);
    const report = await session.finish(() => load(session, { directory, image: options.image, reference }));
    return emit(report, carryText, exitOfCarry(report), options, session.host, terminal);
  },
};

const help = `
Nothing is verified: verify in the folder before, or name the folder as the source of promote, which does both. What is at the
destination already stays; the tag comes last, and as with cosign it is moved when it names another image.

Examples:
  $ countersign load --dir carried registry.inside.example/app:1.2
  $ countersign load --dir carried --image 1.3 registry.inside.example/app:1.3
`;
