import type { Command } from "commander";
import { formatNamed } from "../formats/registry.ts";
import { FORMATS } from "../model/signature.ts";
import { createEmbeddedRegistry } from "../oci/embedded/registry.ts";
import { type QuickstartStep, quickstart } from "../operations/quickstart.ts";
import { serve } from "../platform/serve.ts";
import { jsonText } from "../reports/json.ts";
import { oneLine } from "../reports/terminal.ts";
import { readOptions } from "./option-values.ts";
import { addOutputOptions, outputReaders } from "./options.ts";
import { openSession, sessionDefaults } from "./session.ts";
import type { Verb } from "./verb.ts";

const readers = { ...outputReaders };

/** `quickstart`: the whole story on an embedded registry with a throw-away PKI. Nothing leaves the machine, nothing stays. */
export const quickstartVerb: Verb = {
  name: "quickstart",
  define(command: Command): Command {
    return addOutputOptions(command).addHelpText("after", "\nExample:\n  $ countersign quickstart\n");
  },
  async run(_images, raw, terminal, world) {
    const options = readOptions(readers, raw);
    let throttled = false;
    const registry = createEmbeddedRegistry({ signatureExtension: true });
    const served = await serve(async (request) =>
      // Longer than anyone waits: the run ends at once instead of trying again.
      throttled ? { status: 429, headers: { "retry-after": "3600" } } : registry.handle(request),
    );
    const session = await openSession({ ...sessionDefaults, ...options }, terminal, {
      verb: "done",
      actions: "pull,push",
      images: [],
      host: world,
    });
    const steps: QuickstartStep[] = [];
    const started = session.host.now().getTime();
    if (options.output === "text")
      terminal.out(`Started a registry of our own on ${served.origin}; nothing leaves this machine.\n`);
    try {
      const good = await session.finish(() =>
        quickstart(
          session,
          {
            registry: new URL(served.origin).host,
            throttle: (on) => {
              throttled = on;
            },
            formats: FORMATS.filter((name) => name !== "openpgp").map(formatNamed),
            openpgp: formatNamed("openpgp"),
          },
          (step) => {
            steps.push(step);
            if (options.output === "text") terminal.out(stepText(step, steps.length));
          },
        ),
      );
      if (options.output === "json") terminal.out(jsonText({ schemaVersion: 1, operation: "quickstart", good, steps }));
      else terminal.out(closing(good, session.host.now().getTime() - started));
      return good ? 0 : 70;
    } finally {
      await served.close();
    }
  },
};

function stepText(step: QuickstartStep, number: number): string {
  const verdict =
    step.got === undefined ? "" : ` -> ${step.got}${step.got === step.expected ? "" : `, expected ${step.expected}`}`;
  return [
    `\n${number}. ${oneLine(step.title)}${verdict}`,
    ...step.detail.map((line) => `     ${oneLine(line)}`),
    "",
  ].join("\n");
}

function closing(good: boolean, milliseconds: number): string {
  const time = `${(milliseconds / 1000).toFixed(1)} s`;
  return good
    ? `\nAll as it must be, in ${time}. The registry and the keys are gone.\nNext: countersign sign --help\n`
    : `\nA step did not end as it must, in ${time}: please report this.\n`;
}
