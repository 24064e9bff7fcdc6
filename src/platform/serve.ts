import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { asCountersignError } from "../model/errors.ts";

export interface ServedRequest {
  /** Upper case. */
  readonly method: string;
  /** Absolute, with this server's origin whatever the Host header says. */
  readonly url: URL;
  /** Names in lower case; several of one name joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface ServedResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** A stream is sent as it comes; one that throws cuts the connection in the middle of the body. */
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array> | undefined;
}

/** Answers one request. `undefined`: the connection is cut without an answer. A handler that throws answers 500. */
export type Handler = (request: ServedRequest) => Promise<ServedResponse | undefined>;

export interface ServeOptions {
  /** Address to listen on; the loopback address unless told. */
  readonly host?: string | undefined;
  /** 0, or absent: any free port. */
  readonly port?: number | undefined;
  /** PEM of key and certificate chain; `clientCa` demands a client certificate that it issued. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCa?: string | undefined } | undefined;
  /** Bytes of a request body; a longer one is answered 413. */
  readonly bodyLimit?: number | undefined;
}

export interface Served {
  /** `http://127.0.0.1:PORT`, no slash at the end. */
  readonly origin: string;
  /** Stops listening and cuts what is still open. */
  close(): Promise<void>;
}

const BODY_LIMIT = 64 * 1024 * 1024;

/**
 * Serves `handler` over HTTP/1.1 (HTTPS with `tls`) with connections kept alive.
 *
 * @throws E_NETWORK when the address cannot be listened on.
 */
export async function serve(handler: Handler, options: ServeOptions = {}): Promise<Served> {
  const host = options.host ?? "127.0.0.1";
  let origin = "";
  const listener: RequestListener = (message, response) => {
    answer(message, response, handler, origin, options.bodyLimit ?? BODY_LIMIT).catch(() => response.destroy());
  };
  const server = await createServer(listener, options.tls);
  // Node knows of no connection that is still in its TLS handshake; closing would wait for it.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port: options.port ?? 0 }, resolve);
  }).catch(async (error: unknown) => {
    const { networkFault } = await import("./faults.ts");
    throw networkFault(error, host);
  });
  const { port } = server.address() as AddressInfo;
  origin = `${options.tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return {
    origin,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

async function createServer(listener: RequestListener, tls: ServeOptions["tls"]) {
  if (tls === undefined) return (await import("node:http")).createServer({ noDelay: true }, listener);
  const clients = tls.clientCa ? { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true } : {};
  const { createServer } = await import("node:https");
  return createServer({ key: tls.key, cert: tls.cert, noDelay: true, ...clients }, listener);
}

async function answer(
  message: IncomingMessage,
  response: ServerResponse,
  handler: Handler,
  origin: string,
  bodyLimit: number,
): Promise<void> {
  const body = await readRequest(message, bodyLimit);
  if (body === undefined) {
    response.writeHead(413, { connection: "close" }).end();
    return;
  }
  const request = { method: message.method ?? "GET", url: target(message, origin), headers: flatten(message), body };
  const served = await handler(request).catch((error: unknown) => failure(error));
  if (served === undefined) {
    message.socket.destroy();
    return;
  }
  response.writeHead(served.status, mutable(served.headers));
  if (served.body === undefined || request.method === "HEAD") response.end();
  else if (typeof served.body === "string" || served.body instanceof Uint8Array) response.end(served.body);
  else await stream(served.body, response);
}

/** The request target on this server; one that is no path (`*`, `//evil/`) cannot change the host. */
function target(message: IncomingMessage, origin: string): URL {
  const path = message.url ?? "/";
  return new URL(path.startsWith("/") ? origin + path : `${origin}/`);
}

async function readRequest(message: IncomingMessage, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function flatten(message: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return headers;
}

function mutable(headers: ServedResponse["headers"]): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : [...value]]),
  );
}

async function stream(body: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<void> {
  response.flushHeaders();
  for await (const chunk of body) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await drained(response);
  }
  response.end();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      response.off("drain", settle).off("close", settle);
      resolve();
    };
    response.on("drain", settle).on("close", settle);
  });
}

function failure(error: unknown): ServedResponse {
  const { code, message } = asCountersignError(error);
  return { status: 500, headers: { "content-type": "text/plain" }, body: `${code}: ${message}\n` };
}
