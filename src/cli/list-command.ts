import type { Command } from "commander";
import { list } from "../operations/list.ts";
import { listText } from "../reports/list-text.ts";
import { exitOfList } from "./exit.ts";
import { addLookasideOptions, lookasideReaders } from "./lookaside-options.ts";
import { readOptions } from "./option-values.ts";
import {
  addImageOptions,
  addOutputOptions,
  addRegistryOptions,
  imageReaders,
  outputReaders,
  registryReaders,
} from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import { openSession } from "./session.ts";
import { loadTargets } from "./targets.ts";
import type { Verb } from "./verb.ts";

const readers = { ...imageReaders, ...registryReaders, ...lookasideReaders, ...outputReaders };

/** `list IMAGE…`: everything attached, in any format, known or not. Verifies nothing and says so. */
export const listVerb: Verb = {
  name: "list",
  define(command: Command): Command {
    command.argument("[image...]", "references, or repositories with --all or --tags");
    addImageOptions(command);
    addLookasideOptions(command, { writes: false });
    addRegistryOptions(command);
    addOutputOptions(command);
    return command.addHelpText("after", "\nExample:\n  $ countersign list registry.example.com/app:1.2\n");
  },
  async run(images, raw, terminal, world) {
    const options = readOptions(readers, raw);
    const session = await openSession(options, terminal, { verb: "listed", actions: "pull", images, host: world });
    await checkReportPlace(options.report, session.host);
    const targets = await loadTargets(session.host, images, options);
    const report = await session.finish(() => list(session, { targets, recursive: options.recursive ?? false }));
    return emit(report, listText, exitOfList(report), options, session.host, terminal);
  },
};
