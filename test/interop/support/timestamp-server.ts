import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { requirePeer } from "./peers.ts";
import { temporaryFolder } from "./run.ts";

/** Sigstore's timestamp-server with a key in memory, on loopback. */
export interface TimestampServer {
  /** Takes RFC 3161 requests. */
  readonly url: string;
  /** Its own certificate, its intermediate, its root: PEM, in this order. */
  readonly chain: string;
  readonly root: string;
  stop(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Its metrics want port 2112, which cannot be changed: where another one runs, its end is awaited. */
const PATIENCE = 90_000;

export async function startTimestampServer(): Promise<TimestampServer> {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const started = await attempt();
    if ("url" in started) return started;
    if (!started.log.includes(":2112") || Date.now() > deadline) {
      throw new Error(`timestamp-server did not start:\n${started.log}`);
    }
    await sleep(500);
  }
}

async function attempt(): Promise<TimestampServer | { readonly log: string }> {
  const args = [
    "serve",
    "--host",
    "127.0.0.1",
    "--port",
    "0",
    "--timestamp-signer",
    "memory",
    "--disable-ntp-monitoring",
    // notation wants the authority's issuers inside the token.
    "--include-chain-in-response",
  ];
  const child = spawn(requirePeer("timestamp-server"), args, {
    env: { HOME: temporaryFolder("timestamp-server") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
    running.delete(child);
  };
  for (let waited = 0; waited < 10_000 && child.exitCode === null; waited += 50) {
    const origin = /at (http:\/\/127\.0\.0\.1:\d+)/.exec(log)?.[1];
    const chain = origin === undefined ? undefined : await chainOf(origin);
    if (origin !== undefined && chain !== undefined) {
      const certificates = chain.match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----\n/g) ?? [];
      // The metrics' listener may still fail, and end the server.
      await sleep(200);
      if (child.exitCode !== null) break;
      return { url: `${origin}/api/v1/timestamp`, chain, root: certificates.at(-1) ?? "", stop };
    }
    await sleep(50);
  }
  await stop();
  return { log };
}

async function chainOf(origin: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`${origin}/api/v1/timestamp/certchain`);
    return answer.ok ? await answer.text() : undefined;
  } catch {
    return undefined;
  }
}
