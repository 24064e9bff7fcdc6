import type { Command } from "commander";
import { CountersignError } from "../model/errors.ts";
import type { Format } from "../model/format.ts";
import { LIMITS } from "../model/limits.ts";
import type { Signer } from "../model/signature.ts";
import { dockerReferenceOf, parseDockerReference } from "../oci/docker-reference.ts";
import { parseReference } from "../oci/reference.ts";
import type { Host } from "../platform/host.ts";
import type { PolicyEntry } from "../policies/containers/entry.ts";
import type { SignReport } from "../reports/report.ts";
import { about } from "./about.ts";
import { isOpenPgpFormat } from "./openpgp-options.ts";

/** A policy.json that a run writes: whom podman, skopeo and CRI-O are to trust for what was signed or promoted. */

export function addPolicyOutput(command: Command, name: string, description: string): Command {
  return command.option(`--${name} <file>`, description);
}

/** Before any work, as a document that cannot be added to is no place to write. @throws E_POLICY_INVALID, E_FILE_UNREADABLE, … with exit status 2. */
export async function checkPolicyOutput(flag: string, path: string | undefined, host: Host): Promise<void> {
  if (path === undefined) return;
  await about(`${flag} ${path}`, async () => {
    const bytes = await documentAt(path, host);
    if (bytes === undefined) return;
    const { parseContainersPolicy } = await import("../policies/containers/document.ts");
    parseContainersPolicy(bytes);
  });
}

/** As `checkPolicyOutput`, of `sign`. @throws E_USAGE where nothing will be signed that such a policy speaks of. */
export async function checkSignedPolicy(
  path: string | undefined,
  formats: readonly Format[],
  host: Host,
): Promise<void> {
  if (path !== undefined && !formats.some(isOpenPgpFormat)) {
    throw new CountersignError("E_USAGE", "--write-policy says nothing of formats other than openpgp", {
      hint: "add --format openpgp, or leave --write-policy out",
    });
  }
  await checkPolicyOutput("--write-policy", path, host);
}

/** What a policy is to say of the images that carry the signer's OpenPGP signature now. @param identity the reference that was signed, where it was told */
export async function signedEntries(
  { images }: SignReport,
  signer: Signer,
  identity: string | undefined,
): Promise<readonly PolicyEntry[]> {
  const { openpgp } = await signer.describe();
  if (openpgp === undefined) return [];
  const { identityFor } = await import("../policies/containers/entry.ts");
  return images.flatMap(({ reference, signatures }): readonly PolicyEntry[] => {
    if (!signatures.some(({ format }) => format === "openpgp")) return [];
    const pulled = dockerReferenceOf(parseReference(reference));
    if (pulled === undefined) return [];
    const claimed = (identity === undefined ? undefined : parseDockerReference(identity)) ?? pulled;
    return [{ repository: pulled.name, blocks: [openpgp.certificate.block], identity: identityFor(pulled, claimed) }];
  });
}

/**
 * Adds entries to the document, in one step. Of several for one repository the rule that takes the signatures of all stands there.
 * @returns warnings: what was left out, and why.
 * @throws E_FILE_UNWRITABLE, E_FILE_UNREADABLE, E_POLICY_INVALID.
 */
export async function writePolicyOutput(
  path: string | undefined,
  entries: readonly PolicyEntry[],
  host: Host,
): Promise<readonly string[]> {
  if (path === undefined) return [];
  if (entries.length === 0) return [`nothing is there that ${path} could say whom to trust for: it is not written`];
  const { combineEntries, mergePolicy } = await import("../policies/containers/entry.ts");
  const { bytes, left } = mergePolicy(await documentAt(path, host), combineEntries(entries));
  if (bytes !== undefined) await host.files.write(path, bytes);
  return left.map((sentence) => `${path}: ${sentence}`);
}

async function documentAt(path: string, host: Host): Promise<Uint8Array | undefined> {
  return (await host.files.exists(path)) ? host.files.read(path, LIMITS.policy) : undefined;
}
