import { type Command, Option } from "commander";
import { ALGORITHMS, isAlgorithm, VERIFY_ONLY } from "../model/algorithm.ts";
import { CountersignError } from "../model/errors.ts";
import { sign } from "../operations/sign.ts";
import { signText } from "../reports/sign-text.ts";
import { annotationsOf } from "./arguments.ts";
import { addCosignFlags } from "./cosign-flags.ts";
import { exitOfSign } from "./exit.ts";
import { formatsOf } from "./format-names.ts";
import { addLookasideOptions, lookasideReaders } from "./lookaside-options.ts";
import {
  addManifestOption,
  addNotationOptions,
  manifestReaders,
  notationReaders,
  notationSigning,
  purposeOf,
} from "./notation-options.ts";
import {
  addOpenPgpOptions,
  openPgpReaders,
  openPgpRemarks,
  openPgpSigning,
  refuseWitnessed,
} from "./openpgp-options.ts";
import { readOptions, switched, text, texts } from "./option-values.ts";
import {
  addImageOptions,
  addOutputOptions,
  addRegistryOptions,
  imageReaders,
  outputReaders,
  registryReaders,
} from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import { addPolicyOutput, checkSignedPolicy, signedEntries, writePolicyOutput } from "./policy-output.ts";
import {
  addRegistriesDOutput,
  checkRegistriesDOutput,
  registriesDOutputReaders,
  writeRegistriesDOutput,
} from "./registries-d-output.ts";
import { openSession } from "./session.ts";
import { addSignedByOptions, loadSignedBy, signedByReaders } from "./signed-by.ts";
import { addKeyOptions, addSignerOptions, signerReaders } from "./signer-options.ts";
import { loadSigner } from "./signing-material.ts";
import { loadTargets } from "./targets.ts";
import type { Verb } from "./verb.ts";
import { addTimestampOptions, loadWitnessing, timestampReaders } from "./witnessing-options.ts";

const readers = {
  ...imageReaders,
  ...registryReaders,
  ...lookasideReaders,
  ...registriesDOutputReaders,
  writePolicy: text,
  ...outputReaders,
  ...signedByReaders,
  ...signerReaders,
  ...timestampReaders,
  format: text,
  newBundleFormat: switched,
  annotation: texts,
  signingAlgorithm: text,
  signContainerIdentity: text,
  embedChain: switched,
  ...manifestReaders,
  ...notationReaders,
  ...openPgpReaders,
};

/** `sign IMAGE…`: reads the key and its certificates, checks them before the first request, signs, reads back, verifies. */
export const signVerb: Verb = {
  name: "sign",
  define(command: Command): Command {
    command
      .argument(
        "[image...]",
        "references: a tag is resolved once, then only its digest is named; oci:PATH for a layout folder",
      )
      .optionsGroup("Signing:");
    addKeyOptions(command)
      .option(
        "--format <names>",
        "cosign, bundle, notation, notation-cose, openpgp; several by comma (default: cosign)",
      )
      .option("-a, --annotation <key=value>", "signed beside the digest (repeatable)", collect)
      .addOption(
        new Option("--signing-algorithm <name>", "instead of what verifiers expect by default").choices(
          ALGORITHMS.filter((name) => !VERIFY_ONLY.includes(name)),
        ),
      )
      .option("--sign-container-identity <name>", "cosign: stands for the repository in what is signed")
      .option("--embed-chain", "bundle: put the issuers into the bundle; cosign 3.1.2 refuses such bundles");
    addManifestOption(addNotationOptions(addOpenPgpOptions(command)));
    addSignedByOptions(command);
    addSignerOptions(command);
    addTimestampOptions(command);
    addImageOptions(command);
    addLookasideOptions(command, { writes: true });
    addRegistriesDOutput(command);
    addPolicyOutput(
      command,
      "write-policy",
      "add to this policy.json, or begin it with, what makes podman accept what was signed in the format openpgp",
    );
    addRegistryOptions(command);
    addOutputOptions(command);
    addCosignFlags(command, ["yes", "tlog-upload", "use-signing-config", "new-bundle-format"]);
    return command.addHelpText("after", examples);
  },
  async run(images, raw, terminal, world) {
    const options = readOptions(readers, raw);
    const formats = formatsOf(formatNames(options.format, options.newBundleFormat));
    const annotations = annotationsOf([...(options.annotation ?? []), ...(options.userMetadata ?? [])]);
    const notation = { ...notationSigning(options, formats), ...openPgpSigning(options, formats) };
    const session = await openSession(options, terminal, { verb: "signed", actions: "pull,push", images, host: world });
    await checkReportPlace(options.report, session.host);
    await checkSignedPolicy(options.writePolicy, formats, session.host);
    const targets = await loadTargets(session.host, images, options);
    await checkRegistriesDOutput(options, targets.images, session.host);
    const signedBy = await loadSignedBy(session.host, options);
    const algorithm = options.signingAlgorithm;
    if (algorithm !== undefined && !isAlgorithm(algorithm))
      throw new CountersignError("E_USAGE", `${algorithm} is no algorithm`, { hint: "see --help" });
    const { witnessing, warnings: unpinned } = await loadWitnessing(session.host, options);
    refuseWitnessed(formats, witnessing);
    const { signer, warnings } = await loadSigner(session.host, options, algorithm, purposeOf(formats));
    const remarks = signer.envelopes === undefined ? openPgpRemarks(await signer.describe(), formats, options) : [];
    const signed = await session.finish(() =>
      sign(session, {
        targets,
        signer,
        formats,
        options: {
          annotations,
          algorithm,
          identity: options.signContainerIdentity,
          embedChain: options.embedChain,
          ...notation,
        },
        recursive: options.recursive ?? false,
        signedBy,
        witnessing,
        warnings: [...warnings, ...unpinned, ...remarks],
      }),
    );
    const told = await writeRegistriesDOutput(signed, options, session.host);
    const entries = options.writePolicy === undefined ? [] : await signedEntries(signed, signer, notation.reference);
    const more = await writePolicyOutput(options.writePolicy, entries, session.host);
    const report = { ...told, warnings: [...told.warnings, ...more] };
    return emit(report, signText, exitOfSign(report), options, session.host, terminal);
  },
};

/** cosign's flag names a format too. */
function formatNames(format: string | undefined, bundle: boolean | undefined): string {
  if (format !== undefined && bundle !== undefined) {
    throw new CountersignError("E_USAGE", "--format and --new-bundle-format exclude each other", {
      hint: "leave --new-bundle-format out",
    });
  }
  return format ?? (bundle ? "bundle" : "cosign");
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

const examples = `
Examples:
  A key that "cosign generate-key-pair" or openssl made:
  $ countersign sign --key cosign.key registry.example.com/app:1.2

  Your own certificate authority, key in a CI variable, both formats, every platform:
  $ countersign sign --key env://SIGNING_KEY --certificate leaf.pem --certificate-chain chain.pem \\
      --format cosign,bundle --recursive registry.example.com/app@sha256:…

  For clusters that verify with notation, root included, for a month:
  $ countersign sign --key leaf.key --certificate leaf.pem --certificate-chain chain.pem --format notation \\
      --expiry 30d registry.example.com/app:1.2

  A new key beside the old one, wherever the old one has signed:
  $ countersign sign --key new.key --all --signed-by old.pub registry.example.com/app

  A key in an HSM or behind a program of yours; docs/external-signing.md and docs/hsm.md have more:
  $ countersign sign --signer 'exec:sign.sh --hash {hash}' --certificate leaf.pem --certificate-chain chain.pem \\
      registry.example.com/app:1.2

  For podman, skopeo and CRI-O, with an OpenPGP key in a CI variable; docs/openpgp.md has more:
  $ countersign sign --key env://GPG_KEY --passphrase env://GPG_PASSPHRASE --format openpgp \\
      registry.example.com/app:1.2

  Many images:
  $ countersign sign --key cosign.key --images built.txt --output json
`;
