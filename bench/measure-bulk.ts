import { mapConcurrently } from "../src/platform/parallel.ts";
import { pushImage } from "../test/interop/support/image.ts";
import { askBarely } from "./bare-client.ts";
import { type Action, type Contenders, FORMATS, type FormatName, type Run } from "./contenders.ts";
import { type DelayingProxy, startDelayingProxy } from "./delaying-proxy.ts";
import type { BenchRegistry } from "./registries.ts";
import { type Bound, milliseconds, type Section } from "./results.ts";
import { median } from "./statistics.ts";

const REPOSITORIES = 10;
const COSIGN_AT_A_TIME = 2;
const LEAST_RATIO = 10;
/** Far away cosign takes minutes for all: of so many its time is measured, and scaled. */
const COSIGN_SAMPLE = 100;
/** As ours has at most. */
const CONNECTIONS = 32;
const MOST_MEMORY = 200;
/** Where the ratio is held to its bound; without a delay the registry shares the machine, and its own work bounds both. */
const FAR = 50;
const MiB = 1024 * 1024;

/** Many images: ours in one run, cosign in a run for each, two at a time, on one registry. */
export async function measureBulk(
  registry: BenchRegistry,
  contenders: Contenders,
  count: number,
  times: number,
): Promise<Section> {
  const rows: string[][] = [];
  const bounds: Bound[] = [];
  const proxy = await startDelayingProxy(registry.host);
  for (const [roundTrip, host] of [
    [0, registry.host],
    [FAR, proxy.host],
  ] as const) {
    for (const format of FORMATS) {
      proxy.reset(0);
      const signedByOurs = await fleets(host, `bulk/${format}/ours-${roundTrip}`, count, times);
      const [fleet = []] = signedByOurs;
      const sample = roundTrip === FAR ? Math.min(count, COSIGN_SAMPLE) : count;
      const [forCosign = []] = await fleets(host, `bulk/${format}/cosign-${roundTrip}`, sample, 1);
      const works: Record<Action, { ours: readonly (readonly string[])[]; cosign: readonly string[] }> = {
        sign: { ours: signedByOurs, cosign: forCosign },
        verify: { ours: signedByOurs.map(() => fleet), cosign: fleet.slice(0, sample) },
      };
      for (const action of ["sign", "verify"] as const) {
        const { ours: rounds, cosign: images } = works[action];
        proxy.reset(roundTrip);
        const runs: (Run & { readonly peak: number })[] = [];
        for (const round of rounds) runs.push(await contenders.oursAll(action, format, round));
        const ours = median(runs.map((run) => run.milliseconds));
        const peer = ((await cosignEach(contenders, action, format, images)) / images.length) * count;
        const peak = Math.max(...runs.map((run) => run.peak)) / MiB;
        const ratio = peer / ours;
        rows.push([
          ...[action, format, `${roundTrip} ms`, milliseconds(ours), milliseconds(peer)],
          ...[`${ratio.toFixed(1)} times`, `${Math.round(peak)} MiB`],
          await leastOf(action, roundTrip, peer, () => bareTime(registry, proxy, contenders, format, fleet, times)),
        ]);
        const what = `${action} of ${count} images, ${format}, ${roundTrip} ms`;
        if (roundTrip === FAR) {
          bounds.push({ what: `${what}, times faster than cosign`, measured: ratio, atLeast: LEAST_RATIO });
        }
        bounds.push({ what: `${what}, peak MiB`, measured: Math.round(peak), atMost: MOST_MEMORY });
      }
    }
  }
  await proxy.close();
  return {
    title: `${count} images`,
    note: `In ${REPOSITORIES} repositories of ${registry.kind} on the same machine. Ours: one run for all, with its default settings, the median of ${times}; \`sign\` includes reading back and verifying. cosign: a run for each image, ${COSIGN_AT_A_TIME} at a time; at ${FAR} ms of ${Math.min(count, COSIGN_SAMPLE)} images, its time scaled to ${count}. The registry's own time: a client that sends the same requests as ours and looks at no answer; with the registry on the same processors nothing that asks for as much can be faster.`,
    head: ["", "format", "round trip", "ours", "cosign", "faster", "peak memory", "the registry's own time"],
    rows,
    bounds,
  };
}

/** Only without a delay, and only what can be asked again: elsewhere the cell is empty. */
async function leastOf(
  action: Action,
  roundTrip: number,
  peer: number,
  measure: () => Promise<number>,
): Promise<string> {
  if (action !== "verify" || roundTrip === FAR) return "";
  const least = await measure();
  return `${milliseconds(least)}, ${(peer / least).toFixed(1)} times faster`;
}

/** How long the registry takes to answer what ours asks to verify `images`. */
async function bareTime(
  registry: BenchRegistry,
  proxy: DelayingProxy,
  contenders: Contenders,
  format: FormatName,
  images: readonly string[],
  times: number,
): Promise<number> {
  proxy.reset(0);
  await contenders.oursAll(
    "verify",
    format,
    images.map((image) => image.replace(registry.host, proxy.host)),
  );
  const paths = proxy.turns.map(({ path }) => path);
  const runs: number[] = [];
  for (let turn = 0; turn < times; turn += 1) runs.push(await askBarely(registry.host, paths, CONNECTIONS));
  return median(runs);
}

async function cosignEach(
  contenders: Contenders,
  action: Action,
  format: FormatName,
  images: readonly string[],
): Promise<number> {
  const start = performance.now();
  await mapConcurrently(images, COSIGN_AT_A_TIME, (image) => contenders.cosign(action, format, image));
  return performance.now() - start;
}

/** Several sets of fresh images by digest. */
async function fleets(host: string, prefix: string, count: number, sets: number): Promise<readonly string[][]> {
  const made: string[][] = [];
  for (let set = 0; set < sets; set += 1) {
    const images = Array.from({ length: count }, (_, index) => index);
    made.push(
      await mapConcurrently(images, 8, async (index) => {
        const repository = `${prefix}/${set}/app-${index % REPOSITORIES}`;
        return (await pushImage(host, repository, `${prefix} ${set} ${index}`)).reference;
      }),
    );
  }
  return made;
}
