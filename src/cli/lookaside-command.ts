import { type Command, Option } from "commander";
import { CountersignError } from "../model/errors.ts";
import { publishLookaside } from "../operations/publish-lookaside.ts";
import { createNodeHost } from "../platform/node-host.ts";
import { lookasideText } from "../reports/lookaside-text.ts";
import { lookasideAddress } from "./lookaside-address.ts";
import { readOptions, switched, text } from "./option-values.ts";
import { addOutputOptions, outputReaders } from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import { readPem } from "./registry-credentials.ts";
import type { Verb } from "./verb.ts";

const readers = { ...outputReaders, registryCacert: text, allowHttpRegistry: switched };

/** Milliseconds, and connections: as for registries. */
const CONNECTION = { perOrigin: 32, requestTimeout: 30_000 };

/** `lookaside publish STAGED TARGET`. */
const publishVerb: Verb = {
  name: "publish",
  summary: "add the signatures of a staged lookaside to another, under its next free numbers",
  define(command: Command): Command {
    command
      .argument("<staged>", "the folder that --lookaside-staging named")
      .argument("<target>", "the lookaside: a folder, or an address that takes PUT")
      .addOption(new Option("--registry-cacert <source>", "PEM certificates to trust beside the system's, for HTTPS"))
      .option("--allow-http-registry", "plain HTTP beyond loopback");
    return addOutputOptions(command).addHelpText(
      "after",
      "\nExample:\n  $ countersign lookaside publish ./staged /srv/sigs\n",
    );
  },
  async run([staged = "", place = ""], raw, terminal, host = createNodeHost()) {
    const options = readOptions(readers, raw);
    const address = lookasideAddress("the target", place);
    if (staged === "") throw new CountersignError("E_USAGE", "no staged folder is named", { hint: "see --help" });
    await checkReportPlace(options.report, host);
    const { openBases } = await import("./lookasides.ts");
    const ca = await readPem(host, options.registryCacert);
    const bases = openBases(host, { ca, allowHttp: options.allowHttpRegistry === true, ...CONNECTION });
    try {
      const report = await publishLookaside(host.files, { staged, target: bases.open(address) });
      return await emit(report, lookasideText, 0, options, host, terminal);
    } finally {
      bases.close();
    }
  },
};

/** `lookaside`: what is done to lookasides as a whole. */
export const lookasideVerb: Verb = {
  name: "lookaside",
  define: (command) =>
    command.addHelpText("after", "\nExample:\n  $ countersign lookaside publish ./staged https://sigs.example.com\n"),
  run: async () => 2,
  verbs: [publishVerb],
};
