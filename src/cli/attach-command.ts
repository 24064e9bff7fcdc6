import type { Command } from "commander";
import { describeSignedBytes } from "../formats/signed-bytes.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { attach } from "../operations/attach.ts";
import type { Host } from "../platform/host.ts";
import { signText } from "../reports/sign-text.ts";
import { exitOfSign } from "./exit.ts";
import { formatsOf } from "./format-names.ts";
import { addLookasideOptions, lookasideReaders } from "./lookaside-options.ts";
import { addManifestOption, manifestReaders, notationSigning, purposeOf } from "./notation-options.ts";
import { refuseWitnessed } from "./openpgp-options.ts";
import { readOptions, switched, text } from "./option-values.ts";
import { addOutputOptions, addRegistryOptions, outputReaders, registryReaders } from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import { addPublicMaterialOptions, loadPublicMaterial, publicMaterialReaders } from "./public-material.ts";
import { openSession } from "./session.ts";
import { onlyImage } from "./targets.ts";
import type { Verb } from "./verb.ts";
import { addTimestampOptions, loadWitnessing, timestampReaders } from "./witnessing-options.ts";

const readers = {
  ...registryReaders,
  ...lookasideReaders,
  ...outputReaders,
  ...publicMaterialReaders,
  ...timestampReaders,
  payload: text,
  signature: text,
  format: text,
  embedChain: switched,
  ...manifestReaders,
};

/** `attach IMAGE`: puts together, checks and stores what was signed elsewhere. cosign's `attach signature`. */
export const attachVerb: Verb = {
  name: "attach",
  define(command: Command): Command {
    command
      .argument("<image...>", "where the signature goes: the repository; which image it is about the payload says")
      .usage("[signature] [options] <image>")
      .optionsGroup("What was signed:")
      .option("--payload <file>", "the bytes that `payload` or cosign's `generate` wrote; - for standard input")
      .option(
        "--signature <file>",
        "over them: octets or base64, wrapped or not; ECDSA as DER or r‖s; - for standard input",
      )
      .option("--format <name>", "cosign, bundle, notation, notation-cose or openpgp; without it the payload tells")
      .optionsGroup("Who signed (a key, or a certificate, is required):");
    addManifestOption(
      addPublicMaterialOptions(command).option(
        "--embed-chain",
        "bundle: put the issuers into the bundle; cosign 3.1.2 refuses such bundles",
      ),
    );
    addTimestampOptions(command);
    addLookasideOptions(command, { writes: true });
    addRegistryOptions(command);
    addOutputOptions(command);
    return command.addHelpText("after", examples);
  },
  async run(args, raw, terminal, world) {
    const options = readOptions(readers, raw);
    const image = onlyImage(args[0] === "signature" ? args.slice(1) : args);
    const [format, ...others] = options.format === undefined ? [] : formatsOf(options.format);
    if (others.length > 0) {
      throw new CountersignError("E_USAGE", "--format names several formats; a signature is of one", {
        hint: "leave --format out: the payload tells",
      });
    }
    const undertaking = { verb: "attached", actions: "pull,push", images: [image], host: world } as const;
    const session = await openSession({ ...options, concurrency: 1 }, terminal, undertaking);
    await checkReportPlace(options.report, session.host);
    const payload = await read(session.host, "--payload", options.payload, LIMITS.payload);
    const signature = await read(session.host, "--signature", options.signature, LIMITS.keyFile);
    const signed = describeSignedBytes(payload).format;
    const notation = notationSigning(options, [signed]);
    const loaded = await loadPublicMaterial(session.host, options, purposeOf([signed]));
    if (loaded === undefined) {
      throw new CountersignError("E_USAGE", "nothing says whose signature this is, so it could not be checked", {
        hint: "add --certificate with the signing key's certificate, or --public-key; nothing is stored unchecked",
      });
    }
    const { witnessing, warnings } = await loadWitnessing(session.host, options);
    refuseWitnessed([signed], witnessing);
    const report = await session.finish(() =>
      attach(session, {
        image,
        payload,
        signature,
        material: loaded.material,
        format: format?.name,
        options: { embedChain: options.embedChain, ...notation },
        witnessing,
        warnings: [...loaded.warnings, ...warnings],
      }),
    );
    return emit(report, signText, exitOfSign(report), options, session.host, terminal);
  },
};

async function read(host: Host, flag: string, source: string | undefined, limit: number): Promise<Uint8Array> {
  if (source === undefined || source === "") {
    throw new CountersignError("E_USAGE", `${flag} is missing`, {
      hint: "name the payload that was signed and the signature over it: --payload FILE --signature FILE",
    });
  }
  return source === "-" ? host.readStdin(limit) : host.files.read(source, limit);
}

const examples = `
Examples:
  Signed by openssl over the payload, with the certificates of your own authority:
  $ countersign attach --payload payload.json --signature payload.sig \\
      --certificate leaf.pem --certificate-chain chain.pem registry.example.com/app:1.2

  By a bare key; the signature from a service as base64 on standard input:
  $ countersign attach --payload app.pae --signature - --public-key release.pub registry.example.com/app:1.2

  As cosign spells it:
  $ countersign attach signature --payload payload.json --signature payload.b64 \\
      --certificate leaf.pem --certificate-chain chain.pem registry.example.com/app:1.2
`;
