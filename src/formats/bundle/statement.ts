import { type Digest, digestAlgorithm, digestHex, isDigest } from "../../model/digest.ts";
import { CountersignError } from "../../model/errors.ts";
import { COSIGN_SIGN_PREDICATE, IN_TOTO_STATEMENT } from "../../model/media-types.ts";
import { anyObject, listOf, mapOf, objectOf, optional, readShape, refined, text } from "../../model/shape.ts";
import type { Claims } from "../../model/signature.ts";
import { parseStrictJson } from "../../model/strict-json.ts";
import { textsOf } from "../claimed-annotations.ts";

/** Statement v0.1 differs only in where its predicates were defined: attestations of that age are told from signatures all the same. */
const statementTypes: readonly string[] = [IN_TOTO_STATEMENT, "https://in-toto.io/Statement/v0.1"];
const MAX_SUBJECTS = 1024;
const MAX_DIGESTS = 32;

/**
 * The in-toto statement v1 of a cosign image signature, UTF-8 JSON: one subject with nothing but its digest, and the
 * annotations where there are any, sorted by name; cosign's sign predicate, empty. The same input gives the same bytes.
 */
export function encodeStatement(digest: Digest, annotations: Readonly<Record<string, string>>): Uint8Array {
  const claims = Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1));
  const subject = {
    digest: { [digestAlgorithm(digest)]: digestHex(digest) },
    ...(claims.length > 0 && { annotations: Object.fromEntries(claims) }),
  };
  const document = {
    _type: IN_TOTO_STATEMENT,
    subject: [subject],
    predicateType: COSIGN_SIGN_PREDICATE,
    predicate: {},
  };
  return new TextEncoder().encode(JSON.stringify(document));
}

/** Members that are not read here are a predicate's or a subject's own; in-toto asks readers to pass over what they do not know. */
const statement = objectOf({
  _type: refined(text(), (type) => statementTypes.includes(type), "not an in-toto statement"),
  subject: listOf(
    objectOf({
      digest: refined(
        mapOf(text()),
        (digests) => Object.keys(digests).length <= MAX_DIGESTS,
        `more than ${MAX_DIGESTS} digests`,
      ),
      annotations: optional(anyObject),
    }),
    1,
    MAX_SUBJECTS,
  ),
  predicateType: text(1),
});

/**
 * What a statement claims: the digests of its subjects that can name a manifest, and its predicate type. Annotations
 * belong to a subject; of several subjects only those count that all of them have.
 * @throws E_PAYLOAD_MALFORMED.
 */
export function decodeStatement(bytes: Uint8Array): Claims {
  const document = parseStrictJson(bytes, { maxDepth: 64, code: "E_PAYLOAD_MALFORMED", what: "the statement" });
  const parsed = readShape(statement, document);
  if ("unfit" in parsed) {
    const { path, message } = parsed.unfit;
    throw new CountersignError(
      "E_PAYLOAD_MALFORMED",
      `${path || "the statement"} is not as an in-toto statement has it: ${message}`,
    );
  }
  const { subject: subjects, predicateType } = parsed.value;
  return {
    digests: subjects.flatMap(({ digest }) => manifestDigests(digest)),
    annotations: sharedTexts(subjects.map(({ annotations }) => textsOf(annotations ?? {}))),
    type: predicateType,
  };
}

function manifestDigests(digests: Readonly<Record<string, string>>): Digest[] {
  return Object.entries(digests)
    .map(([algorithm, hex]) => `${algorithm}:${hex}`)
    .filter(isDigest);
}

function sharedTexts(maps: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const [first = {}, ...others] = maps;
  const isShared = ([key, value]: [string, string]) =>
    others.every((map) => Object.hasOwn(map, key) && map[key] === value);
  return Object.fromEntries(Object.entries(first).filter(isShared));
}
