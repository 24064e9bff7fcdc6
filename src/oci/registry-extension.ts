import { createHash } from "node:crypto";
import type { Digest } from "../model/digest.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { readBody } from "../platform/body.ts";
import type { Scope } from "./auth.ts";
import {
  type ExtensionSignature,
  encodeExtensionSignature,
  parseExtensionList,
  type SignatureExtension,
} from "./extension-document.ts";
import type { RegistryRequest, Send, Transport } from "./transport.ts";

/** Names that are tried, each as good as unique: a registry that has them all taken is not to be believed. */
const NAMES = 4;

/** The extension of one repository. `memory` is of the registry: what it says of itself. */
export function createSignatureExtension(
  transport: Transport,
  scope: Scope,
  memory: { supported?: Promise<boolean> | undefined },
): SignatureExtension {
  const { registry } = transport;
  const target = (subject: Digest) => `/extensions/v2/${scope.repository}/signatures/${subject}`;
  const what = (verb: string, subject: Digest) => `to ${verb} ${registry}/${scope.repository}@${subject}`;

  const listBy = (send: Send, subject: Digest): Promise<readonly ExtensionSignature[]> => {
    const request: RegistryRequest = {
      method: "GET",
      target: target(subject),
      scope,
      headers: { accept: "application/json" },
    };
    return send(request, async (answer) => {
      if (answer.status !== 200) return transport.refuse(answer, what("list the signatures of", subject));
      const bytes = await readBody(answer.response, LIMITS.extensionList, "the list of signatures").catch(asLimit);
      return parseExtensionList(bytes, registry);
    });
  };

  /** False: the name is taken. */
  const put = (send: Send, subject: Digest, name: string, content: Uint8Array): Promise<boolean> => {
    const body = encodeExtensionSignature(name, content);
    const headers = { "content-type": "application/json" };
    return send({ method: "PUT", target: target(subject), scope, headers, body }, async (answer) => {
      const { status, response } = answer;
      if (status !== 409 && (status < 200 || status > 299)) {
        return transport.refuse(answer, what("store a signature of", subject));
      }
      response.discard();
      return status !== 409;
    });
  };

  return {
    supported() {
      // It says so before it asks who is there; and a token of one repository, as Pulp has it, is none for this address.
      memory.supported ??= transport.call({ method: "GET", target: "/v2/", scope, anonymous: true }, async (answer) => {
        if (answer.status !== 200 && answer.status !== 401) return transport.refuse(answer, "to say what it supports");
        answer.response.discard();
        return answer.response.header("x-registry-supports-signatures") === "1";
      });
      memory.supported.catch(() => {
        memory.supported = undefined;
      });
      return memory.supported;
    },
    list: (subject) => listBy(transport.call, subject),
    add: (subject, content, randomBytes) =>
      transport.together(async (send) => {
        // The same signature has the same name, whoever writes it, as Pulp names them itself.
        let name = `${subject}@${hexOf(createHash("sha256").update(content).digest().subarray(0, 16))}`;
        for (let tried = 0; tried < NAMES; tried += 1) {
          const there = await listBy(send, subject);
          const own = there.find((signature) => signature.kind === "simple" && isSame(signature.content, content));
          if (own !== undefined) return own.name;
          if (await put(send, subject, name, content)) return name;
          const seen = (await listBy(send, subject)).find(
            (one) => one.kind === "simple" && isSame(one.content, content),
          );
          if (seen !== undefined) return seen.name;
          name = `${subject}@${hexOf(randomBytes(16))}`;
        }
        throw new CountersignError(
          "E_REGISTRY_CONFLICT",
          `${registry} has every name taken for a signature of ${subject}`,
          {
            hint: "run it again; if it stays so, ask who keeps the registry",
          },
        );
      }),
  };
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.from(one).equals(other);
}

/** A list that is too long was not looked at: that is no verdict on what it lists. */
function asLimit(error: unknown): never {
  if (!isCountersignError(error) || error.code !== "E_TOO_LARGE") throw error;
  throw new CountersignError("E_LIMIT", error.message, {
    hint: "ask who writes there: nobody signs an image that often",
  });
}
