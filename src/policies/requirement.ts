import type { Authority, Requirement } from "../model/policy.ts";

/** Every authority that a requirement names, each once, in its order. */
export function authoritiesOf(requirement: Requirement): readonly Authority[] {
  return [...new Set(collect(requirement))];
}

function collect(requirement: Requirement): readonly Authority[] {
  if ("authority" in requirement) return [requirement.authority];
  return partsOf(requirement).flatMap(collect);
}

/**
 * Whether the signers that each authority accepted fulfil a requirement. `acceptedBy` gives the signers accepted by an
 * authority, each under a name of its own.
 *
 * `atLeast` asks for different signers: one signature cannot stand for two of the authorities beside one another in it.
 * A requirement that asks for nothing (`all` or `any` of none, `atLeast` none) is never fulfilled: fail closed.
 */
export function isFulfilled(
  requirement: Requirement,
  acceptedBy: (authority: Authority) => ReadonlySet<string>,
): boolean {
  if ("authority" in requirement) return acceptedBy(requirement.authority).size > 0;
  if ("all" in requirement)
    return requirement.all.length > 0 && requirement.all.every((part) => isFulfilled(part, acceptedBy));
  if ("any" in requirement) return requirement.any.some((part) => isFulfilled(part, acceptedBy));
  const signers = requirement.of.flatMap((part) => ("authority" in part ? [acceptedBy(part.authority)] : []));
  const nested = requirement.of.filter((part) => !("authority" in part) && isFulfilled(part, acceptedBy)).length;
  return requirement.atLeast >= 1 && distinctMatches(signers) + nested >= requirement.atLeast;
}

function partsOf(requirement: Exclude<Requirement, { authority: Authority }>): readonly Requirement[] {
  if ("all" in requirement) return requirement.all;
  return "any" in requirement ? requirement.any : requirement.of;
}

/** How many of the sets can each be given a member of their own: a largest bipartite matching, by augmenting paths (Kuhn). */
function distinctMatches(sets: readonly ReadonlySet<string>[]): number {
  const holder = new Map<string, number>();
  const place = (set: number, tried: Set<string>): boolean => {
    for (const member of sets[set] ?? []) {
      if (tried.has(member)) continue;
      tried.add(member);
      const held = holder.get(member);
      if (held === undefined || place(held, tried)) {
        holder.set(member, set);
        return true;
      }
    }
    return false;
  };
  return sets.filter((_, set) => place(set, new Set())).length;
}
