import { type Command, Option } from "commander";
import { digestAlgorithm, digestHex } from "../model/digest.ts";
import { formatReference, parseReference } from "../oci/reference.ts";
import { resolve } from "../operations/resolve.ts";
import { oneOf, readOptions, switched } from "./option-values.ts";
import { addRegistryOptions, registryReaders } from "./options.ts";
import { openSession } from "./session.ts";
import { onlyImage } from "./targets.ts";
import type { Verb } from "./verb.ts";

const suffixes = { signature: ".sig", attestation: ".att", sbom: ".sbom", digest: "" } as const;
const TYPES = ["signature", "attestation", "sbom", "digest"] as const;

const readers = { ...registryReaders, type: oneOf(TYPES), verbose: switched };

/** `triangulate IMAGE`: prints under which tag signatures of the cosign format stand, whether there are any or not. */
export const triangulateVerb: Verb = {
  name: "triangulate",
  define(command: Command): Command {
    command
      .argument("<image>", "a reference: a tag is resolved once")
      .addOption(new Option("--type <kind>", "of what to print the place").choices(TYPES).default("signature"));
    addRegistryOptions(command);
    return command
      .option("-v, --verbose", "log each request to standard error")
      .addHelpText("after", "\nExample:\n  $ countersign triangulate registry.example.com/app:1.2\n");
  },
  async run(images, raw, terminal, world) {
    const options = readOptions(readers, raw);
    const reference = parseReference(onlyImage(images));
    const undertaking = { verb: "found", actions: "pull", images, host: world } as const;
    const session = await openSession({ ...options, concurrency: 1 }, terminal, undertaking);
    const { subject } = await session.finish(() => resolve(session.open(reference), reference));
    const { digest } = subject;
    const place =
      options.type === "digest"
        ? { ...reference, tag: undefined, digest }
        : {
            ...reference,
            tag: `${digestAlgorithm(digest)}-${digestHex(digest)}${suffixes[options.type]}`,
            digest: undefined,
          };
    terminal.out(`${formatReference(place)}\n`);
    return 0;
  },
};
