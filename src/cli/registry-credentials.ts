import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { ExplicitCredentials } from "../oci/credentials.ts";
import { parseReference } from "../oci/reference.ts";
import type { Host } from "../platform/host.ts";
import { readKeyMaterial, readSecretFile, readVariable } from "../signers/key-source.ts";
import { about } from "./about.ts";

export interface CredentialOptions {
  readonly registryUsername?: string | undefined;
  readonly registryPassword?: string | undefined;
  readonly registryToken?: string | undefined;
}

/** Of the registry that is written to, where they are other than those of the one that is read. */
export interface DestinationCredentialOptions {
  readonly destinationUsername?: string | undefined;
  readonly destinationPassword?: string | undefined;
  readonly destinationToken?: string | undefined;
}

/** PEM that a flag names. @throws what reading it throws. */
export async function readPem(host: Host, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const { bytes } = await readKeyMaterial(path, host, LIMITS.certificateFile);
  return Buffer.from(bytes).toString("utf8");
}

/** Those behind `--destination-…`; undefined: none is given, and those of the source serve. @throws E_USAGE, what reading a secret throws. */
export async function destinationCredentials(
  host: Host,
  options: DestinationCredentialOptions,
  images: readonly string[],
): Promise<ExplicitCredentials | undefined> {
  const { destinationUsername: username, destinationPassword, destinationToken } = options;
  if (username === undefined && destinationPassword === undefined && destinationToken === undefined) return undefined;
  const password = await secretOf(host, "--destination-password", destinationPassword);
  const token = await secretOf(host, "--destination-token", destinationToken);
  return { username, password, token, registry: firstRegistry(images), flags: "--destination" };
}

/** Those behind `--registry-…`, for the registry of the first image. @throws E_USAGE, what reading a secret throws. */
export async function registryCredentials(
  host: Host,
  options: CredentialOptions,
  images: readonly string[],
): Promise<ExplicitCredentials> {
  const { registryUsername: username, registryPassword, registryToken } = options;
  if (username === undefined && registryPassword === undefined && registryToken === undefined) return {};
  const password = await secretOf(host, "--registry-password", registryPassword);
  const token = await secretOf(host, "--registry-token", registryToken);
  return { username, password, token, registry: firstRegistry(images) };
}

/** Flags name no registry of their own: they are for the one that the first image names, and shown to no other. */
function firstRegistry(images: readonly string[]): string | undefined {
  for (const image of images) {
    if (image === "-") continue;
    const reference = parseReference(image);
    if (reference.kind === "registry") return reference.registry;
  }
  throw new CountersignError("E_USAGE", "credentials are given, but no registry is named beside them", {
    hint: "name an image of that registry as an argument, or set COUNTERSIGN_USERNAME, COUNTERSIGN_PASSWORD and COUNTERSIGN_REGISTRY",
  });
}

/** A secret from `env://NAME`, a file or standard input: never from the command line, where every process can read it. */
async function secretOf(host: Host, flag: string, source: string | undefined): Promise<string | undefined> {
  if (source === undefined) return undefined;
  if (source.startsWith("env://")) {
    return about(flag, async () => readVariable(source.slice("env://".length), host));
  }
  const bytes = source === "-" ? await host.readStdin(LIMITS.passphrase) : await readSecretFile(source, flag, host);
  return Buffer.from(bytes)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}
