import { LIMITS } from "../../model/limits.ts";
import type { Handler, ServedRequest, ServedResponse } from "../../platform/serve.ts";
import { json, refusal } from "./answers.ts";
import { createBlobs } from "./blobs.ts";
import { answerReferrers, answerTags } from "./lists.ts";
import { answerManifest } from "./manifests.ts";
import { answerSignatures, SIGNATURES_SUPPORTED } from "./signatures.ts";
import { createStorage, type Storage } from "./storage.ts";

export interface EmbeddedRegistryOptions {
  /** Answer the referrers API and `OCI-Subject`; true unless told. False: as registries before distribution spec 1.1. */
  readonly referrersApi?: boolean | undefined;
  /** Keep simple signatures as OpenShift's registry and Pulp do (`X-Registry-Supports-Signatures`); false unless told. */
  readonly signatureExtension?: boolean | undefined;
  /** Honour `If-Match` and `If-None-Match` on writes; false unless told, as most registries are. */
  readonly conditionalWrites?: boolean | undefined;
  /** Bytes of a manifest; 4 MiB unless told. */
  readonly maxManifest?: number | undefined;
  /** Bytes of a blob; 256 MiB unless told. */
  readonly maxBlob?: number | undefined;
  /** Descriptors on a page of the referrers API. */
  readonly referrersPage?: number | undefined;
  /** Tags on a page. */
  readonly tagsPage?: number | undefined;
}

export interface EmbeddedRegistry {
  /** Answers one request; serve it with `platform/serve.ts`. */
  readonly handle: Handler;
  /** What is stored, beneath the registry's rules. */
  readonly storage: Storage;
}

const repositoryName = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)*";
const route = new RegExp(
  `^/v2/(?<name>${repositoryName})/(?:manifests/(?<reference>[^/]+)|blobs/uploads/(?<upload>[^/]*)|blobs/(?<blob>[^/]+)|referrers/(?<subject>[^/]+)|(?<tags>tags/list))$`,
);

const signaturesRoute = new RegExp(`^/extensions/v2/(?<name>${repositoryName})/signatures/(?<subject>[^/]+)$`);

/**
 * A registry in memory: OCI distribution spec 1.1 with pushes checked strictly (digests, manifests, and that everything a
 * manifest refers to is there). No authentication, nothing kept when the process ends. Each request is answered in one go,
 * so writes never interleave.
 */
export function createEmbeddedRegistry(options: EmbeddedRegistryOptions = {}): EmbeddedRegistry {
  const storage = createStorage();
  const blobs = createBlobs(storage, options.maxBlob ?? 256 * 1024 * 1024);
  const rules = {
    referrersApi: options.referrersApi ?? true,
    conditionalWrites: options.conditionalWrites ?? false,
    maxManifest: options.maxManifest ?? LIMITS.manifest,
  };

  const supported: Record<string, string> = options.signatureExtension === true ? SIGNATURES_SUPPORTED : {};

  const answer = (request: ServedRequest): ServedResponse => {
    const path = decodePath(request.url.pathname);
    if (path === "/v2/" || path === "/v2") {
      return json(200, {}, { "docker-distribution-api-version": "registry/2.0", ...supported });
    }
    const signed = options.signatureExtension === true && path !== undefined && signaturesRoute.exec(path)?.groups;
    if (signed) return answerSignatures(storage, signed["name"] ?? "", signed["subject"] ?? "", request);
    const parts = path === undefined ? undefined : route.exec(path)?.groups;
    const name = parts?.["name"];
    if (parts === undefined || name === undefined)
      return refusal(404, "NAME_INVALID", "there is nothing at this address");
    if (name.length > 255) return refusal(400, "NAME_INVALID", "a repository name has at most 255 characters");
    const { reference, upload, blob, subject } = parts;
    if (reference !== undefined) return answerManifest(storage, rules, name, reference, request);
    if (upload === "") return blobs.begin(name, request);
    if (upload !== undefined) return blobs.upload(name, upload, request);
    if (blob !== undefined) return blobs.blob(name, blob, request);
    if (request.method !== "GET" && request.method !== "HEAD")
      return refusal(405, "UNSUPPORTED", "lists are only read");
    if (subject === undefined) return answerTags(storage, options.tagsPage ?? LIMITS.tags, name, request);
    if (!rules.referrersApi) return refusal(404, "UNSUPPORTED", "there is no referrers API");
    return answerReferrers(storage, options.referrersPage ?? LIMITS.referrers, name, subject, request);
  };

  return { handle: async (request) => answer(request), storage };
}

/** Clients may write the colon of a digest as %3A. */
function decodePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
