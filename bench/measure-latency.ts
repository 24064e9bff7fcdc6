import { pushImage } from "../test/interop/support/image.ts";
import { type Contenders, FORMATS } from "./contenders.ts";
import { startDelayingProxy } from "./delaying-proxy.ts";
import type { BenchRegistry } from "./registries.ts";
import { type Bound, milliseconds, type Section } from "./results.ts";
import { alternate } from "./statistics.ts";

const ROUND_TRIPS = [0, 50];
const MOST_OF_COSIGN = 0.6;
/** Where the bound is held: on the embedded registry cosign waits for fewer answers, and the start of Node counts for more. */
const HELD = "docker-registry";

/** One verification, from the start of the process to its end, near the registry and far from it. */
export async function measureLatency(
  registries: readonly BenchRegistry[],
  contenders: Contenders,
  times: number,
): Promise<Section> {
  const rows: string[][] = [];
  const bounds: Bound[] = [];
  for (const registry of registries) {
    const proxy = await startDelayingProxy(registry.host);
    for (const format of FORMATS) {
      const { reference } = await pushImage(proxy.host, `latency/${format}`, format);
      await contenders.ours("sign", format, reference);
      for (const roundTrip of ROUND_TRIPS) {
        proxy.reset(roundTrip);
        const [ours = 0, peer = 0] = await alternate(times, [
          async () => (await contenders.ours("verify", format, reference)).milliseconds,
          async () => (await contenders.cosign("verify", format, reference)).milliseconds,
        ]);
        const ratio = ours / peer;
        rows.push([
          ...[format, registry.kind, `${roundTrip} ms`],
          ...[milliseconds(ours), milliseconds(peer), ratio.toFixed(2)],
        ]);
        if (roundTrip === 50 && registry.kind === HELD) {
          const what = `one verification at 50 ms, ${format} on ${registry.kind}, of cosign's time`;
          bounds.push({ what, measured: ratio, atMost: MOST_OF_COSIGN });
        }
      }
      proxy.reset(0);
    }
    await proxy.close();
  }
  return {
    title: "One verification",
    note: `By digest and key, from the start of the process to its end; medians of ${times} alternating runs. The delay is added to each request, and once more to the first of a connection. The bound is held on docker-registry: on the embedded one cosign waits for fewer answers, four by the cosign format, and a start of Node counts for more.`,
    head: ["format", "registry", "round trip", "ours", "cosign", "ratio"],
    rows,
    bounds,
  };
}
