import { type Digest, isDigest } from "../../model/digest.ts";
import { CountersignError } from "../../model/errors.ts";
import { LIMITS } from "../../model/limits.ts";
import { anyObject, readShape, refined, type Shape, strictObjectOf, text, Unfit } from "../../model/shape.ts";
import type { Claims } from "../../model/signature.ts";
import { parseStrictJson } from "../../model/strict-json.ts";
import { parseDockerReference } from "../../oci/docker-reference.ts";
import { textsOf } from "../claimed-annotations.ts";
import { goString } from "../go-json.ts";

/** `critical.type` of an atomic container signature (containers/image, containers-signature(5)). */
export const ATOMIC_TYPE = "atomic container signature";

export interface AtomicParts {
  /** `critical.identity.docker-reference`, with a tag or digest. */
  readonly reference: string;
  readonly digest: Digest;
  /** Which program signs: `countersign 1.0.0`. Pulp wants one. */
  readonly creator: string;
  readonly at: Date;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What this program says itself under `optional`. */
const OWN_MEMBERS: ReadonlySet<string> = new Set(["creator", "timestamp"]);

/**
 * The payload as containers/image writes it: compact JSON, members sorted.
 * @throws E_USAGE for an annotation that this program says itself.
 */
export function encodePayload({ reference, digest, creator, at, annotations }: AtomicParts): Uint8Array {
  for (const name of OWN_MEMBERS) {
    if (!Object.hasOwn(annotations, name)) continue;
    throw new CountersignError("E_USAGE", `the annotation ${name} is what the openpgp format says itself`, {
      hint: "call the annotation otherwise",
    });
  }
  const members = [
    ...Object.entries(annotations).map(([key, value]) => ({ key, json: goString(value) })),
    { key: "creator", json: goString(creator) },
    { key: "timestamp", json: String(Math.floor(at.getTime() / 1000)) },
  ].sort((one, other) => Buffer.compare(Buffer.from(one.key), Buffer.from(other.key)));
  const optional = members.map(({ key, json }) => `${goString(key)}:${json}`).join(",");
  const identity = `{"docker-reference":${goString(reference)}}`;
  const image = `{"docker-manifest-digest":${goString(digest)}}`;
  return new TextEncoder().encode(
    `{"critical":{"identity":${identity},"image":${image},"type":${goString(ATOMIC_TYPE)}},"optional":{${optional}}}`,
  );
}

/** As containers/image reads it: a number without a fraction that 64 bits hold, negative too; null is none. */
const timestamp: Shape<number | undefined> = (value, path) => {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63) return value;
  throw new Unfit(path, "no whole number of 64 bits");
};
const creator: Shape<string | undefined> = (value, path) => {
  if (value === undefined || value === null || typeof value === "string") return value ?? undefined;
  throw new Unfit(path, "no text");
};

const payload = strictObjectOf({
  critical: strictObjectOf({
    identity: strictObjectOf({
      "docker-reference": refined(text(), (value) => parseDockerReference(value) !== undefined, "not a reference"),
    }),
    image: strictObjectOf({ "docker-manifest-digest": refined(text(), isDigest, "not a digest") }),
    type: text(),
  }),
  optional: anyObject,
});

/**
 * What a payload claims; of `optional` the texts, but for the program's own.
 * @throws E_PAYLOAD_MALFORMED, E_TOO_LARGE.
 */
export function decodePayload(bytes: Uint8Array): Claims {
  if (bytes.length > LIMITS.payload) {
    throw new CountersignError("E_TOO_LARGE", `the payload has ${bytes.length} bytes, more than ${LIMITS.payload}`);
  }
  const document = parseStrictJson(bytes, { maxDepth: 32, code: "E_PAYLOAD_MALFORMED", what: "the payload" });
  const parsed = readShape((value, path) => {
    const read = payload(value, path);
    creator(read.optional["creator"], [...path, "optional", "creator"]);
    timestamp(read.optional["timestamp"], [...path, "optional", "timestamp"]);
    return read;
  }, document);
  if ("unfit" in parsed) {
    const { path, message } = parsed.unfit;
    throw new CountersignError(
      "E_PAYLOAD_MALFORMED",
      `${path || "the payload"} is not as an atomic container signature has it: ${message}`,
    );
  }
  const { critical, optional } = parsed.value;
  const others = Object.fromEntries(Object.entries(optional).filter(([name]) => !OWN_MEMBERS.has(name)));
  return {
    digests: [critical.image["docker-manifest-digest"]],
    reference: critical.identity["docker-reference"],
    annotations: textsOf(others),
    type: critical.type,
  };
}
