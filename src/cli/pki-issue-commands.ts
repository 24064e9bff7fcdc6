import { type Command, Option } from "commander";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { initPki } from "../operations/pki-init.ts";
import { issueLeaf } from "../operations/pki-issue.ts";
import { KEY_TYPES } from "../operations/pki-keys.ts";
import { createNodeHost } from "../platform/node-host.ts";
import { pkiText } from "../reports/pki-text.ts";
import { readKeyMaterial, readPassphrase } from "../signers/key-source.ts";
import { parseRequestedName } from "../trust/requested-names.ts";
import { PURPOSES, VERIFIERS, type VerifierName } from "../trust/verifier-rules.ts";
import { number, oneOf, readOptions, switched, text, texts } from "./option-values.ts";
import { addOutputOptions, outputReaders } from "./options.ts";
import { checkReportPlace, emit } from "./output.ts";
import type { Verb } from "./verb.ts";

const list = (value: string, before: string[] | undefined) => [...(before ?? []), value];
const days = number(0.001, 36_500, "number");
const HOUR = 60 * 60 * 1000;

const keyTypeOption = (what: string, standard: string) =>
  new Option("--key-type <type>", what).choices(KEY_TYPES).default(standard);

const initReaders = {
  ...outputReaders,
  subjectRoot: text,
  subjectIntermediate: text,
  keyType: oneOf(KEY_TYPES),
  rootDays: days,
  intermediateDays: days,
  passphrase: text,
};

/** `pki init DIR`. */
export const pkiInitVerb: Verb = {
  name: "init",
  summary: "make a root and an intermediate; never overwrites",
  define(command: Command): Command {
    command
      .argument("<folder>", "where to make it: absent or empty")
      .option("--subject-root <dn>", "RFC 4514", "CN=Container Signing Root")
      .option("--subject-intermediate <dn>", "RFC 4514", "CN=Container Signing Intermediate")
      .addOption(keyTypeOption("of both keys", "p384"))
      .option("--root-days <n>", "days the root is valid", "3650")
      .option("--intermediate-days <n>", "days the intermediate is valid", "1825")
      .option("--passphrase <source>", "encrypts both keys: env://NAME or a file");
    return addOutputOptions(command).addHelpText(
      "after",
      `
Example:
  $ countersign pki init ./pki --passphrase env://PKI_PASSPHRASE \\
      --subject-root 'CN=Example Root,O=Example' --subject-intermediate 'CN=Example Signing,O=Example'
`,
    );
  },
  async run([folder = ""], raw, terminal, host = createNodeHost()) {
    const options = readOptions(initReaders, raw);
    await checkReportPlace(options.report, host);
    const report = await initPki(host, {
      folder: folderNamed(folder),
      rootSubject: options.subjectRoot ?? "",
      intermediateSubject: options.subjectIntermediate ?? "",
      keyType: options.keyType,
      rootDays: options.rootDays,
      intermediateDays: options.intermediateDays,
      passphrase: () => readPassphrase(options.passphrase, host),
    });
    return emit(report, pkiText, 0, options, host, terminal);
  },
};

const issueReaders = {
  ...outputReaders,
  subject: text,
  san: texts,
  eku: texts,
  profile: text,
  keyType: oneOf(KEY_TYPES),
  csr: text,
  days: optional(days),
  hours: optional(number(1, 876_000, "whole number")),
  crlUrl: texts,
  out: text,
  passphrase: text,
  leafPassphrase: text,
  plainLeafKey: switched,
};

/** `pki issue DIR NAME`. */
export const pkiIssueVerb: Verb = {
  name: "issue",
  summary: "issue a leaf that signs images, with the chain files that verifiers want",
  define(command: Command): Command {
    command
      .argument("<folder>", "the PKI")
      .argument("<name>", "what the leaf is called in the index and on disk; verifiers never see it")
      .optionsGroup("Certificate:")
      .option("--subject <dn>", "RFC 4514; the request's, or CN=NAME, without it")
      .option("--san <name>", "uri:…, email:…, dns:…, ip:…, dirname:… or rid:… (repeatable)", list)
      .option("--eku <purpose>", "beside codeSigning: clientAuth and the like, or an OID (repeatable)", list)
      .option("--days <n>", "days it is valid (default: 30)")
      .option("--hours <n>", "hours it is valid instead")
      .option("--profile <names>", "whose rules it must keep, by comma: cosign, notation, crio", "cosign")
      .option("--crl-url <url>", "where the revocation list is published (repeatable)", list)
      .optionsGroup("Key:")
      .addOption(keyTypeOption("of the key that is made", "p256"))
      .option("--csr <source>", "a certificate request instead, of a key in an HSM: a file, env://NAME or -")
      .option("--leaf-passphrase <source>", "encrypts the key that is made: env://NAME or a file")
      .option("--plain-leaf-key", "write the key in the clear, for a secret store that encrypts by itself")
      .option("--passphrase <source>", "of the intermediate's key: env://NAME or a file")
      .option("--out <folder>", "where to write; issued/NAME in the PKI without it");
    return addOutputOptions(command).addHelpText(
      "after",
      `
Examples:
  $ countersign pki issue ./pki release --san uri:https://ci.example.com/release --days 7 \\
      --passphrase env://PKI_PASSPHRASE --leaf-passphrase env://LEAF_PASSPHRASE
  $ countersign pki issue ./pki hsm --csr request.pem --san email:release@example.com --profile cosign,crio \\
      --passphrase env://PKI_PASSPHRASE
`,
    );
  },
  async run([folder = "", name = ""], raw, terminal, host = createNodeHost()) {
    const options = readOptions(issueReaders, raw);
    await checkReportPlace(options.report, host);
    const { csr, leafPassphrase } = options;
    if (options.days !== undefined && options.hours !== undefined) {
      throw new CountersignError("E_USAGE", "--days and --hours exclude each other", { hint: "leave one out" });
    }
    if ([csr, leafPassphrase, options.plainLeafKey].filter((given) => given !== undefined).length !== 1) {
      throw new CountersignError("E_USAGE", "how the leaf's key is kept is not said, or said twice", {
        hint: "write one of --leaf-passphrase env://NAME, --plain-leaf-key, or --csr FILE for a key that is elsewhere",
      });
    }
    const report = await issueLeaf(host, {
      folder: folderNamed(folder),
      name,
      subject: options.subject,
      alternativeNames: (options.san ?? []).map(parseRequestedName),
      purposes: (options.eku ?? []).map(purposeOf),
      profiles: verifiersNamed("--profile", options.profile),
      keyType: options.keyType,
      request: csr === undefined ? undefined : (await readKeyMaterial(csr, host, LIMITS.keyFile)).bytes,
      lifetime: options.hours === undefined ? (options.days ?? 30) * 24 * HOUR : options.hours * HOUR,
      leafPassphrase: leafPassphrase === undefined ? undefined : () => readPassphrase(leafPassphrase, host),
      out: options.out,
      revocationLists: (options.crlUrl ?? []).map(addressOf),
      passphrase: () => readPassphrase(options.passphrase, host),
    });
    return emit(report, pkiText, 0, options, host, terminal);
  },
};

/** @throws E_USAGE: an empty variable must not name the working folder. */
export function folderNamed(folder: string): string {
  if (folder !== "") return folder;
  throw new CountersignError("E_USAGE", "the folder's name is empty", { hint: "name the folder of the PKI: ./pki" });
}

/** Verifiers by comma. @throws E_USAGE. */
export function verifiersNamed(flag: string, names: string | undefined): readonly VerifierName[] {
  return (names ?? VERIFIERS.join(",")).split(",").map((name) => {
    const verifier = VERIFIERS.find((known) => known === name.trim());
    if (verifier !== undefined) return verifier;
    throw new CountersignError("E_USAGE", `${flag}: ${JSON.stringify(name.slice(0, 80))} is no verifier known here`, {
      hint: `name some of ${VERIFIERS.join(", ")}`,
    });
  });
}

function optional<T>(read: (value: unknown, flag: string) => T): (value: unknown, flag: string) => T | undefined {
  return (value, flag) => (value === undefined ? undefined : read(value, flag));
}

function purposeOf(text: string): string {
  const known = Object.hasOwn(PURPOSES, text) ? PURPOSES[text] : undefined;
  if (known !== undefined) return known;
  if (/^[0-2](?:\.(?:0|[1-9]\d{0,14}))+$/.test(text)) return text;
  throw new CountersignError("E_USAGE", `--eku: ${JSON.stringify(text.slice(0, 80))} is no purpose known here`, {
    hint: `name one of ${Object.keys(PURPOSES).join(", ")}, or a dotted OID`,
  });
}

function addressOf(text: string): string {
  if (/^https?:\/\/[!-~]+$/.test(text) && URL.canParse(text)) return text;
  throw new CountersignError("E_USAGE", `--crl-url: ${JSON.stringify(text.slice(0, 200))} is no HTTP address`, {
    hint: "write http://pki.example.com/intermediate.crl",
  });
}
