import type { RegistryReference } from "../oci/reference.ts";

/** A section of a registries.d file (containers-registries.d(5)), as far as it says something. */
export interface RegistriesSection {
  readonly lookaside?: string | undefined;
  readonly "lookaside-staging"?: string | undefined;
  /** Before version 5.22 of containers/image; what is named above goes before. */
  readonly sigstore?: string | undefined;
  readonly "sigstore-staging"?: string | undefined;
  readonly "use-sigstore-attachments"?: boolean | undefined;
}

/** The files of one folder together. */
export interface RegistriesD {
  /**
   * The address of the lookaside of an image, to be read or written; undefined where nothing is said. Every section that fits is asked, the
   * most specific first: one that leaves a key out hides nothing of the others.
   */
  lookup(scopes: readonly string[], use: "read" | "write"): string | undefined;
  /** Every address that is named. */
  readonly addresses: readonly string[];
  /** Keys that nobody reads, and what they may be meant to be. */
  readonly warnings: readonly string[];
}

/** @param sections by scope; `""` is `default-docker`. */
export function createRegistriesD(
  sections: ReadonlyMap<string, RegistriesSection>,
  warnings: readonly string[],
): RegistriesD {
  const named = [...sections.values()].flatMap((section) => [addressIn(section, "read"), addressIn(section, "write")]);
  return {
    warnings,
    addresses: [...new Set(named)].filter((address) => address !== undefined),
    lookup(scopes, use) {
      for (const scope of [...scopes, ""]) {
        const section = sections.get(scope);
        const address = section && addressIn(section, use);
        if (address) return address;
      }
      return undefined;
    },
  };
}

/** To write, what is staged goes before what is only read, in one section before any of the next. */
function addressIn(section: RegistriesSection, use: "read" | "write"): string | undefined {
  const staging = use === "write" ? section["lookaside-staging"] || section["sigstore-staging"] : undefined;
  return staging || section.lookaside || section.sigstore;
}

/**
 * The scopes that an image falls under, the most specific first, as containers/image looks them up: the image, its repository, the
 * namespaces above it, the host, and `*.` for the domains above that, without the port.
 */
export function scopesOf({ registry, repository, tag, digest }: RegistryReference): readonly string[] {
  const host = registry === "index.docker.io" ? "docker.io" : registry;
  const name = `${host}/${repository}`;
  const image = digest !== undefined ? [`${name}@${digest}`] : tag !== undefined ? [`${name}:${tag}`] : [];
  const parts = name.split("/");
  const namespaces = parts.map((_, at) => parts.slice(0, parts.length - at).join("/"));
  const domains = (host.split(":", 1)[0] ?? "").split(".");
  const wildcards = domains.slice(1).map((_, at) => `*.${domains.slice(at + 1).join(".")}`);
  return [...image, ...namespaces, ...wildcards];
}
