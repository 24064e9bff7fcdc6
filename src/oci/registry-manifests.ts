import { type Digest, digestAlgorithm, digestOf, isDigest, matchesDigest } from "../model/digest.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_INDEX, OCI_MANIFEST } from "../model/media-types.ts";
import { readBody } from "../platform/body.ts";
import type { Scope } from "./auth.ts";
import { parseManifest } from "./manifest.ts";
import type { Manifest, Repository, WriteCondition } from "./repository.ts";
import type { RegistryAnswer, Transport } from "./transport.ts";

const ACCEPT = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST].join(", ");
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Manifests of one repository over HTTP (distribution-spec, pulling and pushing manifests). */
export function createManifests(transport: Transport, scope: Scope): Pick<Repository, "getManifest" | "putManifest"> {
  const named = (reference: string) => {
    const separator = isDigest(reference) ? "@" : ":";
    return `${transport.registry}/${scope.repository}${separator}${reference}`;
  };
  return {
    async getManifest(reference, options = {}) {
      const target = manifestPath(scope, reference);
      return transport.call({ method: "GET", target, scope, headers: { accept: ACCEPT } }, async (answer) => {
        if (answer.status === 404) {
          answer.response.discard();
          return undefined;
        }
        if (answer.status !== 200) return transport.refuse(answer, `to give ${named(reference)}`);
        const bytes = await readBody(
          answer.response,
          options.limit ?? LIMITS.manifest,
          `the manifest ${named(reference)}`,
        );
        const digest = digestOf(bytes, isDigest(reference) ? digestAlgorithm(reference) : "sha256");
        const differs = contradiction(bytes, digest, reference, answer, named(reference));
        const read = () => parseManifest(bytes, answer.response.header("content-type"));
        if (differs) throw otherKind(read) ?? differs;
        const content = read();
        const etag = answer.response.header("etag");
        return { digest, mediaType: content.mediaType, size: bytes.length, bytes, content, etag } satisfies Manifest;
      });
    },

    async putManifest(reference, { bytes, mediaType }, condition) {
      const target = manifestPath(scope, reference);
      const digest = digestOf(bytes, isDigest(reference) ? digestAlgorithm(reference) : "sha256");
      if (isDigest(reference) && reference !== digest) throw mismatch(named(reference), digest);
      const headers = { "content-type": mediaType, ...conditionHeaders(condition) };
      return transport.call({ method: "PUT", target, scope, headers, body: bytes }, async (answer) => {
        const { status, response } = answer;
        if (status === 409 || status === 412) {
          response.discard();
          throw conflict(named(reference), status);
        }
        if (status < 200 || status > 299) return transport.refuse(answer, `to store ${named(reference)}`);
        response.discard();
        const declared = declaredOther(bytes, answer);
        if (declared) throw mismatch(`${named(reference)}, which the registry stored as ${declared},`, digest);
        return { digest, subject: response.header("oci-subject") };
      });
    },
  };
}

function manifestPath({ repository }: Scope, reference: string): string {
  if (isDigest(reference) || TAG.test(reference)) return `/v2/${repository}/manifests/${reference}`;
  throw new CountersignError(
    "E_REFERENCE_INVALID",
    `${JSON.stringify(reference.slice(0, 160))} is neither a tag nor a digest`,
    { hint: "a tag has at most 128 letters, digits, underscores, dots and dashes" },
  );
}

/** Whether what came is not what was asked for, or for a tag not what the registry says it is. */
function contradiction(
  bytes: Uint8Array,
  digest: Digest,
  reference: string,
  answer: RegistryAnswer,
  name: string,
): CountersignError | undefined {
  if (isDigest(reference)) return digest === reference ? undefined : mismatch(name, digest);
  const declared = declaredOther(bytes, answer);
  return declared === undefined ? undefined : mismatch(`${name}, which the registry says is ${declared},`, digest);
}

/** What `Docker-Content-Digest` says when it is not of these bytes. */
function declaredOther(bytes: Uint8Array, { response }: RegistryAnswer): string | undefined {
  const declared = response.header("docker-content-digest");
  if (declared === undefined || (isDigest(declared) && matchesDigest(bytes, declared))) return undefined;
  return JSON.stringify(declared.slice(0, 160));
}

/** Schema 1, whose digest is not over its bytes, and web pages: better called what they are than tampered with. */
function otherKind(read: () => unknown): CountersignError | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    return error.code === "E_MANIFEST_UNSUPPORTED" || error.code === "E_REGISTRY_ANSWER" ? error : undefined;
  }
}

function mismatch(name: string, digest: Digest): CountersignError {
  return new CountersignError("E_DIGEST_MISMATCH", `the bytes of ${name} have the digest ${digest}`, {
    hint: "the registry, a cache or somebody between has changed them: do not use this image until it is known who",
  });
}

function conditionHeaders(condition: WriteCondition | undefined): Record<string, string> {
  if (condition === undefined) return {};
  return "ifMatch" in condition ? { "if-match": condition.ifMatch } : { "if-none-match": "*" };
}

function conflict(name: string, status: number): CountersignError {
  return new CountersignError(
    "E_REGISTRY_CONFLICT",
    `${name} was not written: it has changed, or may not change (${status})`,
    {
      hint: "run it again; if the registry has immutable tags, except the tags that carry signatures",
    },
  );
}
