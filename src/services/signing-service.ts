import { createHash } from "node:crypto";
import type { z } from "zod";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import { parseStrictJson } from "../model/strict-json.ts";
import { readBody } from "../platform/body.ts";
import type { Exchange, HttpResponse } from "../platform/exchange.ts";
import { createSemaphore } from "../platform/parallel.ts";
import { type Fault, isPassing, type Outcome, parseRetryAfter, type Retrier } from "../platform/retry.ts";
import { printable, withoutSecrets } from "../platform/server-words.ts";
import {
  ANSWER_LIMIT,
  type DescribeAnswer,
  describeAnswer,
  type SignAnswer,
  type SigningServiceRequest,
  signAnswer,
} from "./signing-protocol.ts";

export interface SigningServiceOptions {
  /** https, or http on this machine. */
  readonly url: URL;
  /** With the CA and the client certificate of this service alone. */
  readonly exchange: Exchange;
  /** Requests under way at once. The others wait, and so do those behind one that is tried again: the clocks of retries start late. */
  readonly concurrency: number;
  readonly retrier: Retrier;
  readonly now: () => Date;
  /** The bearer token, asked for with every request: some expire in minutes. */
  readonly token?: (() => Promise<string>) | undefined;
  /** Milliseconds for one request. */
  readonly timeout: number;
  readonly userAgent: string;
}

/** A client of the protocol in docs/signing-service.md. What comes back is well-formed and nothing more: nothing is verified here. */
export interface SigningService {
  describe(request: Extract<SigningServiceRequest, { operation: "describe" }>): Promise<DescribeAnswer>;
  /** `idempotencyKey`: the same for the same bytes and key, so that a service may answer a repeated request from memory. */
  sign(request: Extract<SigningServiceRequest, { operation: "sign" }>, idempotencyKey: string): Promise<SignAnswer>;
}

/**
 * Passing faults (408, 429, 5xx, broken connections, time that ran out) are tried again, after `Retry-After` where the service
 * says it. No redirect is followed: the token is for this address.
 *
 * @throws E_SIGNER_THROTTLED, E_SIGNER_FAILED, E_SIGNER_DENIED (401, 403), E_SIGNER_REDIRECT, E_SIGNER_ANSWER (any other status, an
 * answer that is not the protocol's or too long), E_NETWORK, E_TIMEOUT, E_TLS, and what the token ends in.
 */
export function createSigningService(options: SigningServiceOptions): SigningService {
  const { url, retrier } = options;
  const gate = createSemaphore(options.concurrency);

  const attempt = async (body: Uint8Array, idempotencyKey: string | undefined): Promise<Outcome<Uint8Array>> => {
    const token = await options.token?.();
    const headers: Record<string, string> = {
      accept: "application/json",
      "content-type": "application/json",
      "user-agent": options.userAgent,
    };
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    if (idempotencyKey !== undefined) headers["idempotency-key"] = idempotencyKey;
    const response = await options.exchange({ method: "POST", url, headers, body, timeout: options.timeout });
    if (response.status === 200) return { done: await readBody(response, ANSWER_LIMIT).catch(tooLong(url)) };
    return { again: await refusal(response, url, token, options.now()) };
  };

  const ask = async <T>(request: SigningServiceRequest, answer: z.ZodType<T>, idempotencyKey?: string): Promise<T> => {
    const body = new TextEncoder().encode(JSON.stringify(request));
    const release = await gate.acquire();
    const bytes = await retrier
      .run(url.host, () => attempt(body, idempotencyKey))
      .catch(ofTheSigner)
      .finally(release);
    const parsed = answer.safeParse(readJson(bytes, url));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const where = issue?.path.join(".") || "the answer";
    throw rubbish(url, `${where}: ${printable(issue?.message ?? "does not fit")}`, parsed.error);
  };

  return {
    describe: (request) => ask(request, describeAnswer),
    sign: (request, idempotencyKey) => ask(request, signAnswer, idempotencyKey),
  };
}

/** The same for the same bytes, key and algorithm, in this run and in the next: hex of a SHA-256. */
export function idempotencyKeyOf(bytes: Uint8Array, keyFingerprint: string, algorithm: string): string {
  const signed = createHash("sha256").update(bytes).digest("hex");
  return createHash("sha256").update(`countersign sign 1\n${keyFingerprint}\n${algorithm}\n${signed}\n`).digest("hex");
}

/** A fault that may pass, or an error thrown. */
async function refusal(response: HttpResponse, { host }: URL, token: string | undefined, now: Date): Promise<Fault> {
  const { status } = response;
  if (status >= 300 && status < 400) {
    response.discard();
    throw new CountersignError(
      "E_SIGNER_REDIRECT",
      `the signing service ${host} redirects (${status}), which is not followed`,
      {
        hint: "name the service by its final address: its token and what is to be signed go nowhere else",
      },
    );
  }
  const said = await quote(response, token);
  if (status === 401 || status === 403) {
    throw new CountersignError("E_SIGNER_DENIED", `the signing service ${host} denies signing: ${said}`, {
      hint: "check --signer-token, its audience (--signer-audience), the client certificate, and what the service permits",
    });
  }
  if (!isPassing(status)) {
    throw new CountersignError("E_SIGNER_ANSWER", `the signing service ${host} refuses the request: ${said}`, {
      hint: "check the address and --signer-key-id, and that the service speaks the protocol of docs/signing-service.md",
      retry: false,
    });
  }
  const retryAfter = parseRetryAfter(response.header("retry-after"), now);
  const error =
    status === 429
      ? new CountersignError("E_SIGNER_THROTTLED", `the signing service ${host} throttles: ${said}`, {
          hint: "wait, or lower --signer-concurrency",
        })
      : new CountersignError("E_SIGNER_FAILED", `the signing service ${host} fails: ${said}`, {
          hint: "try again later; the fault is the service's or of a proxy before it",
          retry: true,
        });
  return { error, retryAfter, throttled: status === 429 || retryAfter !== undefined };
}

const QUOTED = 4 * 1024;

/** Status and the start of what the service says, in one line, without the token that it was shown. */
async function quote(response: HttpResponse, token: string | undefined): Promise<string> {
  const bytes = await readBody(response, QUOTED).catch(() => new Uint8Array());
  const text = printable(withoutSecrets(new TextDecoder().decode(bytes), [token]));
  return text === "" ? String(response.status) : `${response.status} ${text}`;
}

function readJson(bytes: Uint8Array, url: URL): unknown {
  return parseStrictJson(bytes, {
    code: "E_SIGNER_ANSWER",
    maxDepth: 8,
    what: `the answer of the signing service ${url.host}`,
    hint: "check that the address is a signing service's that speaks the protocol of docs/signing-service.md",
  });
}

function tooLong({ host }: URL): (error: unknown) => never {
  return (error) => {
    if (!isCountersignError(error) || error.code !== "E_TOO_LARGE") throw error;
    throw new CountersignError(
      "E_SIGNER_ANSWER",
      `the signing service ${host} answers more than ${ANSWER_LIMIT} bytes`,
      {
        cause: error,
        hint: "check that the address is a signing service's",
        retry: false,
      },
    );
  };
}

function rubbish({ host }: URL, why: string, cause: unknown): CountersignError {
  return new CountersignError(
    "E_SIGNER_ANSWER",
    `the signing service ${host} answers what the protocol does not know: ${why}`,
    {
      cause,
      hint: "see docs/signing-service.md for what it must answer",
      retry: false,
    },
  );
}

/** The platform's mends name the registry's flags. */
function ofTheSigner(error: unknown): never {
  if (!isCountersignError(error) || (error.code !== "E_TLS" && error.code !== "E_TIMEOUT")) throw error;
  const hint =
    error.code === "E_TIMEOUT"
      ? "give it longer with --signer-timeout, or check the network"
      : "name the issuing CA with --signer-cacert FILE, and a client certificate, if it wants one, with --signer-client-cert and --signer-client-key";
  throw new CountersignError(error.code, `signing service: ${error.message}`, {
    hint,
    cause: error.cause,
    retry: error.retry,
  });
}
