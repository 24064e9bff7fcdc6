import { CountersignError } from "../../src/model/errors.ts";
import type { Actions } from "../../src/oci/auth.ts";
import { ANONYMOUS, type CredentialSource } from "../../src/oci/credential.ts";
import { createRegistry, type RegistryOptions } from "../../src/oci/registry-client.ts";
import { type Exchange, type HttpRequest, type HttpResponse, isStreamed } from "../../src/platform/exchange.ts";
import type { Host } from "../../src/platform/host.ts";
import type { Handler, ServedRequest, ServedResponse } from "../../src/platform/serve.ts";

/** Names and servers without sockets: each origin has a handler, every request is kept. An unknown origin is a refused connection. */
function createFakeNetwork(origins: Readonly<Record<string, Handler>>) {
  const requests: (ServedRequest & { readonly origin: string })[] = [];
  const exchange: Exchange = async (request) => {
    const handler = origins[request.url.origin];
    const served = { ...request, body: await wholeBody(request) };
    requests.push({ ...served, origin: request.url.origin });
    const cause = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
    if (!handler) throw new CountersignError("E_NETWORK", `cannot talk to ${request.url.host}`, { cause });
    const response = await handler(served);
    const reset = Object.assign(new Error("reset"), { code: "ECONNRESET" });
    if (!response) throw new CountersignError("E_NETWORK", `cannot talk to ${request.url.host}`, { cause: reset });
    return asResponse(response, request);
  };
  return {
    exchange,
    requests,
    /** `GET /v2/… ` lines, in order. */
    lines: () => requests.map(({ method, url }) => `${method} ${url.pathname}${url.search}`),
    to: (origin: string) => requests.filter((request) => request.origin === origin),
  };
}

function asResponse(served: ServedResponse, { method }: HttpRequest): HttpResponse {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(served.headers)) {
    headers.set(name.toLowerCase(), typeof value === "string" ? value : value.join(", "));
  }
  const { body } = served;
  return {
    status: served.status,
    header: (name) => headers.get(name.toLowerCase()),
    body: {
      async *[Symbol.asyncIterator]() {
        if (method === "HEAD" || body === undefined) return;
        if (typeof body === "string") yield new TextEncoder().encode(body);
        else if (body instanceof Uint8Array) yield body;
        else yield* body;
      },
    },
    discard: () => {},
  };
}

/** A clock that only sleeping moves, and a die that always shows the same. */
export function createFakeHost(random = 0.5) {
  const sleeps: number[] = [];
  let time = Date.parse("2026-01-01T00:00:00Z");
  const host: Pick<Host, "sleep" | "random" | "now"> = {
    now: () => new Date(time),
    random: () => random,
    sleep: async (milliseconds) => {
      sleeps.push(milliseconds);
      time += milliseconds;
    },
  };
  return { host, sleeps, pass: (milliseconds: number) => (time += milliseconds) };
}

/** A repository of a registry on a fake network. */
export function openRepository(
  origins: Readonly<Record<string, Handler>>,
  options: Partial<RegistryOptions> & { registry?: string; repository?: string; actions?: Actions } = {},
) {
  const network = createFakeNetwork(origins);
  const fake = createFakeHost();
  const registry = createRegistry({ exchange: network.exchange, host: fake.host, credentials: ANONYMOUS, ...options });
  const open = (repository: string, actions: Actions = "pull") =>
    registry.repository({ registry: options.registry ?? "registry.example.com", repository }, { actions });
  const { requests, lines, to } = network;
  return {
    ...fake,
    requests,
    lines,
    to,
    registry,
    open,
    repository: open(options.repository ?? "app", options.actions),
  };
}

export function credentialsOf(username: string, password: string, realms: readonly string[] = []): CredentialSource {
  return { find: async () => ({ kind: "password", username, password, source: "the test", realms }) };
}

export function json(status: number, value: unknown, headers: Record<string, string> = {}): ServedResponse {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(value) };
}

/** The error that a promise ends in. */
export async function failureOf(work: Promise<unknown>): Promise<CountersignError> {
  const error: unknown = await work.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (error instanceof CountersignError) return error;
  throw error;
}

async function wholeBody({ body }: HttpRequest): Promise<Uint8Array> {
  if (!isStreamed(body)) return body ?? new Uint8Array();
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.open()) chunks.push(chunk);
  return Buffer.concat(chunks);
}
