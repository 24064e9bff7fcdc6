import path from "node:path";
import type { CountersignError } from "../model/errors.ts";
import { asCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Trust } from "../model/policy.ts";
import { dockerReferenceOf } from "../oci/docker-reference.ts";
import type { Reference } from "../oci/reference.ts";
import type { Host } from "../platform/host.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import { type ContainersPolicy, parseContainersPolicy, type Requirements } from "../policies/containers/document.ts";
import { evaluate, type Keyring } from "../policies/containers/evaluation.ts";
import { parsePolicyCertificates, parsePolicyKey } from "../policies/containers/key-files.ts";
import type { Source } from "../policies/containers/members.ts";
import { type Applied, requirementsFor } from "../policies/containers/scopes.ts";
import { sourcesOf } from "../policies/containers/sources.ts";
import type { RequirementByRepository } from "./verify.ts";

export interface ContainersPolicySource {
  /** A policy.json. */
  readonly policy: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly compat?: Trust["compat"];
}

/**
 * A policy.json with the keys that it names, all read before the first request. A key that cannot be had refuses the images that the
 * policy asks it for, and no others, as podman and skopeo have it.
 * @throws with exit status 2: E_POLICY_INVALID, E_FILE_UNREADABLE for the policy itself.
 */
export async function loadContainersPolicy(
  host: Host,
  { policy: file, annotations, compat }: ContainersPolicySource,
): Promise<RequirementByRepository> {
  const policy = parseContainersPolicy(await host.files.read(file, LIMITS.policy));
  const keyring = await readKeyring(host, policy);
  const evaluated = new Map<Requirements, ReturnType<typeof evaluate>>();
  return {
    requirementFor(reference) {
      const applied = requirementsFor(policy, namedBy(reference));
      const known =
        evaluated.get(applied.requirements) ??
        evaluate(applied.requirements, { keyring, annotations, compat, place: placeOf(applied) });
      evaluated.set(applied.requirements, known);
      return known;
    },
    policies: [{ kind: "containers", path: file, digest: policy.digest }],
    asAsked: compat?.includes("containers-image") ? "children" : "all",
  };
}

function namedBy(reference: Reference) {
  const docker = dockerReferenceOf(reference);
  return docker === undefined
    ? { folder: path.resolve(reference.kind === "layout" ? reference.path : "") }
    : { docker };
}

function placeOf({ transport, scope }: Applied): string {
  return transport === undefined ? "default" : `transports.${transport}[${JSON.stringify(scope)}]`;
}

/** What a source gave, or why it gave nothing; that is thrown only where somebody asks. */
type Held<T> = { readonly value: T } | { readonly error: CountersignError };

async function readKeyring(host: Host, policy: ContainersPolicy): Promise<Keyring> {
  const files = new Map<string, Promise<Uint8Array>>();
  const bytesOf = (source: Source) => {
    if ("data" in source) return source.data;
    const read = files.get(source.path) ?? host.files.read(source.path, LIMITS.certificateFile);
    files.set(source.path, read);
    return read;
  };
  const hold = async <T>(
    sources: readonly Source[],
    parse: (bytes: Uint8Array) => T | Promise<T>,
  ): Promise<(source: Source) => T> => {
    const held = new Map(
      await mapConcurrently(sources, 16, async (source): Promise<[Source, Held<T>]> => {
        try {
          return [source, { value: await parse(await bytesOf(source)) }];
        } catch (error) {
          return [source, { error: asCountersignError(error) }];
        }
      }),
    );
    return (source) => {
      const found = held.get(source);
      if (found === undefined) throw new Error("a key that the policy does not name");
      if ("error" in found) throw found.error;
      return found.value;
    };
  };
  const { openpgp, publicKeys, certificates } = sourcesOf(policy);
  const parse = async (bytes: Uint8Array) => {
    const { parseKeyring } = await import("../trust/openpgp/keyring.ts");
    return parseKeyring(bytes, host.now());
  };
  return {
    openpgp: await hold(openpgp, async (bytes) => (await parse(bytes)).certificates),
    publicKey: await hold(publicKeys, parsePolicyKey),
    certificates: await hold(certificates, parsePolicyCertificates),
  };
}
