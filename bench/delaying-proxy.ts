import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** One request and its answer; times in milliseconds of `performance.now()`. */
export interface Turn {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly status: number;
  /** The head of the request has come. */
  readonly start: number;
  /** The last byte of the answer has gone. */
  readonly end: number;
  /** Bytes of both bodies. */
  readonly bytes: number;
}

/** Stands before a registry, makes it seem far away, and writes down what it is asked. */
export interface DelayingProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** What was asked since `reset`, in the order of the answers. */
  readonly turns: readonly Turn[];
  /** Forgets the turns; from now on each one takes `roundTrip` milliseconds more. */
  reset(roundTrip: number): void;
  close(): Promise<void>;
}

/**
 * Starts a proxy before `target`, `HOST:PORT`. Connections are kept alive on both sides. Each turn is held for one round
 * trip, and the first on a connection for one more, which is what opening it would have cost.
 */
export async function startDelayingProxy(target: string): Promise<DelayingProxy> {
  const agent = new Agent({ keepAlive: true, noDelay: true });
  const turns: Turn[] = [];
  const opened = new WeakSet<Socket>();
  let roundTrip = 0;

  const hold = async ({ socket }: IncomingMessage) => {
    const trips = opened.has(socket) ? 1 : 2;
    opened.add(socket);
    if (roundTrip > 0) await sleep(trips * roundTrip);
  };

  const forward = (message: IncomingMessage, answer: ServerResponse, start: number) => {
    const { method = "", url: path = "" } = message;
    let bytes = 0;
    const count = (chunk: Buffer) => {
      bytes += chunk.length;
    };
    const [host, port] = target.split(":");
    // The Host header stays: the registry makes its Location addresses of it, and they must lead through here.
    const outgoing = request({ agent, host, port, method, path, headers: endToEnd(message.headers) }, (incoming) => {
      const { statusCode: status = 0, headers } = incoming;
      answer.writeHead(status, endToEnd(headers));
      answer.once("finish", () => turns.push({ method, path, status, start, end: performance.now(), bytes }));
      incoming.on("data", count).pipe(answer);
    });
    outgoing.once("error", () => answer.destroy());
    message.on("data", count).pipe(outgoing);
  };

  const server = createServer({ noDelay: true, keepAliveTimeout: 60_000 }, (message, answer) => {
    const start = performance.now();
    void hold(message).then(() => forward(message, answer, start));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    turns,
    reset(milliseconds) {
      turns.length = 0;
      roundTrip = milliseconds;
    },
    close: () =>
      new Promise((resolve) => {
        agent.destroy();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Without what is said of one connection alone (RFC 9110 7.6.1). */
function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { connection: _, "keep-alive": __, "transfer-encoding": ___, ...kept } = headers;
  return kept;
}

/**
 * How many turns waited for one another: the longest row of turns of which each began when the one before had ended.
 * What merely happened to be later counts too, so that this is never less than what truly depended.
 */
export function dependentRoundTrips(turns: readonly Turn[]): number {
  let count = 0;
  let last = Number.NEGATIVE_INFINITY;
  for (const { start, end } of [...turns].sort((one, other) => one.end - other.end)) {
    if (start < last) continue;
    count += 1;
    last = end;
  }
  return count;
}
