import type { Command } from "commander";
import { CountersignError } from "../model/errors.ts";
import { lintPolicy } from "../operations/policy-lint.ts";
import { createNodeHost } from "../platform/node-host.ts";
import { CONSUMERS, consumerNamed } from "../policies/containers/lint/consumers.ts";
import { policyLintText } from "../reports/policy-text.ts";
import { readOptions, text, texts } from "./option-values.ts";
import { addOutputOptions, outputReaders } from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import type { Verb } from "./verb.ts";

const readers = { ...outputReaders, consumer: texts, registriesD: text };

/** `policy lint FILE`: ends in 1 when a consumer would refuse the whole document. */
const policyLintVerb: Verb = {
  name: "lint",
  summary: "tell which consumers refuse a policy.json whole, and what in it never counts",
  define(command: Command): Command {
    command
      .argument("<file>", "a policy.json, as podman, skopeo and CRI-O read it")
      .option(
        "--consumer <name>",
        `who will read it: ${CONSUMERS.join(", ")}, or containers-image-VERSION (repeatable; default: debian12, podman-5 and the newest skopeo)`,
        (value: string, before: string[] | undefined) => [...(before ?? []), value],
      )
      .option("--registries-d <dir>", "look at these files too, by which podman is told where signatures are");
    return addOutputOptions(command).addHelpText(
      "after",
      "\nExample:\n  $ countersign policy lint policy.json --consumer debian12 --consumer podman-5\n  $ countersign policy lint policy.json --registries-d registries.d\n",
    );
  },
  async run(files, raw, terminal, host = createNodeHost()) {
    const options = readOptions(readers, raw);
    const [file, ...others] = files;
    if (file === undefined || others.length > 0) {
      throw new CountersignError("E_USAGE", "policy lint takes one document", { hint: "name one policy.json" });
    }
    const consumers = [...new Set(options.consumer ?? usual)].map(consumerNamed);
    await checkReportPlace(options.report, host);
    const { registriesD: folder } = options;
    const registriesD =
      folder === undefined ? undefined : await (await import("./lookasides.ts")).readRegistriesFiles(host, folder);
    const report = await lintPolicy(host, { file, consumers, registriesD });
    return emit(report, policyLintText, report.accepted ? 0 : 1, options, host, terminal);
  },
};

/** Who reads policies today: what an old system has, what most have, and the newest. */
const usual = ["debian12", "podman-5", CONSUMERS.at(-1) ?? ""];

/** `policy`: what consumers make of policy documents. */
export const policyVerb: Verb = {
  name: "policy",
  define: (command) =>
    command.addHelpText(
      "after",
      "\nExample:\n  $ countersign policy lint /etc/containers/policy.json --consumer debian12\n",
    ),
  run: async () => 2,
  verbs: [policyLintVerb],
};
