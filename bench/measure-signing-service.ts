import { Agent, request } from "node:http";
import { mapConcurrently } from "../src/platform/parallel.ts";
import { pushImage } from "../test/interop/support/image.ts";
import { run } from "../test/interop/support/run.ts";
import { program } from "./contenders.ts";
import { startProcess } from "./processes.ts";
import type { BenchRegistry } from "./registries.ts";
import { type Bound, milliseconds, type Section } from "./results.ts";
import { alternate } from "./statistics.ts";

const REPOSITORIES = 10;
/** The most that signing may take, in times of what the service alone takes. */
const MOST_OF_SERVICE = 1.2;
/** Requests at once up to which the service, and not the registry beside it on this machine, is what everybody waits for. */
const BOUND_UP_TO = 4;

/**
 * Many images through a signing service that answers in 50 ms: the whole run of the program, beside the same number of requests made
 * to the service by a bare client, as many at once.
 */
export async function measureSigningService(registry: BenchRegistry, count: number, times: number): Promise<Section> {
  const { line: origin, stop } = await startProcess("signing-service-process.mjs");
  const rows: string[][] = [];
  const bounds: Bound[] = [];
  for (const concurrency of [2, 4, 16]) {
    const rounds = await fleets(registry.host, `service/${concurrency}`, count, times);
    const [ours = 0, alone = 0] = await alternate(times, [
      () => signAll(origin, concurrency, rounds.pop() ?? []),
      () => askAll(origin, concurrency, count),
    ]);
    const ratio = ours / alone;
    rows.push([String(concurrency), milliseconds(ours), milliseconds(alone), ratio.toFixed(2)]);
    const what = `sign ${count} images by a service, ${concurrency} at once, of the service's own time`;
    if (concurrency <= BOUND_UP_TO) bounds.push({ what, measured: ratio, atMost: MOST_OF_SERVICE });
  }
  await stop();
  return {
    title: `${count} images by a signing service`,
    note: `The service answers in 50 ms and stands, as the registry (${registry.kind}), on the same machine. Ours: one run in the bundle format from the start of the process to its end, reading back and verifying included. The service alone: as many requests by a client that does nothing else, as many at once. Medians of ${times}. With ${BOUND_UP_TO} or fewer at once everybody waits for the service; with more, for the registry and the processor, as signing with a key of our own does. In the cosign format half a second more goes by at the end, for which a written tag is left alone before it is read back.`,
    head: ["at once", "ours", "the service alone", "ratio"],
    rows,
    bounds,
  };
}

async function signAll(origin: string, concurrency: number, images: readonly string[]): Promise<number> {
  const args = [
    ...["sign", "--signer", `${origin.replace("://", "+sign://")}/sign`, "--signer-concurrency", String(concurrency)],
    ...["--format", "bundle", "--output", "json", ...images],
  ];
  const start = performance.now();
  const { exitCode, stdout, stderr } = await run(process.execPath, [program, ...args], {
    env: { PATH: "/usr/bin:/bin", HOME: "/nonexistent" },
    timeout: 600_000,
  });
  const taken = performance.now() - start;
  if (exitCode !== 0) throw new Error(`sign ended in ${exitCode}:\n${stderr}${stdout.slice(0, 2000)}`);
  const { images: reports } = JSON.parse(stdout) as { images: { status: string }[] };
  const signed = reports.filter(({ status }) => status === "signed").length;
  if (signed !== images.length) throw new Error(`${signed} of ${images.length} images were signed`);
  return taken;
}

/** The requests of a run, and nothing around them. */
async function askAll(origin: string, concurrency: number, count: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const message = Buffer.from(JSON.stringify({ critical: "x".repeat(250) })).toString("base64");
  const body = JSON.stringify({
    ...{ schemaVersion: 1, operation: "sign", format: "cosign", mode: "message", message },
    ...{
      subject: { digest: `sha256:${"0".repeat(64)}` },
      algorithm: "ecdsa-p256-sha256",
      hash: "sha256",
      encoding: "der",
    },
  });
  const start = performance.now();
  await mapConcurrently(Array.from({ length: count }), concurrency, () => ask(`${origin}/sign`, agent, body));
  const taken = performance.now() - start;
  agent.destroy();
  return taken;
}

function ask(url: string, agent: Agent, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, method: "POST" }, (incoming) => {
      incoming.resume();
      if (incoming.statusCode !== 200) reject(new Error(`the service answers ${incoming.statusCode}`));
      incoming.once("end", resolve);
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

/** Several sets of fresh images by digest. */
async function fleets(host: string, prefix: string, count: number, sets: number): Promise<string[][]> {
  const made: string[][] = [];
  for (let set = 0; set < sets; set += 1) {
    made.push(
      await mapConcurrently(Array.from({ length: count }), 8, async (_, index) => {
        const repository = `${prefix}/${set}/app-${index % REPOSITORIES}`;
        return (await pushImage(host, repository, `${prefix} ${set} ${index}`)).reference;
      }),
    );
  }
  return made;
}
