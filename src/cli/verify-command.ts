import { type VerifyRequest, verify } from "../operations/verify.ts";
import type { Host } from "../platform/host.ts";
import { verifyText } from "../reports/verify-text.ts";
import { addCosignFlags } from "./cosign-flags.ts";
import { exitOfVerify } from "./exit.ts";
import { formatNamesOf } from "./format-names-only.ts";
import { addLookasideOptions, lookasideReaders } from "./lookaside-options.ts";
import type { OptionList } from "./option-list.ts";
import { type OptionValues, readOptions, text } from "./option-values.ts";
import {
  addImageOptions,
  addOutputOptions,
  addRegistryOptions,
  imageReaders,
  outputReaders,
  registryReaders,
} from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import { addPolicyOptions, namesPolicy, policyReaders } from "./policy-options.ts";
import { loadPolicyRevocation } from "./revocation-options.ts";
import { openSession } from "./session.ts";
import { loadTargets } from "./targets.ts";
import { addTrustOptions, loadRequirement, refuseTrustFlags, trustReaders } from "./trust-options.ts";
import type { Verb } from "./verb.ts";

const readers = {
  ...imageReaders,
  ...registryReaders,
  ...lookasideReaders,
  ...outputReaders,
  ...trustReaders,
  ...policyReaders,
  format: text,
};

/** `verify IMAGE…`: one verdict an image, with every signature found and why it counted or not. */
export const verifyVerb: Verb = {
  name: "verify",
  define(command: OptionList): OptionList {
    command.argument(
      "[image...]",
      "references, or repositories with --all or --tags; - reads a list from standard input",
    );
    addTrustOptions(command).option(
      "--format <names>",
      "look for signatures of these formats alone, by comma (default: all); spares requests",
    );
    addPolicyOptions(command);
    addImageOptions(command);
    addLookasideOptions(command, { writes: false });
    addRegistryOptions(command);
    addOutputOptions(command);
    addCosignFlags(command, [
      "insecure-ignore-tlog",
      "insecure-ignore-sct",
      "private-infrastructure",
      "new-bundle-format",
      "offline",
      "check-claims",
    ]);
    return command.addHelpText("after", examples);
  },
  async run(images, raw, terminal, world) {
    const options = readOptions(readers, raw);
    const session = await openSession(options, terminal, {
      ...{ verb: "verified", actions: "pull", images, host: world },
      whileWaiting: () => import("../operations/judge-image.ts"),
    });
    const { requirement, warnings } = await loadTrust(session.host, options);
    const formats = options.format === undefined ? undefined : formatNamesOf(options.format);
    await checkReportPlace(options.report, session.host);
    const targets = await loadTargets(session.host, images, options);
    const report = await session.finish(() =>
      verify(session, { targets, requirement, recursive: options.recursive ?? false, formats, warnings }),
    );
    return emit(report, verifyText, exitOfVerify(report), options, session.host, terminal);
  },
};

/** By a policy document, or by trust flags; never by both, as each says whole what must hold. */
export async function loadTrust(
  host: Host,
  options: OptionValues<typeof trustReaders & typeof policyReaders>,
): Promise<Pick<VerifyRequest, "requirement" | "warnings">> {
  if (!namesPolicy(options)) return loadRequirement(host, options);
  refuseTrustFlags(options);
  const { loadPolicy } = await import("./policy-document.ts");
  const requirement = await loadPolicy(host, options, await loadPolicyRevocation(host, options));
  return { requirement, warnings: [] };
}

const examples = `
Examples:
  By key:
  $ countersign verify --key cosign.pub registry.example.com/app:1.2

  By your own certificate authority, and who may sign:
  $ countersign verify --ca-roots root.pem --certificate-identity https://ci.example.com/release \\
      registry.example.com/app:1.2

  By the OpenPGP keys of whoever signs for podman and skopeo:
  $ countersign verify --gpg-key release.asc registry.example.com/app:1.2

  By a trust policy and the trust stores that it names, as notation reads them:
  $ countersign verify --trust-policy trustpolicy.json --trust-store truststore registry.example.com/app:1.2

  Every release of a repository, as JSON:
  $ countersign verify --key cosign.pub --tags 'v*' --output json registry.example.com/app

Verdicts: trusted; untrusted and unsigned (exit 1); undetermined, a place could not be looked at (exit 3).
`;
