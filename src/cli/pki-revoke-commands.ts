import { type Command, Option } from "commander";
import { makeRevocationLists, revokeCertificate } from "../operations/pki-revoke.ts";
import { createNodeHost } from "../platform/node-host.ts";
import { pkiText } from "../reports/pki-text.ts";
import { readPassphrase } from "../signers/key-source.ts";
import { REVOCATION_REASONS, type RevocationReason } from "../trust/issue-crl.ts";
import { number, oneOf, readOptions, text } from "./option-values.ts";
import { addOutputOptions, outputReaders } from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import { folderNamed } from "./pki-issue-commands.ts";
import type { Verb } from "./verb.ts";

const reasons = Object.keys(REVOCATION_REASONS) as RevocationReason[];
const revokeReaders = { ...outputReaders, reason: oneOf(reasons) };

/** `pki revoke DIR NAME|SERIAL`. */
export const pkiRevokeVerb: Verb = {
  name: "revoke",
  summary: "mark a certificate as revoked, for the next revocation list",
  define(command: Command): Command {
    command
      .argument("<folder>", "the PKI")
      .argument("<which>", "the name or the serial of a leaf, or intermediate")
      .addOption(new Option("--reason <reason>", "why").choices(reasons).default("unspecified"));
    return addOutputOptions(command).addHelpText(
      "after",
      "\nExample:\n  $ countersign pki revoke ./pki release --reason keyCompromise\n",
    );
  },
  async run([folder = "", which = ""], raw, terminal, host = createNodeHost()) {
    const options = readOptions(revokeReaders, raw);
    await checkReportPlace(options.report, host);
    const report = await revokeCertificate(host, { folder: folderNamed(folder), which, reason: options.reason });
    return emit(report, pkiText, 0, options, host, terminal);
  },
};

const crlReaders = { ...outputReaders, days: number(0.001, 3650, "number"), passphrase: text };

/** `pki crl DIR`. */
export const pkiCrlVerb: Verb = {
  name: "crl",
  summary: "make the revocation lists of intermediate and root",
  define(command: Command): Command {
    command
      .argument("<folder>", "the PKI")
      .option("--days <n>", "days until the next list is due", "7")
      .option("--passphrase <source>", "of the keys: env://NAME or a file");
    return addOutputOptions(command).addHelpText(
      "after",
      "\nExample:\n  $ countersign pki crl ./pki --passphrase env://PKI_PASSPHRASE\n",
    );
  },
  async run([folder = ""], raw, terminal, host = createNodeHost()) {
    const options = readOptions(crlReaders, raw);
    await checkReportPlace(options.report, host);
    const report = await makeRevocationLists(host, {
      folder: folderNamed(folder),
      days: options.days,
      passphrase: () => readPassphrase(options.passphrase, host),
    });
    return emit(report, pkiText, 0, options, host, terminal);
  },
};
