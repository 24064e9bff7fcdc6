import { type Digest, isDigest } from "../../model/digest.ts";
import { CountersignError } from "../../model/errors.ts";
import { LIMITS } from "../../model/limits.ts";
import { anyObject, optional, readShape, refined, strictObjectOf, text } from "../../model/shape.ts";
import type { Claims } from "../../model/signature.ts";
import { parseStrictJson } from "../../model/strict-json.ts";
import { textsOf } from "../claimed-annotations.ts";
import { goString, goStringMap } from "../go-json.ts";

/** `critical.type` of an image signature (cosign specs/SIGNATURE_SPEC.md). */
export const PAYLOAD_TYPE = "cosign container image signature";

export interface PayloadParts {
  /** `critical.identity.docker-reference`. */
  readonly reference: string;
  readonly digest: Digest;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * The simple-signing payload, UTF-8, byte for byte what `cosign generate` prints for the same parts: Go's encoding/json, no
 * white space, no line end, `optional` null without annotations.
 */
export function encodePayload({ reference, digest, annotations }: PayloadParts): Uint8Array {
  const identity = `{"docker-reference":${goString(reference)}}`;
  const image = `{"docker-manifest-digest":${goString(digest)}}`;
  const optional = Object.keys(annotations).length === 0 ? "null" : goStringMap(annotations);
  return new TextEncoder().encode(
    `{"critical":{"identity":${identity},"image":${image},"type":${goString(PAYLOAD_TYPE)}},"optional":${optional}}`,
  );
}

/** What is critical must be understood, so nothing else may stand there; `optional` is anybody's. */
const payload = strictObjectOf({
  critical: strictObjectOf({
    identity: strictObjectOf({ "docker-reference": text() }),
    image: strictObjectOf({ "docker-manifest-digest": refined(text(), isDigest, "not a digest") }),
    type: text(),
  }),
  optional: optional(anyObject),
});

/**
 * What a payload claims. Of `optional` only the texts are kept: cosign compares annotations as texts, and never writes others.
 * @throws E_PAYLOAD_MALFORMED, E_TOO_LARGE.
 */
export function decodePayload(bytes: Uint8Array): Claims {
  if (bytes.length > LIMITS.payload) {
    throw new CountersignError("E_TOO_LARGE", `the payload has ${bytes.length} bytes, more than ${LIMITS.payload}`);
  }
  const document = parseStrictJson(bytes, { maxDepth: 32, code: "E_PAYLOAD_MALFORMED", what: "the payload" });
  const parsed = readShape(payload, document);
  if ("unfit" in parsed) {
    const { path, message } = parsed.unfit;
    throw new CountersignError(
      "E_PAYLOAD_MALFORMED",
      `${path || "the payload"} is not as a simple-signing payload has it: ${message}`,
    );
  }
  const { critical, optional: others } = parsed.value;
  const unread = unreadByContainersImage(document, others);
  return {
    digests: [critical.image["docker-manifest-digest"]],
    reference: critical.identity["docker-reference"],
    annotations: textsOf(others ?? {}),
    type: critical.type,
    ...(unread && { unread }),
  };
}

/** What containers/image asks for beyond this (signature/internal/sigstore_payload.go). */
function unreadByContainersImage(document: unknown, others: Readonly<Record<string, unknown>> | undefined) {
  if (!Object.hasOwn(Object(document), "optional")) return "optional is missing";
  const { creator, timestamp } = { ...others };
  if (creator !== undefined && creator !== null && typeof creator !== "string") return "optional.creator is no text";
  if (timestamp === undefined || timestamp === null) return undefined;
  return Number.isSafeInteger(timestamp) ? undefined : "optional.timestamp is no whole number";
}
