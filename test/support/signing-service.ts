import { createPublicKey, type KeyObject, sign } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import { z } from "zod";
import {
  type Handler,
  type ServedRequest,
  type ServedResponse,
  type ServeOptions,
  serve,
} from "../../src/platform/serve.ts";
import { type SigningServiceRequest, signingServiceRequest } from "../../src/services/signing-protocol.ts";

export interface ServiceKey {
  readonly key: KeyObject;
  /** PEM, leaf and issuers; none: the bare public key is described. */
  readonly certificates?: readonly string[] | undefined;
}

/** A whole signing service (docs/signing-service.md): one key, in memory, for whoever may ask. */
export function createReferenceService({ key, certificates }: ServiceKey): Handler {
  const publicKey = createPublicKey(key).export({ type: "spki", format: "pem" }).toString();
  return async ({ method, body }) => {
    if (method !== "POST") return answer(405, { error: "POST it" });
    const parsed = signingServiceRequest.safeParse(JSON.parse(Buffer.from(body).toString()));
    if (!parsed.success) return answer(400, { error: z.prettifyError(parsed.error) });
    const request = parsed.data;
    if (request.operation === "describe") return answer(200, certificates ? { certificates } : { publicKey });
    const signature = request.mode === "message" ? signMessage(key, request) : signDigest(key, request.digest);
    return answer(200, { signature: signature.toString("base64"), encoding: request.encoding });
  };
}

type MessageRequest = Extract<SigningServiceRequest, { mode: "message" }>;

function signMessage(key: KeyObject, { message, algorithm, hash }: MessageRequest): Buffer {
  const pss = algorithm.startsWith("rsa-pss-") ? { padding: 6, saltLength: Number(hash?.slice(3)) / 8 } : {};
  return sign(hash ?? undefined, Buffer.from(message, "base64"), { key, ...pss });
}

/** ECDSA on P-256 alone: Node signs no digests. */
function signDigest(key: KeyObject, digest: string): Buffer {
  const secret = Buffer.from(key.export({ format: "jwk" }).d ?? "", "base64url");
  return Buffer.from(p256.sign(Buffer.from(digest, "base64"), secret, { prehash: false, lowS: false, format: "der" }));
}

export function answer(status: number, value: unknown): ServedResponse {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

export interface StartedService {
  /** What `--signer` takes. */
  readonly address: string;
  /** Host and port. */
  readonly host: string;
  readonly origin: string;
  readonly requests: readonly ServedRequest[];
  /** The most requests that were under way at once. */
  readonly busiest: number;
  clear(): void;
  close(): Promise<void>;
}

/** Starts a handler, a signing service or what passes itself off as one, on the loopback address, with a log of what it was asked. */
export async function startService(handler: Handler, tls?: ServeOptions["tls"]): Promise<StartedService> {
  const requests: ServedRequest[] = [];
  let [under, busiest] = [0, 0];
  const logged: Handler = async (request) => {
    requests.push(request);
    under += 1;
    busiest = Math.max(busiest, under);
    try {
      return await handler(request);
    } finally {
      under -= 1;
    }
  };
  const { origin, close } = await serve(logged, { tls });
  return {
    address: `${origin.replace("://", "+sign://")}/sign`,
    host: new URL(origin).host,
    origin,
    requests,
    get busiest() {
      return busiest;
    },
    clear: () => requests.splice(0),
    close,
  };
}

/** What a service was asked, as the protocol has it. */
export function asked({ body }: ServedRequest): SigningServiceRequest {
  return signingServiceRequest.parse(JSON.parse(Buffer.from(body).toString()));
}

/**
 * The endpoint that a GitHub Actions job asks for OIDC tokens: GET with the runner's own token. The tokens have no real signature.
 *
 * @param expires seconds since the epoch
 */
export function githubTokens(secret: string, expires: () => number): Handler {
  let count = 0;
  return async ({ method, url, headers }) => {
    if (method !== "GET" || headers["authorization"] !== `Bearer ${secret}`) return answer(401, {});
    count += 1;
    const claims = { aud: url.searchParams.get("audience"), exp: Math.floor(expires()), jti: String(count) };
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    return answer(200, { value: `${part({ alg: "none" })}.${part(claims)}.signature`, count });
  };
}
