import path from "node:path";
import { type DockerReference, formatDockerReference } from "../../oci/docker-reference.ts";
import type { ContainersPolicy, Requirements } from "./document.ts";

/** An image as scopes are looked up for it: by its registry name, or the absolute path of its layout folder. */
export type Named = { readonly docker: DockerReference } | { readonly folder: string };

/** Where in a policy what was applied stands. */
export interface Applied {
  readonly requirements: Requirements;
  /** `docker`, or undefined for the policy's default. */
  readonly transport?: string | undefined;
  readonly scope?: string | undefined;
}

/**
 * The requirements for an image: those of the most specific scope of its transport, else of the transport, else the default
 * (policy_eval.go, requirementsForImageRef). Nothing is merged.
 */
export function requirementsFor(policy: ContainersPolicy, named: Named): Applied {
  const transport = "docker" in named ? "docker" : "oci";
  const scopes = policy.transports.get(transport);
  const candidates = "docker" in named ? scopesOf(named.docker) : foldersOf(named.folder);
  for (const scope of scopes === undefined ? [] : [...candidates, ""]) {
    const requirements = scopes?.get(scope);
    if (requirements !== undefined) return { requirements, transport, scope };
  }
  return { requirements: policy.default };
}

/** The image by tag or digest, its repository, each namespace, its host, and wildcards for the host without its port (policyconfiguration/naming.go). */
export function scopesOf(reference: DockerReference): readonly string[] {
  const { name } = reference;
  const parts = name.split("/");
  const parents = parts.map((_, dropped) => parts.slice(0, parts.length - dropped).join("/"));
  const labels = (parts[0] ?? "").replace(/:.*$/s, "").split(".").slice(1);
  const wildcards = labels.map((_, dropped) => `*.${labels.slice(dropped).join(".")}`);
  return [formatDockerReference(reference), ...parents, ...wildcards];
}

function foldersOf(folder: string): readonly string[] {
  const parent = path.posix.dirname(folder);
  return folder === "/" || folder === parent ? [] : [folder, ...foldersOf(parent)];
}
