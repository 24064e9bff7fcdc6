import { type Command, Option } from "commander";
import { ALGORITHMS, isAlgorithm, VERIFY_ONLY } from "../model/algorithm.ts";
import { CountersignError } from "../model/errors.ts";
import { payload } from "../operations/payload.ts";
import { payloadText } from "../reports/payload-text.ts";
import { annotationsOf } from "./arguments.ts";
import { formatsOf } from "./format-names.ts";
import { addNotationOptions, notationReaders, notationSigning, purposeOf } from "./notation-options.ts";
import { addOpenPgpOptions, openPgpReaders, openPgpRemarks, openPgpSigning } from "./openpgp-options.ts";
import { oneOf, readOptions, text, texts } from "./option-values.ts";
import { addOutputOptions, addRegistryOptions, outputReaders, registryReaders } from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import { addPublicMaterialOptions, loadPublicMaterial, publicMaterialReaders } from "./public-material.ts";
import { openSession } from "./session.ts";
import { onlyImage } from "./targets.ts";
import type { Verb } from "./verb.ts";

const HASHES = ["sha256", "sha384", "sha512"] as const;

const readers = {
  ...registryReaders,
  ...outputReaders,
  ...publicMaterialReaders,
  format: text,
  annotation: texts,
  signContainerIdentity: text,
  signingAlgorithm: text,
  digest: (value: unknown, flag: string) => (value === undefined ? undefined : oneOf(HASHES)(value, flag)),
  out: text,
  ...notationReaders,
  ...openPgpReaders,
};

/** `payload IMAGE`: the exact bytes to sign elsewhere, on standard output or in a file. cosign's `generate`. */
export const payloadVerb: Verb = {
  name: "payload",
  define(command: Command): Command {
    command
      .argument("<image>", "a reference: a tag is resolved once; oci:PATH for a layout folder")
      .optionsGroup("What is signed:")
      .option(
        "--format <name>",
        "cosign (the simple-signing payload), bundle (the DSSE encoding), notation (JWS), notation-cose or openpgp",
        "cosign",
      )
      .option("-a, --annotation <key=value>", "signed beside the digest (repeatable)", collect)
      .option("--sign-container-identity <name>", "cosign: stands for the repository in what is signed")
      .option("--out <file>", "write the bytes to a file, and the report to standard output")
      .optionsGroup("For notation:");
    addOpenPgpOptions(addNotationOptions(command).optionsGroup("For openpgp:")).optionsGroup(
      "Who will sign (only the bytes of notation and openpgp are not the same for every key; this tells how it must sign):",
    );
    addPublicMaterialOptions(command)
      .addOption(
        new Option("--signing-algorithm <name>", "instead of what verifiers expect by default").choices(
          ALGORITHMS.filter((name) => !VERIFY_ONLY.includes(name)),
        ),
      )
      .addOption(new Option("--digest <hash>", "report this hash of the bytes, in hex and base64").choices(HASHES));
    addRegistryOptions(command);
    addOutputOptions(command);
    return command.addHelpText("after", examples);
  },
  async run(images, raw, terminal, world) {
    const options = readOptions(readers, raw);
    const image = onlyImage(images);
    const [format, ...others] = formatsOf(options.format ?? "cosign");
    if (format === undefined || others.length > 0) {
      throw new CountersignError("E_USAGE", "--format names several formats; each has bytes of its own", {
        hint: "run it once for each format",
      });
    }
    if (options.output === "json" && (options.out ?? "-") === "-") {
      throw new CountersignError("E_USAGE", "the bytes and a JSON report cannot both go to standard output", {
        hint: "write the bytes to a file with --out FILE, or the report with --report FILE",
      });
    }
    const out = options.out === "-" ? undefined : options.out;
    if ((format.name === "notation-cose" || format.name === "openpgp") && out === undefined) {
      const which = format.name === "openpgp" ? "an OpenPGP" : "a COSE";
      throw new CountersignError("E_USAGE", `the bytes of ${which} signature are no text for standard output`, {
        hint: "write them to a file with --out FILE",
      });
    }
    const annotations = annotationsOf([...(options.annotation ?? []), ...(options.userMetadata ?? [])]);
    const notation = { ...notationSigning(options, [format]), ...openPgpSigning(options, [format]) };
    const undertaking = { verb: "prepared", actions: "pull", images, host: world } as const;
    const session = await openSession({ ...options, concurrency: 1 }, terminal, undertaking);
    await checkReportPlace(options.report, session.host, out === undefined ? [] : [out]);
    const loaded = await loadPublicMaterial(session.host, options, purposeOf([format]));
    const algorithm = options.signingAlgorithm;
    if (algorithm !== undefined && (loaded === undefined || !isAlgorithm(algorithm))) {
      throw new CountersignError("E_USAGE", `--signing-algorithm ${algorithm} stands without a key that is to sign`, {
        hint: "name the key with --public-key or --certificate; the bytes are the same for every key and algorithm",
      });
    }
    const remarks = loaded === undefined ? [] : openPgpRemarks(loaded.material, [format], options);
    const { bytes, report } = await session.finish(() =>
      payload(session, {
        image,
        format,
        options: { annotations, algorithm, identity: options.signContainerIdentity, ...notation },
        material: loaded?.material,
        digest: options.digest,
        warnings: [...(loaded?.warnings ?? []), ...remarks],
      }),
    );
    if (out !== undefined) {
      await session.host.files.write(out, bytes);
      return emit(report, payloadText, 0, options, session.host, terminal);
    }
    // UTF-8, or less, as the formats have it: the text is the bytes. What else there is to say must not stand among them.
    const toError = { ...terminal, out: terminal.err };
    terminal.out(Buffer.from(bytes).toString("utf8"));
    return emit(report, payloadText, 0, options, session.host, toError);
  },
};

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

const examples = `
Examples:
  The bytes that cosign verifies, in a file, for "openssl dgst -sha256 -sign" or whatever has the key:
  $ countersign payload --out payload.json registry.example.com/app:1.2

  For a bundle; the report says how this certificate's key is to sign, and has the hash for a service that signs digests:
  $ countersign payload --format bundle --certificate leaf.pem --out app.pae registry.example.com/app@sha256:…

The signature goes beside the image with: countersign attach
`;
