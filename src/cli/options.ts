import type { OptionList } from "./option-list.ts";
import { number, oneOf, switched, text, texts } from "./option-values.ts";

/** Options that commands share, in the groups that `--help` shows. Each adder has its readers beside it. */

const list = (value: string, before: string[] | undefined) => [...(before ?? []), value];

export const imageReaders = {
  images: text,
  all: switched,
  tags: texts,
  recursive: switched,
  concurrency: number(1, 1000, "whole number"),
};

export function addImageOptions<List extends OptionList>(command: List, { recursive = true } = {}): List {
  command
    .optionsGroup("Images:")
    .option("--images <file>", "read references from a file, one a line; - for standard input")
    .option("--all", "every tag of the named repositories")
    .option("--tags <glob>", "every tag that matches: * any characters, ? one (repeatable)", list);
  if (recursive) command.option("-r, --recursive", "of a multi-platform index, every image in it too");
  return command.option("--concurrency <n>", "images worked on at once", "128");
}

export const registryReaders = {
  registryUsername: text,
  registryPassword: text,
  registryToken: text,
  registryCacert: text,
  registryClientCert: text,
  registryClientKey: text,
  allowHttpRegistry: switched,
  allowInsecureRegistry: switched,
  tokenRealm: texts,
  connections: number(1, 256, "whole number"),
  requestTimeout: number(0.001, 3600, "number"),
};

export function addRegistryOptions<List extends OptionList>(command: List): List {
  return command
    .optionsGroup("Registry:")
    .option("--registry-username <name>", "user of the registry that the first image names")
    .option("--registry-password <source>", "its password: env://NAME, a file, or - for standard input")
    .option("--registry-token <source>", "a bearer token instead: env://NAME, a file, or -")
    .option(
      "--registry-cacert <source>",
      "PEM certificates to trust beside the system's, for HTTPS: a path or env://NAME",
    )
    .option("--registry-client-cert <source>", "PEM certificate to show to the registry")
    .option("--registry-client-key <source>", "its private key, PEM")
    .option("--allow-http-registry", "plain HTTP beyond loopback")
    .option("--allow-insecure-registry", "accept any HTTPS certificate; for tests only")
    .option("--token-realm <host>", "a host that may be sent the credentials for a token (repeatable)", list)
    .option("--connections <n>", "connections to one registry", "32")
    .option("--request-timeout <seconds>", "for one request, from its start to its last byte", "30");
}

export const outputReaders = {
  output: oneOf(["text", "json"]),
  report: texts,
  verbose: switched,
};

export function addOutputOptions<List extends OptionList>(command: List): List {
  return command
    .optionsGroup("Output:")
    .addOption(command.createOption("-o, --output <kind>", "what to print").choices(["text", "json"]).default("text"))
    .option(
      "--report <file>",
      "keep the report in a file too (repeatable): .xml JUnit, .md Markdown, .env dotenv, any other JSON",
      list,
    )
    .option("-v, --verbose", "log each request to standard error");
}
