import { type Command, Option } from "commander";
import { SIGNATURE_OUTPUTS } from "../trust/signature-encoding.ts";
import { GPG_KEY_HELP } from "./openpgp-options.ts";
import { number, type OptionReader, type OptionValues, oneOf, text, texts } from "./option-values.ts";

/** Options about where the private key is, for every command that signs. Definitions alone: signers are loaded when one is named. */

const whole = number(1, 256, "whole number");
const wholeIfGiven: OptionReader<number | undefined> = (value, flag) =>
  value === undefined ? undefined : whole(value, flag);

export const signerReaders = {
  key: text,
  passphrase: text,
  signer: text,
  certificate: text,
  certificateChain: text,
  publicKey: text,
  gpgKey: text,
  signerInput: oneOf(["message", "digest"]),
  signerOutput: oneOf(SIGNATURE_OUTPUTS),
  signerTimeout: number(0.1, 3600, "number"),
  signerConcurrency: wholeIfGiven,
  passEnv: texts,
  pluginDir: text,
  signerKeyId: text,
  signerToken: text,
  signerAudience: text,
  signerCacert: text,
  signerClientCert: text,
  signerClientKey: text,
};

export type SignerOptions = OptionValues<typeof signerReaders>;

/** `--key` and its company; stands in the group that is open. */
export function addKeyOptions(command: Command): Command {
  return command
    .option(
      "--key <source>",
      "private key, PEM or OpenPGP: a path, env://NAME (as text or base64), or - for standard input",
    )
    .option("--passphrase <source>", "of an encrypted key: env://NAME or a file; COSIGN_PASSWORD is read without it")
    .option("--signer <address>", "instead of --key: exec:COMMAND, https+sign://…, notation-plugin:NAME?id=KEY")
    .option("--certificate <source>", "the key's certificate, PEM or DER")
    .option("--certificate-chain <source>", "its issuers, in any order, with or without the root")
    .option("--gpg-key <source>", GPG_KEY_HELP);
}

/** What signers outside this process can be told. */
export function addSignerOptions(command: Command): Command {
  return command
    .optionsGroup("Signers elsewhere (--signer):")
    .option("--public-key <source>", "its public key, where there is no certificate: path, env://NAME or -")
    .addOption(
      new Option("--signer-input <what>", "what it is given: the bytes to sign, or their digest")
        .choices(["message", "digest"])
        .default("message"),
    )
    .addOption(
      new Option("--signer-output <kind>", "exec: how it writes signatures").choices(SIGNATURE_OUTPUTS).default("auto"),
    )
    .option("--signer-timeout <seconds>", "for one answer", "60")
    .option("--signer-concurrency <n>", "signatures asked for at once (default: 4)")
    .option("--pass-env <name>", "exec, notation-plugin: a variable that the program sees too (repeatable)", list)
    .option("--plugin-dir <folder>", "notation-plugin: holds NAME/notation-NAME (default: notation's own)")
    .optionsGroup("Signing service (--signer https+sign://HOST/PATH):")
    .option("--signer-key-id <name>", "which of its keys, as the service names them")
    .option(
      "--signer-token <source>",
      "bearer token: env://NAME, a file, -, or github-actions for the job's OIDC token",
    )
    .option("--signer-audience <text>", "audience of the OIDC token (default: host and port of the service)")
    .option(
      "--signer-cacert <source>",
      "PEM certificates to trust beside the system's, for HTTPS: a path or env://NAME",
    )
    .option("--signer-client-cert <source>", "PEM certificate to show to the service")
    .option("--signer-client-key <source>", "its private key, PEM");
}

function list(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}
