import type { Command } from "commander";
import { openPgpFormat } from "../formats/openpgp/format.ts";
import { CountersignError } from "../model/errors.ts";
import { pulpSign } from "../operations/pulp-sign.ts";
import type { Host } from "../platform/host.ts";
import { createNodeHost } from "../platform/node-host.ts";
import { oneLine } from "../reports/terminal.ts";
import { openPgpRemarks } from "./openpgp-options.ts";
import { readOptions, switched } from "./option-values.ts";
import { addKeyOptions, addSignerOptions, signerReaders } from "./signer-options.ts";
import { loadSigner } from "./signing-material.ts";
import type { Verb } from "./verb.ts";
import { VERSION } from "./version.ts";

const readers = { ...signerReaders, allowNewOpenpgp: switched };

/** `pulp-sign MANIFEST`: the script of a signing service of Pulp; where and what comes by its environment. */
export const pulpSignVerb: Verb = {
  name: "pulp-sign",
  define(command: Command): Command {
    command.argument("<manifest>", "path of the manifest that Pulp hands over").optionsGroup("Signing:");
    addKeyOptions(command).option("--allow-new-openpgp", "also keys that gpg 2.2 and Pulp before 2.28 cannot read");
    return addSignerOptions(command).addHelpText("after", examples);
  },
  async run(paths, raw, terminal, world) {
    const options = readOptions(readers, raw);
    const host = world ?? createNodeHost();
    const [manifest] = paths;
    if (manifest === undefined || paths.length !== 1) {
      throw new CountersignError("E_USAGE", `${paths.length} manifests are named, where Pulp hands over one`, {
        hint: 'write in the script: exec countersign pulp-sign --key KEY "$1"',
      });
    }
    const reference = told(host, "REFERENCE");
    const signaturePath = told(host, "SIG_PATH");
    const fingerprint = told(host, "PULP_SIGNING_KEY_FINGERPRINT");
    const { signer, warnings } = await loadSigner(host, options, undefined, null);
    const remarks = openPgpRemarks(await signer.describe(), [openPgpFormat], options);
    const agent = `countersign/${VERSION}`;
    await pulpSign(host, { manifest, reference, signaturePath, fingerprint, signer, agent });
    for (const warning of [...warnings, ...remarks]) terminal.err(`warning: ${oneLine(warning)}\n`);
    terminal.out(`${JSON.stringify({ signature_path: signaturePath })}\n`);
    return 0;
  },
};

function told({ env }: Host, name: string): string {
  const value = env[name];
  if (value !== undefined && value !== "") return value;
  throw new CountersignError("E_USAGE", `the variable ${name} is not set`, {
    hint: "let Pulp start this as the script of a signing service: it sets REFERENCE, SIG_PATH and PULP_SIGNING_KEY_FINGERPRINT",
  });
}

const examples = `
The script of a signing service, which Pulp starts with the path of a manifest and the variables REFERENCE, SIG_PATH and
PULP_SIGNING_KEY_FINGERPRINT; docs/pulp.md has the rest:
  #!/bin/sh
  exec countersign pulp-sign --key /etc/pulp/keys/signing.asc "$1"
`;
