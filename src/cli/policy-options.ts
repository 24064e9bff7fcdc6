import type { OptionList } from "./option-list.ts";
import { type OptionValues, text } from "./option-values.ts";

export const policyReaders = { policy: text, trustPolicy: text, trustStore: text, notationConfig: text, scope: text };

/** A policy document instead of trust flags. */
export function addPolicyOptions<List extends OptionList>(command: List): List {
  return command
    .optionsGroup("A policy document, instead of the trust flags:")
    .option(
      "--policy <file>",
      "policy.json of podman and skopeo, or notation's trust policy; it says itself which it is",
    )
    .option("--trust-policy <file>", "of notation's kind alone: trustpolicy.json, trustpolicy.oci.json")
    .option("--trust-store <folder>", "holds its trust stores: x509/TYPE/NAME/FILE")
    .option("--notation-config <folder>", "holds both as notation keeps them; `default` for notation's own folder")
    .option("--scope <name>", "stands for the repository of images in layout folders");
}

export function namesPolicy(options: OptionValues<typeof policyReaders>): boolean {
  return Object.keys(policyReaders).some((name) => options[name as keyof typeof policyReaders] !== undefined);
}
