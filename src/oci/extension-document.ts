import type { Digest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import { anything, listOf, objectOf, optional, readShape, text } from "../model/shape.ts";

/** One entry of a registry's list of signatures: a simple signature, or what is of a kind that is not known. */
export type ExtensionSignature =
  | { readonly kind: "simple"; readonly name: string; readonly content: Uint8Array }
  /** `fault`: why a simple signature cannot be read. */
  | { readonly kind: "unknown"; readonly name: string; readonly type: string; readonly fault?: string };

/** A registry that keeps simple signatures itself (containers/image `X-Registry-Supports-Signatures`): OpenShift, Pulp. */
export interface SignatureExtension {
  /** By what the registry says of itself; it is asked once in a run. @throws what the registry throws. */
  supported(): Promise<boolean>;
  /**
   * Everything that is kept for an image.
   * @throws what the registry throws; E_REGISTRY_ANSWER for what is no such list; E_LIMIT for one that is too long.
   */
  list(subject: Digest): Promise<readonly ExtensionSignature[]>;
  /**
   * Adds a signature beside those that are there; one with the same content adds nothing. After a fault that passes it is looked first
   * whether the signature has arrived. Resolves to its name.
   *
   * @param randomBytes for a name, where somebody has taken the one that follows from the content.
   * @throws as `list`; E_REGISTRY_CONFLICT.
   */
  add(subject: Digest, content: Uint8Array, randomBytes: (length: number) => Uint8Array): Promise<string>;
}

/** Version and type of a simple signature (containers/image docker/docker_client.go). */
const VERSION = 2;
const TYPE = "atomic";

const document = objectOf({
  signatures: optional(
    listOf(
      objectOf({
        schemaVersion: anything,
        name: optional(text(0, 1024)),
        type: optional(text(0, 1024)),
        content: optional(text()),
      }),
    ),
  ),
});

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Reads `{"signatures":[{"schemaVersion":2,"name":…,"type":"atomic","content":BASE64}, …]}`, UTF-8 JSON. What is of another version
 * or type is named and left alone.
 *
 * @param registry for the message.
 * @throws E_REGISTRY_ANSWER for what is no such list.
 */
export function parseExtensionList(bytes: Uint8Array, registry: string): readonly ExtensionSignature[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw noList(registry, "it is not JSON");
  }
  const read = readShape(document, parsed);
  if ("unfit" in read) throw noList(registry, `${read.unfit.path}: ${read.unfit.message}`);
  return (read.value.signatures ?? []).map(({ schemaVersion, name = "", type = "", content = "" }) => {
    if (schemaVersion !== VERSION || type !== TYPE) {
      return { kind: "unknown", name, type: `${type} version ${JSON.stringify(schemaVersion)?.slice(0, 40)}` };
    }
    if (!BASE64.test(content)) return { kind: "unknown", name, type, fault: "its content is not base64" };
    return { kind: "simple", name, content: Buffer.from(content, "base64") };
  });
}

/** What a registry is sent to keep a simple signature. */
export function encodeExtensionSignature(name: string, content: Uint8Array): Uint8Array {
  const signature = { schemaVersion: VERSION, name, type: TYPE, content: Buffer.from(content).toString("base64") };
  return new TextEncoder().encode(JSON.stringify(signature));
}

function noList(registry: string, why: string): CountersignError {
  return new CountersignError(
    "E_REGISTRY_ANSWER",
    `${registry} answers with something that is no list of signatures: ${why}`,
    {
      hint: "check that no proxy or login page answers in the registry's place",
      retry: false,
    },
  );
}
