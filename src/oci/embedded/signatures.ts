import { isDigest } from "../../model/digest.ts";
import { LIMITS } from "../../model/limits.ts";
import { readShape, refined, strictObjectOf, text, wholeNumber } from "../../model/shape.ts";
import type { ServedRequest, ServedResponse } from "../../platform/serve.ts";
import { empty, json, refusal } from "./answers.ts";
import type { KeptSignature, Storage } from "./storage.ts";

/** What `/v2/` says where signatures are kept. */
export const SIGNATURES_SUPPORTED = { "x-registry-supports-signatures": "1" };

const signature = strictObjectOf({
  schemaVersion: refined(wholeNumber, (version) => version === 2, "not 2"),
  name: refined(text(), (name) => /^sha256:[0-9a-f]{64}@[0-9a-f]{32}$/.test(name), "no digest with 32 hex digits"),
  type: refined(text(), (type) => type === "atomic", "not atomic"),
  content: refined(text(1), (content) => /^[A-Za-z0-9+/]+={0,2}$/.test(content), "not base64"),
});

/**
 * `/extensions/v2/NAME/signatures/DIGEST` as OpenShift's registry and Pulp answer it: a list of all, one added at a time under a name that
 * nothing in the registry has yet, nothing removed.
 */
export function answerSignatures(
  storage: Storage,
  name: string,
  subject: string,
  { method, body }: ServedRequest,
): ServedResponse {
  const kept = storage.get(name);
  if (!isDigest(subject) || kept === undefined || !kept.manifests.has(subject)) {
    return refusal(404, kept ? "MANIFEST_UNKNOWN" : "NAME_UNKNOWN", `${name} has no manifest ${subject}`);
  }
  const signatures = kept.signatures.get(subject) ?? [];
  if (method === "GET" || method === "HEAD") return json(200, { signatures });
  if (method !== "PUT") return refusal(405, "UNSUPPORTED", `${method} is not for signatures`);
  if (body.length > LIMITS.extensionList) return refusal(413, "SIZE_INVALID", "a signature is smaller than that");
  const read = readSignature(body);
  if (typeof read === "string") return refusal(400, "SIGNATURE_INVALID", read);
  const taken = storage
    .repositories()
    .some((one) => [...(storage.get(one)?.signatures.values() ?? [])].flat().some(({ name }) => name === read.name));
  if (taken) return refusal(409, "SIGNATURE_EXISTS", `there is a signature ${read.name}`);
  kept.signatures.set(subject, [...signatures, read]);
  return empty(201);
}

function readSignature(body: Uint8Array): KeptSignature | string {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return "the signature is not JSON";
  }
  const read = readShape(signature, document);
  return "unfit" in read ? `${read.unfit.path}: ${read.unfit.message}` : read.value;
}
