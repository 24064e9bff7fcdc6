import type { SignedIdentity } from "../../model/policy.ts";
import { anyObject, type Shape, text, Unfit } from "../../model/shape.ts";
import { formatDockerReference, isDockerPrefix, parseDockerReference } from "../../oci/docker-reference.ts";
import { members } from "./members.ts";

/** How the reference inside a signature is compared, as a policy.json writes it (policy_config.go, newPolicyReferenceMatchFromJSON). */
export const readSignedIdentity: Shape<SignedIdentity> = (value, path) => {
  const { type } = anyObject(value, path);
  switch (type) {
    case "matchExact":
    case "matchRepoDigestOrExact":
    case "matchRepository":
      members(value, path, ["type"]);
      return { type };
    case "exactReference": {
      const { dockerReference } = members(value, path, ["type", "dockerReference"]);
      const reference = readReference(dockerReference, [...path, "dockerReference"]);
      if (reference.tag === undefined && reference.digest === undefined) {
        throw new Unfit([...path, "dockerReference"], "the reference has neither a tag nor a digest");
      }
      return { type, reference: formatDockerReference(reference) };
    }
    case "exactRepository": {
      const { dockerRepository } = members(value, path, ["type", "dockerRepository"]);
      return { type, repository: readReference(dockerRepository, [...path, "dockerRepository"]).name };
    }
    case "remapIdentity": {
      const given = members(value, path, ["type", "prefix", "signedPrefix"]);
      const prefix = readPrefix(given["prefix"], [...path, "prefix"]);
      return { type, prefix, signedPrefix: readPrefix(given["signedPrefix"], [...path, "signedPrefix"]) };
    }
    default:
      throw new Unfit(
        [...path, "type"],
        `${JSON.stringify(type ?? null).slice(0, 80)} is no way to compare references`,
      );
  }
};

/** Absent, it is matchRepoDigestOrExact. */
export function identityOr(
  given: Readonly<Record<string, unknown>>,
  path: readonly (string | number)[],
): SignedIdentity {
  if (!Object.hasOwn(given, "signedIdentity")) return { type: "matchRepoDigestOrExact" };
  return readSignedIdentity(given["signedIdentity"], [...path, "signedIdentity"]);
}

function readReference(value: unknown, path: readonly (string | number)[]) {
  const written = text(1)(value, path);
  const reference = parseDockerReference(written);
  if (reference === undefined) throw new Unfit(path, `${JSON.stringify(written.slice(0, 160))} is no reference`);
  return reference;
}

/** `host[:port]`, a namespace or a repository there; as there, what is no host but looks like one is taken, and matches nothing. */
function readPrefix(value: unknown, path: readonly (string | number)[]): string {
  const written = text()(value, path);
  if (isDockerPrefix(written)) return written;
  throw new Unfit(path, `${JSON.stringify(written.slice(0, 160))} is neither a host nor a name behind one`);
}
