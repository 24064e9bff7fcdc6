import { z } from "zod";
import { type Digest, isDigest } from "../../model/digest.ts";
import { CountersignError } from "../../model/errors.ts";
import { LIMITS } from "../../model/limits.ts";
import type { Claims } from "../../model/signature.ts";
import { parseStrictJson } from "../../model/strict-json.ts";
import { anyObject, textsOf } from "../claimed-annotations.ts";
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
const schema = z.strictObject({
  critical: z.strictObject({
    identity: z.strictObject({ "docker-reference": z.string() }),
    image: z.strictObject({ "docker-manifest-digest": z.string().refine(isDigest, "not a digest") }),
    type: z.string(),
  }),
  optional: anyObject.nullish(),
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
  const parsed = schema.safeParse(document);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = issue?.path.join(".") || "the payload";
    throw new CountersignError(
      "E_PAYLOAD_MALFORMED",
      `${path} is not as a simple-signing payload has it: ${issue?.message}`,
    );
  }
  const { critical, optional } = parsed.data;
  return {
    digests: [critical.image["docker-manifest-digest"]],
    reference: critical.identity["docker-reference"],
    annotations: textsOf(optional ?? {}),
    type: critical.type,
  };
}
