import { type Digest, isDigest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import {
  DOCKER_SCHEMA_1,
  DOCKER_SCHEMA_1_SIGNED,
  isIndexType,
  isManifestType,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../model/media-types.ts";
import {
  listOf,
  mapOf,
  objectOf,
  optional,
  readShape,
  refined,
  type Shape,
  text,
  wholeNumber,
} from "../model/shape.ts";
import { parseStrictJson } from "../model/strict-json.ts";
import type { ManifestContent } from "./repository.ts";

/** What servers say that do not know what they serve: it decides nothing. */
const undecided = new Set(["", "application/octet-stream", "application/json", "text/plain", "binary/octet-stream"]);
const PUSH_AGAIN = "push it again with a program that writes image-spec manifests, and ask who wrote this one";
const schema1 = new Set([DOCKER_SCHEMA_1, DOCKER_SCHEMA_1_SIGNED]);

/** The members that choose how a document is read. Go's decoder also takes them in other cases, and the last one wins. */
const decisive = [
  "schemaVersion",
  "mediaType",
  "artifactType",
  "config",
  "layers",
  "manifests",
  "subject",
  "annotations",
];

const annotations = optional(mapOf(text()));

/** What is left out reads as empty; `null` is refused. */
const textOrEmpty: Shape<string> = (value, path) => text()(value === undefined ? "" : value, path);

const platform = optional(objectOf({ os: textOrEmpty, architecture: textOrEmpty, variant: optional(text()) }));

const descriptor = objectOf({
  mediaType: text(1, 255),
  digest: refined(text(), (value): value is Digest => isDigest(value), "not a digest"),
  size: wholeNumber,
  artifactType: optional(text()),
  annotations,
  platform,
});

const descriptors = listOf(descriptor);

/** A list that must be there, though Go programs write `null` for an empty one. */
const listed: typeof descriptors = (value, path) => (value === null ? [] : descriptors(value, path));

const common = { artifactType: optional(text()), subject: optional(descriptor), annotations };
const imageManifest = objectOf({ ...common, config: descriptor, layers: listed });
const imageIndex = objectOf({ ...common, manifests: listed });

const versionTwo = refined(wholeNumber, (value) => value === 2, "not 2");
const declaredType: Shape<string | undefined> = (value, path) => (value === undefined ? value : text()(value, path));
const envelope = objectOf({ schemaVersion: versionTwo, mediaType: declaredType });

/**
 * Reads an image manifest or an index, OCI or Docker (image-spec manifest.md and image-index.md; Docker schema 2).
 *
 * `bytes`: the document as served, whose digest the caller checks. `contentType`: the media type it was served with, parameters and all;
 * undefined where there was none. The type in the document and the one it was served with must agree; where only one says anything that one
 * decides; where neither does, the shape decides between the OCI types (a document of both shapes is refused, so it has one).
 * Members that are not known are left out of the result.
 *
 * @throws E_MANIFEST_INVALID when it is not what its type says, or two readers could read two things in it; E_MANIFEST_UNSUPPORTED for schema 1
 * and types that are neither image nor index; E_REGISTRY_ANSWER for a web page; E_LIMIT for too many entries.
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ManifestContent {
  const { document, mediaType } = typedDocument(bytes, contentType);
  return isIndexType(mediaType)
    ? { mediaType, ...bounded(shape(imageIndex, document, mediaType), "manifests") }
    : { mediaType, ...bounded(shape(imageManifest, document, mediaType), "layers") };
}

/** The media type of a manifest that stands alone, by the same rules; what it lists is not looked at. @throws as parseManifest. */
export function manifestType(bytes: Uint8Array): string {
  return typedDocument(bytes, undefined).mediaType;
}

function typedDocument(bytes: Uint8Array, contentType: string | undefined): { document: object; mediaType: string } {
  const served = bareMediaType(contentType);
  refuseOtherTypes(served);
  const document = parseStrictJson(bytes, {
    maxDepth: 32,
    code: "E_MANIFEST_INVALID",
    what: "the manifest",
    hint: PUSH_AGAIN,
  });
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw invalid("the manifest is not a JSON object");
  }
  refuseTwoReadings(document);
  return { document, mediaType: agreedType(document, served) };
}

/** A media type without its parameters, in lower case; empty where there is none. */
export function bareMediaType(contentType: string | undefined): string {
  return (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function refuseOtherTypes(mediaType: string): void {
  if (undecided.has(mediaType) || isIndexType(mediaType) || isManifestType(mediaType)) return;
  if (mediaType === "text/html") {
    throw new CountersignError("E_REGISTRY_ANSWER", "the answer is a web page, not a manifest", {
      hint: "check that the address is a registry's and that no proxy or login page answers in its place",
      retry: false,
    });
  }
  throw new CountersignError("E_MANIFEST_UNSUPPORTED", `a manifest of type ${quoted(mediaType)} cannot be read`, {
    hint: schema1.has(mediaType)
      ? "push the image again with a current program: schema 1 has no digest that can be signed"
      : "name an OCI or Docker image manifest or index",
  });
}

function refuseTwoReadings(document: object): void {
  for (const name of Object.keys(document)) {
    const known = decisive.find((member) => member.toLowerCase() === name.toLowerCase());
    if (known !== undefined && known !== name) {
      throw invalid(`the manifest has a member ${quoted(name)}, which some programs read as ${quoted(known)}`);
    }
  }
  const has = (name: string) => Object.hasOwn(document, name);
  if (has("manifests") && (has("layers") || has("config"))) {
    throw invalid(`the manifest has both "manifests" and ${has("layers") ? '"layers"' : '"config"'}`);
  }
}

function agreedType(document: object, served: string): string {
  const version: unknown = Reflect.get(document, "schemaVersion");
  if (version === 1) refuseOtherTypes(DOCKER_SCHEMA_1);
  const declared = shape(envelope, document, "manifest").mediaType;
  if (declared !== undefined) {
    if (undecided.has(declared)) throw invalid(`the manifest says that its type is ${quoted(declared)}`);
    refuseOtherTypes(declared);
    if (!undecided.has(served) && served !== declared) {
      throw invalid(`the manifest says that it is ${quoted(declared)}, but was served as ${quoted(served)}`);
    }
    return declared;
  }
  if (!undecided.has(served)) return served;
  return Object.hasOwn(document, "manifests") ? OCI_INDEX : OCI_MANIFEST;
}

function shape<T>(wanted: Shape<T>, document: object, mediaType: string): T {
  const result = readShape(wanted, document);
  if ("value" in result) return result.value;
  const { path, message } = result.unfit;
  throw invalid(`${quoted(path)} of the manifest is not what ${mediaType} has there: ${message}`);
}

function bounded<T extends { layers?: readonly unknown[]; manifests?: readonly unknown[] }>(
  content: T,
  list: "layers" | "manifests",
): T {
  const count = content[list]?.length ?? 0;
  const limit = list === "layers" ? LIMITS.layers : LIMITS.referrers;
  if (count <= limit) return content;
  throw new CountersignError("E_LIMIT", `the manifest lists ${count} ${list}, more than the ${limit} that are read`, {
    hint: "ask who wrote it: no program builds an image like that",
  });
}

function invalid(sentence: string): CountersignError {
  return new CountersignError("E_MANIFEST_INVALID", sentence, { hint: PUSH_AGAIN });
}

function quoted(value: string): string {
  return JSON.stringify(value.slice(0, 120));
}
