import type { RegistryReference } from "../oci/reference.ts";
import { scopesOf } from "./registries-d.ts";

/**
 * A registries.d file, YAML in UTF-8, by which podman finds the signatures of these repositories in a lookaside.
 * @param address `file:///…`, `https://…` or `http://…`.
 */
export function encodeRegistriesD(repositories: readonly RegistryReference[], address: string): Uint8Array {
  const scopes = repositories.map(
    (reference) => scopesOf({ ...reference, tag: undefined, digest: undefined })[0] ?? "",
  );
  // Texts of JSON are texts of YAML, whatever is in them.
  const sections = [...new Set(scopes)]
    .sort()
    .map((scope) => `  ${JSON.stringify(scope)}:\n    lookaside: ${JSON.stringify(address)}\n`);
  return new TextEncoder().encode(`docker:\n${sections.join("")}`);
}
