import type { Command } from "commander";
import { ALGORITHMS, isAlgorithm } from "../model/algorithm.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import type { Resigning } from "../operations/promotion.ts";
import type { Host } from "../platform/host.ts";
import { annotationsOf } from "./arguments.ts";
import { formatsOf } from "./format-names.ts";
import {
  addManifestOption,
  addNotationOptions,
  manifestReaders,
  notationReaders,
  notationSigning,
  purposeOf,
} from "./notation-options.ts";
import { addOpenPgpOptions, openPgpReaders, openPgpRemarks, openPgpSigning } from "./openpgp-options.ts";
import { switched, text, texts } from "./option-values.ts";
import { givenPrefixed, readPrefixedOptions, refuseStray } from "./prefixed-options.ts";
import { addKeyOptions, addSignerOptions, signerReaders } from "./signer-options.ts";
import { loadSigner } from "./signing-material.ts";
import { addTimestampOptions, loadWitnessing, timestampReaders } from "./witnessing-options.ts";

const resignReaders = {
  ...signerReaders,
  ...timestampReaders,
  ...manifestReaders,
  ...notationReaders,
  ...openPgpReaders,
  format: text,
  signingAlgorithm: text,
  signContainerIdentity: text,
  embedChain: switched,
  annotation: texts,
};

/** Options of `sign` that promotion takes behind `--resign-`. */
export function addResignOptions(command: Command): Command {
  addKeyOptions(command)
    .option("--format <names>", "cosign, bundle, notation, notation-cose, openpgp; several by comma (default: cosign)")
    .option("--signing-algorithm <name>", "instead of what verifiers expect by default")
    .option("--annotation <key=value>", "signed beside the digest (repeatable)", (value, before?: string[]) => [
      ...(before ?? []),
      value,
    ])
    .option("--sign-container-identity <name>", "cosign: stands for the repository in what is signed")
    .option("--embed-chain", "bundle: put the issuers into the bundle; cosign 3.1.2 refuses such bundles");
  addManifestOption(addNotationOptions(addOpenPgpOptions(command)));
  return addTimestampOptions(addSignerOptions(command));
}

/**
 * The signing that the options behind `--resign-` ask for; undefined unless it is wanted.
 * @throws E_USAGE for such options without `--resign`; what loading keys, certificates and signers throws.
 */
export async function loadResigning(
  host: Host,
  raw: unknown,
  wanted: boolean,
): Promise<{ readonly resigning: Resigning | undefined; readonly warnings: readonly string[] }> {
  if (!wanted) {
    refuseStray(
      givenPrefixed("resign", addResignOptions, raw),
      "--resign",
      "add --resign to sign at the destination, or leave it out",
    );
    return { resigning: undefined, warnings: [] };
  }
  const options = readPrefixedOptions(resignReaders, "resign", raw);
  return within("--resign", async () => {
    const formats = formatsOf(options.format ?? "cosign");
    const annotations = annotationsOf([...(options.annotation ?? []), ...(options.userMetadata ?? [])]);
    const notation = notationSigning(options, formats);
    const algorithm = options.signingAlgorithm;
    if (algorithm !== undefined && !isAlgorithm(algorithm)) {
      throw new CountersignError("E_USAGE", `${JSON.stringify(algorithm)} is no algorithm`, {
        hint: `name one of ${ALGORITHMS.join(", ")}`,
      });
    }
    const { witnessing, warnings: unpinned } = await loadWitnessing(host, options);
    const openPgp = openPgpSigning(options, formats);
    const { signer, warnings } = await loadSigner(host, options, algorithm, purposeOf(formats));
    const remarks = signer.envelopes === undefined ? openPgpRemarks(await signer.describe(), formats, options) : [];
    const { signContainerIdentity: identity, embedChain } = options;
    return {
      resigning: {
        signer,
        formats,
        options: { annotations, algorithm, identity, embedChain, ...notation, ...openPgp },
        witnessing,
      },
      warnings: [...warnings, ...unpinned, ...remarks],
    };
  });
}

/** As `about`, for what may also fail elsewhere: the exit status stays. */
async function within<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    const { code, message, hint, cause, exit, retry } = error;
    throw new CountersignError(code, `${what}: ${message}`, { hint, cause, exit, retry });
  }
}
