import type { RegistryReference } from "../oci/reference.ts";
import { scopesOf } from "./registries-d.ts";

/**
 * A registries.d file, YAML in UTF-8, by which podman finds the signatures of these repositories in a lookaside.
 * @param address `file:///…`, `https://…` or `http://…`.
 */
export function encodeRegistriesD(repositories: readonly RegistryReference[], address: string): Uint8Array {
  const sections = new Set(repositories.map((repository) => registriesDSection(repository, address)));
  return new TextEncoder().encode(`docker:\n${[...sections].sort().join("")}`);
}

/** What such a file says of one repository, in its lines. */
export function registriesDSection(repository: RegistryReference, address: string): string {
  const [scope = ""] = scopesOf({ ...repository, tag: undefined, digest: undefined });
  // Texts of JSON are texts of YAML, whatever is in them.
  return `  ${JSON.stringify(scope)}:\n    lookaside: ${JSON.stringify(address)}\n`;
}
