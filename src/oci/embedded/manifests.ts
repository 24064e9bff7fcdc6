import type { Descriptor } from "../../model/descriptor.ts";
import { type Digest, digestAlgorithm, digestOf, isDigest } from "../../model/digest.ts";
import { isCountersignError } from "../../model/errors.ts";
import type { ServedRequest, ServedResponse } from "../../platform/serve.ts";
import { parseManifest } from "../manifest.ts";
import type { ManifestContent } from "../repository.ts";
import { content, empty, refusal } from "./answers.ts";
import type { KeptRepository, Storage } from "./storage.ts";

export interface ManifestRules {
  readonly referrersApi: boolean;
  readonly conditionalWrites: boolean;
  readonly maxManifest: number;
}

const tagGrammar = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** `/v2/NAME/manifests/REFERENCE` (distribution spec, "Pulling manifests", "Pushing manifests", "Deleting manifests"). */
export function answerManifest(
  storage: Storage,
  rules: ManifestRules,
  name: string,
  reference: string,
  request: ServedRequest,
): ServedResponse {
  if (!isDigest(reference) && !tagGrammar.test(reference)) {
    const code = reference.includes(":") ? "DIGEST_INVALID" : "TAG_INVALID";
    return refusal(400, code, `${reference} is neither a tag nor a digest`);
  }
  if (request.method === "PUT") return put(storage, rules, name, reference, request);
  const kept = storage.get(name);
  const digest = digestFor(kept, reference);
  const manifest = digest && kept?.manifests.get(digest);
  if (kept === undefined || digest === undefined || manifest === undefined) {
    return refusal(404, kept ? "MANIFEST_UNKNOWN" : "NAME_UNKNOWN", `${name} has no manifest ${reference}`);
  }
  switch (request.method) {
    case "GET":
    case "HEAD":
      if (names(request.headers["if-none-match"], digest)) return empty(304, identity(digest));
      return content(200, manifest.bytes, { "content-type": manifest.mediaType, ...identity(digest) });
    case "DELETE":
      if (isDigest(reference)) storage.remove(name, reference);
      else kept.tags.delete(reference);
      return empty(202);
    default:
      return refusal(405, "UNSUPPORTED", `${request.method} is not for manifests`);
  }
}

function put(
  storage: Storage,
  rules: ManifestRules,
  name: string,
  reference: string,
  request: ServedRequest,
): ServedResponse {
  const { body, headers } = request;
  if (body.length > rules.maxManifest) {
    return refusal(413, "SIZE_INVALID", `a manifest has at most ${rules.maxManifest} bytes here`);
  }
  const digest = digestOf(body, isDigest(reference) ? digestAlgorithm(reference) : "sha256");
  if (isDigest(reference) && reference !== digest) {
    return refusal(400, "DIGEST_INVALID", `the manifest sent is ${digest}, not ${reference}`);
  }
  let manifest: ManifestContent;
  try {
    manifest = parseManifest(body, headers["content-type"]);
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    return refusal(400, "MANIFEST_INVALID", error.message);
  }
  const kept = storage.getOrCreate(name);
  const missing = missingContent(kept, manifest);
  if (missing !== undefined) return refusal(400, "MANIFEST_BLOB_UNKNOWN", `${name} has no ${missing}`);
  if (rules.conditionalWrites && !conditionHolds(headers, digestFor(kept, reference))) {
    return empty(412);
  }
  storage.put(name, digest, { mediaType: headers["content-type"] ?? manifest.mediaType, bytes: body });
  if (!isDigest(reference)) kept.tags.set(reference, digest);
  const subject: Record<string, string> =
    rules.referrersApi && manifest.subject ? { "oci-subject": manifest.subject.digest } : {};
  return empty(201, { location: `/v2/${name}/manifests/${digest}`, ...identity(digest), ...subject });
}

/** RFC 9110 sections 13.1.1 and 13.1.2. */
function conditionHolds(headers: Readonly<Record<string, string>>, current: Digest | undefined): boolean {
  const only = headers["if-match"];
  if (only !== undefined && !names(only, current)) return false;
  return !names(headers["if-none-match"], current);
}

/** Whether a list of entity tags, or `*`, names what is there now. */
function names(list: string | undefined, current: Digest | undefined): boolean {
  if (list === undefined || current === undefined) return false;
  return list.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === entityTag(current));
}

function entityTag(digest: Digest): string {
  return `"${digest}"`;
}

function identity(digest: Digest): Record<string, string> {
  return { "docker-content-digest": digest, etag: entityTag(digest) };
}

function digestFor(kept: KeptRepository | undefined, reference: string): Digest | undefined {
  if (!isDigest(reference)) return kept?.tags.get(reference);
  return kept?.manifests.has(reference) ? reference : undefined;
}

/** The first blob or manifest that a manifest refers to and the repository has not. A subject may come later. */
function missingContent(kept: KeptRepository, manifest: ManifestContent): string | undefined {
  const blobs = [manifest.config, ...(manifest.layers ?? [])].filter((blob) => blob !== undefined);
  const blob = blobs.find(({ digest, mediaType }) => !isForeign(mediaType) && !kept.blobs.has(digest));
  if (blob !== undefined) return `blob ${blob.digest}`;
  const child = manifest.manifests?.find(({ digest }: Descriptor) => !kept.manifests.has(digest));
  return child && `manifest ${child.digest}`;
}

/** Layers that are fetched from elsewhere are not uploaded (image-spec layer.md, "Non-Distributable Layers"; Docker's foreign layers). */
function isForeign(mediaType: string): boolean {
  return mediaType.includes(".nondistributable.") || mediaType.includes(".foreign.");
}
