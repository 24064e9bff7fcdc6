import type { ContainersPolicy, Requirements } from "./document.ts";
import type { Source } from "./members.ts";
import type { PolicyRequirement } from "./policy-requirement.ts";

/** Every key and certificate that a policy names and that this program can verify by, by what is in it. */
export interface Sources {
  readonly openpgp: readonly Source[];
  readonly publicKeys: readonly Source[];
  readonly certificates: readonly Source[];
}

export function sourcesOf(policy: ContainersPolicy): Sources {
  const all = listsOf(policy)
    .flatMap(({ requirements }) => requirements)
    .map(sourcesOfOne);
  return {
    openpgp: all.flatMap(({ openpgp }) => openpgp ?? []),
    publicKeys: all.flatMap(({ publicKeys }) => publicKeys ?? []),
    certificates: all.flatMap(({ certificates }) => certificates ?? []),
  };
}

/** Every list of requirements with its place; the default first. */
export function listsOf({ default: fallback, transports }: ContainersPolicy): readonly {
  readonly transport?: string | undefined;
  readonly scope?: string | undefined;
  readonly requirements: Requirements;
}[] {
  const scoped = [...transports].flatMap(([transport, scopes]) =>
    [...scopes].map(([scope, requirements]) => ({ transport, scope, requirements })),
  );
  return [{ requirements: fallback }, ...scoped];
}

export function sourcesOfOne(requirement: PolicyRequirement): Partial<Sources> {
  if (requirement.type === "signedBy") return requirement.keyType === "GPGKeys" ? { openpgp: requirement.keys } : {};
  if (requirement.type !== "sigstoreSigned") return {};
  const { by } = requirement;
  if (by.kind === "keys") return { publicKeys: by.keys };
  if (by.kind === "fulcio") return {};
  return { certificates: [by.roots, ...(by.intermediates ? [by.intermediates] : [])] };
}
