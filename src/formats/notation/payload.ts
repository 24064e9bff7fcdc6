import { z } from "zod";
import type { Subject } from "../../model/descriptor.ts";
import { isDigest } from "../../model/digest.ts";
import { CountersignError } from "../../model/errors.ts";
import { LIMITS } from "../../model/limits.ts";
import { NOTATION_PAYLOAD } from "../../model/media-types.ts";
import { mapOf, readShape, text } from "../../model/shape.ts";
import type { Claims } from "../../model/signature.ts";
import { parseStrictJson } from "../../model/strict-json.ts";
import { goString, goStringMap } from "../go-json.ts";
import type { Lapse } from "./attributes.ts";

/** Attributes and annotations of this prefix are the specification's own. */
const RESERVED = "io.cncf.notary";

/**
 * The payload of a Notary signature (signature-specification.md, "Payload"), UTF-8 JSON: the descriptor of the image, user metadata as
 * its annotations. Byte for byte what notation signs in an envelope of this order of members.
 * @throws E_USAGE for annotations that the specification reserves.
 */
export function encodePayload(
  { mediaType, digest, size }: Subject,
  annotations: Readonly<Record<string, string>>,
  order: "sorted" | "descriptor",
): Uint8Array {
  const reserved = Object.keys(annotations).find((key) => key.startsWith(RESERVED));
  if (reserved !== undefined) {
    throw new CountersignError("E_USAGE", `the annotation ${JSON.stringify(reserved.slice(0, 120))} is not for users`, {
      hint: `choose a key that does not begin with ${RESERVED}`,
    });
  }
  const metadata = Object.keys(annotations).length === 0 ? undefined : `"annotations":${goStringMap(annotations)}`;
  const members = [`"mediaType":${goString(mediaType)}`, `"digest":${goString(digest)}`, `"size":${size}`];
  const [type, name, bytes] = members;
  const ordered = order === "descriptor" ? [type, name, bytes, metadata] : [metadata, name, type, bytes];
  const text = ordered.filter((member) => member !== undefined).join(",");
  return new TextEncoder().encode(`{"targetArtifact":{${text}}}`);
}

const texts = z.custom<Readonly<Record<string, string>>>(
  (value) => "value" in readShape(mapOf(text()), value),
  "not texts",
);

const descriptor = z.looseObject({
  mediaType: z.string().min(1).max(255),
  digest: z.string().refine(isDigest, "not a digest"),
  size: z.int().nonnegative(),
  annotations: texts.nullish(),
});
const schema = z.looseObject({ targetArtifact: descriptor });

/** Members of an OCI descriptor that say nothing about which image it is. */
const tolerated: ReadonlySet<string> = new Set([
  ...["mediaType", "digest", "size", "annotations"],
  ...["urls", "data", "platform", "artifactType"],
]);

/** Members of an image's descriptor, and beside it, that no signature by request has. */
export function strangeMembers(payload: Uint8Array): readonly string[] {
  const document = strictly(payload, "the payload", "E_PAYLOAD_MALFORMED", () => {});
  const parsed = schema.safeParse(document);
  if (!parsed.success) return ["targetArtifact"];
  const { targetArtifact, ...others } = parsed.data;
  return [...Object.keys(others), ...Object.keys(targetArtifact).filter((name) => !ordered.has(name))];
}

const ordered: ReadonlySet<string> = new Set(["mediaType", "digest", "size", "annotations"]);

/** What a payload claims. @throws E_PAYLOAD_MALFORMED, E_TOO_LARGE. */
export function decodePayload(bytes: Uint8Array, lapse: Lapse): Claims {
  if (bytes.length > LIMITS.payload) {
    throw new CountersignError("E_TOO_LARGE", `the payload has ${bytes.length} bytes, more than ${LIMITS.payload}`);
  }
  const document = strictly(bytes, "the payload", "E_PAYLOAD_MALFORMED", lapse);
  const parsed = schema.safeParse(document);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = issue?.path.join(".") || "the payload";
    throw new CountersignError(
      "E_PAYLOAD_MALFORMED",
      `${path} is not as a Notary payload has it: ${issue?.message.slice(0, 200)}`,
    );
  }
  const { targetArtifact, ...others } = parsed.data;
  const strangers = [...Object.keys(others), ...Object.keys(targetArtifact).filter((name) => !tolerated.has(name))];
  for (const name of strangers.slice(0, 1)) {
    lapse("E_PAYLOAD_MALFORMED", `the payload has a member that is not known, ${JSON.stringify(name.slice(0, 80))}`);
  }
  const { mediaType, digest, size, annotations } = targetArtifact;
  return { digests: [digest], manifest: { mediaType, size }, annotations: annotations ?? {}, type: NOTATION_PAYLOAD };
}

/**
 * A JSON document whose members are each there once; where one is there twice that is a lapse, and the last one counts, as in Go.
 * @throws with `code` when it is no JSON, or nested too deep.
 */
export function strictly(
  bytes: Uint8Array,
  what: string,
  code: "E_PAYLOAD_MALFORMED" | "E_SIGNATURE_MALFORMED",
  lapse: Lapse,
): unknown {
  return parseStrictJson(bytes, { maxDepth: 32, code, what, repeated: (message) => lapse(code, message) });
}
