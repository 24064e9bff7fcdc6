import { isDeepStrictEqual } from "node:util";
import type { SignedIdentity } from "../../model/policy.ts";
import type { DockerReference } from "../../oci/docker-reference.ts";
import { type ContainersPolicy, parseContainersPolicy } from "./document.ts";
import { requirementsFor } from "./scopes.ts";

/** By which rule the reference inside a signature stands for an image that is pulled; undefined: by the rule that holds unless told. */
export type EntryIdentity = Extract<SignedIdentity, { type: "remapIdentity" | "exactRepository" }> | undefined;

/** What a policy.json is to say of one repository. */
export interface PolicyEntry {
  readonly repository: string;
  /** Public key blocks, binary: a signature by any of them counts. */
  readonly blocks: readonly Uint8Array[];
  readonly identity: EntryIdentity;
}

/**
 * The narrowest rule by which a signature of `claimed` stands for `pulled`: the usual one; the same tag of the other repository
 * (`remapIdentity`); any tag of it (`exactRepository`).
 */
export function identityFor(pulled: DockerReference, claimed: DockerReference): EntryIdentity {
  const sameTag = pulled.digest !== undefined || pulled.tag === claimed.tag;
  if (!sameTag) return { type: "exactRepository", repository: claimed.name };
  if (claimed.name === pulled.name) return undefined;
  return { type: "remapIdentity", prefix: pulled.name, signedPrefix: claimed.name };
}

/** Orders rules by what they take, the narrowest first. */
export function byWidth(one: EntryIdentity, other: EntryIdentity): number {
  return widths.indexOf(one?.type) - widths.indexOf(other?.type);
}

const widths: readonly (string | undefined)[] = [undefined, "remapIdentity", "exactRepository"];

/** One entry for all signatures of one repository that claim the same one: any of their keys, by the widest of their rules. */
export function combineEntries(entries: readonly PolicyEntry[]): readonly PolicyEntry[] {
  const groups = new Map<string, PolicyEntry[]>();
  for (const entry of entries) {
    const key = `${entry.repository} ${claimedBy(entry)}`;
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  return [...groups.values()].flatMap((group) => {
    const [widest] = [...group].sort((one, other) => byWidth(other.identity, one.identity));
    const blocks = new Map(
      group.flatMap((entry) => entry.blocks.map((block) => [Buffer.from(block).toString("hex"), block])),
    );
    return widest === undefined ? [] : [{ ...widest, blocks: [...blocks.values()] }];
  });
}

function claimedBy({ repository, identity }: PolicyEntry): string {
  if (identity === undefined) return repository;
  return identity.type === "exactRepository" ? identity.repository : identity.signedPrefix;
}

/** As a policy.json writes it. */
export function identityJson(identity: NonNullable<EntryIdentity>): Readonly<Record<string, string>> {
  if (identity.type === "exactRepository") return { type: identity.type, dockerRepository: identity.repository };
  const { type, prefix, signedPrefix } = identity;
  return { type, prefix, signedPrefix };
}

export interface MergedPolicy {
  /** JSON in UTF-8; undefined: nothing is new. */
  readonly bytes: Uint8Array | undefined;
  /** Entries that the document goes against, a sentence each: they were left out. */
  readonly left: readonly string[];
}

/**
 * Adds entries to a policy.json, or begins one that rejects everything else. What the document says already stays: an entry is added only
 * where `default` has decided so far, and that by accepting anything or by rejecting. Its own entry would otherwise take the place of requirements
 * that hold for the repository now, since nothing is merged in such a document.
 *
 * @throws E_POLICY_INVALID.
 */
export function mergePolicy(document: Uint8Array | undefined, entries: readonly PolicyEntry[]): MergedPolicy {
  const parsed = document && parseContainersPolicy(document);
  const text = document === undefined ? `{"default":[{"type":"reject"}]}` : Buffer.from(document).toString("utf8");
  const root = membersOf(JSON.parse(text));
  const transports = membersOf(root.get("transports"));
  const docker = membersOf(transports.get("docker"));
  const left: string[] = [];
  let added = 0;
  for (const entry of entries) {
    const { repository } = entry;
    const wanted = [requirementJson(entry)];
    const there = docker.get(repository);
    if (there !== undefined ? isDeepStrictEqual(there, wanted) : isFree(parsed, repository)) {
      if (there === undefined) added += 1;
      docker.set(repository, wanted);
      continue;
    }
    const where = there === undefined ? "what holds for more than it" : "an entry for it";
    left.push(
      `the policy has ${where}, which is left as it is: ${repository} would need ${JSON.stringify(wanted.map(withoutKey))}`,
    );
  }
  if (added === 0) return { bytes: undefined, left };
  transports.set("docker", Object.fromEntries(docker));
  root.set("transports", Object.fromEntries(transports));
  return { bytes: Buffer.from(`${JSON.stringify(Object.fromEntries(root), null, 2)}\n`), left };
}

/** Whether nothing but a default without keys decides of a repository. */
function isFree(policy: ContainersPolicy | undefined, repository: string): boolean {
  if (policy === undefined) return true;
  const { requirements, transport } = requirementsFor(policy, { docker: { name: repository } });
  return (
    transport === undefined && requirements.every(({ type }) => type === "reject" || type === "insecureAcceptAnything")
  );
}

function requirementJson({ blocks, identity }: PolicyEntry) {
  return {
    type: "signedBy",
    keyType: "GPGKeys",
    keyData: Buffer.concat(blocks).toString("base64"),
    ...(identity && { signedIdentity: identityJson(identity) }),
  };
}

function withoutKey({ keyData, ...requirement }: ReturnType<typeof requirementJson>): object {
  return { ...requirement, keyData: `${keyData.slice(0, 12)}…` };
}

/** Those of an object that the strict reader has let pass; none where it is absent. */
function membersOf(value: unknown): Map<string, unknown> {
  return new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
}
