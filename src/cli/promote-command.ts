import type { Command } from "commander";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { promote } from "../operations/promote.ts";
import type { EndTrust } from "../operations/promotion.ts";
import { type Pair, parsePairs } from "../operations/promotion-pairs.ts";
import type { Host } from "../platform/host.ts";
import type { PolicyEntry } from "../policies/containers/entry.ts";
import { promoteText } from "../reports/promote-text.ts";
import { about } from "./about.ts";
import { exitOfPromote } from "./exit.ts";
import { formatNamesOf } from "./format-names-only.ts";
import { addLookasideOptions, lookasideReaders } from "./lookaside-options.ts";
import { number, type OptionValues, readOptions, switched, text } from "./option-values.ts";
import { addOutputOptions, addRegistryOptions, outputReaders, registryReaders } from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import { addPolicyOptions, policyReaders } from "./policy-options.ts";
import { addPolicyOutput, checkPolicyOutput, writePolicyOutput } from "./policy-output.ts";
import { addPrefixedOptions, givenPrefixed, readPrefixedOptions } from "./prefixed-options.ts";
import { addResignOptions, loadResigning } from "./resign-options.ts";
import { type OpenSession, openTwoSessions } from "./session.ts";
import { addTrustOptions, trustReaders } from "./trust-options.ts";
import type { Verb } from "./verb.ts";
import { loadTrust } from "./verify-command.ts";

const readers = {
  ...registryReaders,
  ...outputReaders,
  ...trustReaders,
  ...policyReaders,
  ...lookasideReaders,
  format: text,
  images: text,
  recursive: switched,
  concurrency: number(1, 1000, "whole number"),
  dryRun: switched,
  resign: switched,
  destinationUsername: text,
  destinationPassword: text,
  destinationToken: text,
  destinationLookaside: text,
  destinationLookasideStaging: text,
  destinationRegistriesD: text,
  writeDestinationPolicy: text,
};

/** `promote SOURCE DESTINATION`: verify, copy with all that hangs on it, sign anew if asked, verify again, then move the tag. */
export const promoteVerb: Verb = {
  name: "promote",
  define(command: Command): Command {
    command
      .argument(
        "[source]",
        "the image to promote: a tag is resolved once, then only its digest is named; oci:PATH:TAG for a folder",
      )
      .argument("[destination]", "where to; without tag and digest it gets the tag of the source")
      .optionsGroup("Images:")
      .option("--images <file>", "read pairs from a file, SOURCE DESTINATION on each line; - for standard input")
      .option(
        "-r, --recursive",
        "of a multi-platform index verify, and sign, every image in it too; it is copied whole in any case",
      )
      .option("--concurrency <n>", "images worked on at once", "128")
      .option("--dry-run", "verify at the source, look at both ends, and tell what would be done; writes nothing");
    addEndOptions(command);
    addPrefixedOptions(
      command.optionsGroup("Trust at the destination (default: the same as at the source):"),
      "destination",
      addEndOptions,
    );
    command
      .optionsGroup("Signing for the destination (--resign):")
      .option("--resign", "sign what was copied, at the destination, before it is verified there");
    addPrefixedOptions(command, "resign", addResignOptions);
    addLookasideOptions(command, { writes: false });
    addPrefixedOptions(command, "destination", (to) => addLookasideOptions(to, { writes: true }));
    addPolicyOutput(
      command,
      "write-destination-policy",
      "add to this policy.json, or begin it with, what makes podman accept the OpenPGP signatures at the destination",
    );
    addRegistryOptions(command)
      .option("--destination-username <name>", "user of the registry that the first destination names")
      .option("--destination-password <source>", "its password: env://NAME, a file, or - for standard input")
      .option("--destination-token <source>", "a bearer token instead: env://NAME, a file, or -");
    addOutputOptions(command);
    return command.addHelpText("after", examples);
  },
  async run(images, raw, terminal, world) {
    const options = readOptions(readers, raw);
    const named = namedPair(images, options.images);
    const { source, destination } = await openTwoSessions(options, terminal, {
      verb: "promoted",
      images: named.map((pair) => pair.source),
      destinations: named.map((pair) => pair.destination),
      host: world,
    });
    const { host } = source;
    await checkReportPlace(options.report, host);
    await checkPolicyOutput("--write-destination-policy", options.writeDestinationPolicy, host);
    const entries: PolicyEntry[] = [];
    const pairs = [...named, ...(await listedPairs(host, options.images))];
    if (pairs.length === 0)
      throw new CountersignError("E_USAGE", "the list names no image", {
        hint: "write SOURCE DESTINATION on each line",
      });
    const from = await loadEnd(host, options);
    const other = await loadDestination(host, raw);
    const resigning = await loadResigning(host, raw, options.resign ?? false);
    const promoted = await finishBoth(source, destination, () =>
      promote(source, destination, {
        pairs,
        source: from.trust,
        destination: other.trust,
        resigning: resigning.resigning,
        recursive: options.recursive ?? false,
        dryRun: options.dryRun ?? false,
        onPolicyEntry: (entry) => entries.push(entry),
        warnings: [...from.warnings, ...other.warnings, ...resigning.warnings],
      }),
    );
    const path = options.writeDestinationPolicy;
    const remarks =
      options.dryRun && path !== undefined
        ? [`a plan writes nothing: ${path} neither`]
        : await writePolicyOutput(path, entries, host);
    const report = { ...promoted, warnings: [...promoted.warnings, ...remarks] };
    return emit(report, promoteText, exitOfPromote(report), options, host, terminal);
  },
};

/** Lets go of what either end has open. */
function finishBoth<T>(source: OpenSession, destination: OpenSession, work: () => Promise<T>): Promise<T> {
  return source.finish(() => destination.finish(work));
}

/** @throws E_USAGE unless there are a source and a destination, or a list in place of both. */
function namedPair([source, destination, ...others]: readonly string[], list: string | undefined): readonly Pair[] {
  if (source === undefined && list !== undefined) return [];
  if (source && destination && others.length === 0) return [{ source, destination }];
  throw new CountersignError("E_USAGE", "a promotion is of one source to one destination", {
    hint: "write promote SOURCE DESTINATION, or name a list of such lines with --images FILE; an empty variable in CI often looks like this",
  });
}

async function listedPairs(host: Host, list: string | undefined): Promise<readonly Pair[]> {
  if (list === undefined) return [];
  const bytes = list === "-" ? await host.readStdin(LIMITS.configFile) : await host.files.read(list, LIMITS.configFile);
  return parsePairs(Buffer.from(bytes).toString("utf8"));
}

/** Trust at one end, by flags or by a policy. */
function addEndOptions(command: Command): Command {
  return addPolicyOptions(
    addTrustOptions(command).option(
      "--format <names>",
      "verify by signatures of these formats alone, by comma (default: all); spares requests",
    ),
  );
}

const endReaders = { ...trustReaders, ...policyReaders, format: text };

async function loadEnd(
  host: Host,
  options: OptionValues<typeof endReaders>,
): Promise<{ readonly trust: EndTrust; readonly warnings: readonly string[] }> {
  const { requirement, warnings } = await loadTrust(host, options);
  const formats = options.format === undefined ? undefined : formatNamesOf(options.format);
  return { trust: { requirement, formats }, warnings };
}

/** Undefined: what holds at the source holds there too. */
async function loadDestination(
  host: Host,
  raw: unknown,
): Promise<{ readonly trust: EndTrust | undefined; readonly warnings: readonly string[] }> {
  if (givenPrefixed("destination", addEndOptions, raw).length === 0) return { trust: undefined, warnings: [] };
  const options = readPrefixedOptions(endReaders, "destination", raw);
  const { trust, warnings } = await about("trust at the destination", () => loadEnd(host, options));
  return { trust, warnings: warnings.map((warning) => `at the destination: ${warning}`) };
}

const examples = `
Examples:
  From staging to production, by the key of your pipeline:
  $ countersign promote --key cosign.pub registry.example.com/staging/app:1.2 registry.example.com/prod/app:1.2

  Between registries, by your own certificate authority, with credentials for each:
  $ countersign promote --ca-roots root.pem --certificate-identity https://ci.example.com/release \\
      --registry-username reader --registry-password env://READER --destination-username writer \\
      --destination-password env://WRITER staging.example.com/app@sha256:${"0".repeat(64)} prod.example.com/app:1.2

  Signed anew by the key of production, which is then demanded there:
  $ countersign promote --key staging.pub --resign --resign-key env://PROD_KEY --destination-key prod.pub \\
      registry.example.com/staging/app:1.2 registry.example.com/prod/app:1.2

  Signed for podman: what the lookaside has comes along, if the policy of production will take it; docs/promote.md has more:
  $ countersign promote --gpg-key release.asc --registries-d registries.d --destination-policy prod-policy.json \\
      registry.example.com/staging/app:1.2 registry.example.com/prod/app:1.2

  Many at once, first as a plan:
  $ countersign promote --key cosign.pub --images release.txt --dry-run

Exit status: 0 every tag moved or right already; 1 refused; 3 could not tell, safe to try again.
`;
