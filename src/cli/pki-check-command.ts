import type { Command } from "commander";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { checkPki } from "../operations/pki-check.ts";
import type { Host } from "../platform/host.ts";
import { createNodeHost } from "../platform/node-host.ts";
import { pkiCheckText } from "../reports/pki-text.ts";
import { readKeyMaterial, readPassphrase } from "../signers/key-source.ts";
import { parsePrivateKey } from "../signers/private-key.ts";
import { parseCertificates } from "../trust/certificate.ts";
import { parsePublicKey } from "../trust/public-keys.ts";
import { about } from "./about.ts";
import { readOptions, text } from "./option-values.ts";
import { addOutputOptions, outputReaders } from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import { verifiersNamed } from "./pki-issue-commands.ts";
import type { Verb } from "./verb.ts";

const readers = { ...outputReaders, key: text, passphrase: text, for: text, at: text };

/** `pki check FILE…`: ends in 1 when a verifier asked about would refuse. */
export const pkiCheckVerb: Verb = {
  name: "check",
  summary: "tell which verifiers would refuse a chain, by which rule, and what would mend it",
  define(command: Command): Command {
    command
      .argument("<file...>", "certificates, PEM or DER, in any order: leaf, intermediates, root")
      .option("--key <source>", "the leaf's key, public or private; else the first that is no authority is the leaf")
      .option("--passphrase <source>", "of the key: env://NAME or a file")
      .option("--for <names>", "verifiers by comma: cosign, notation, crio (default: all)")
      .option("--at <date>", "check validity at this time, RFC 3339 (default: now)");
    return addOutputOptions(command).addHelpText(
      "after",
      "\nExample:\n  $ countersign pki check leaf.pem chain.pem --key leaf.key --for cosign,notation\n",
    );
  },
  async run(files, raw, terminal, host = createNodeHost()) {
    const options = readOptions(readers, raw);
    await checkReportPlace(options.report, host);
    const read = await Promise.all(
      files.map(async (source) => {
        const { bytes, label } = await readKeyMaterial(source, host, LIMITS.certificateFile);
        return about(label, async () => parseCertificates(bytes));
      }),
    );
    const report = checkPki({
      certificates: read.flat(),
      key: await keyOf(host, options.key, options.passphrase),
      verifiers: verifiersNamed("--for", options.for),
      at: options.at === undefined ? host.now() : timeOf(options.at),
    });
    return emit(report, pkiCheckText, report.accepted ? 0 : 1, options, host, terminal);
  },
};

async function keyOf(host: Host, source: string | undefined, passphrase: string | undefined) {
  if (source === undefined) return undefined;
  const { bytes, label } = await readKeyMaterial(source, host);
  return about(`--key ${label}`, async () =>
    Buffer.from(bytes).includes("PRIVATE KEY-----")
      ? parsePrivateKey(bytes, () => readPassphrase(passphrase, host))
      : parsePublicKey(bytes).key,
  );
}

function timeOf(text: string): Date {
  const at = new Date(/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/.test(text) ? text : "");
  if (!Number.isNaN(at.getTime())) return at;
  throw new CountersignError("E_USAGE", `--at: ${JSON.stringify(text.slice(0, 80))} is no time`, {
    hint: "write 2027-01-31 or 2027-01-31T12:00:00Z",
  });
}
