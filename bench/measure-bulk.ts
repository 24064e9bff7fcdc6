import { mapConcurrently } from "../src/platform/parallel.ts";
import { pushImage } from "../test/interop/support/image.ts";
import { type Action, type Contenders, FORMATS, type FormatName, type Run } from "./contenders.ts";
import { startDelayingProxy } from "./delaying-proxy.ts";
import type { BenchRegistry } from "./registries.ts";
import { type Bound, milliseconds, type Section } from "./results.ts";
import { median } from "./statistics.ts";

const REPOSITORIES = 10;
const COSIGN_AT_A_TIME = 2;
const LEAST_RATIO = 10;
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
      const [forCosign = []] = await fleets(host, `bulk/${format}/cosign-${roundTrip}`, count, 1);
      const works: Record<Action, { ours: readonly (readonly string[])[]; cosign: readonly string[] }> = {
        sign: { ours: signedByOurs, cosign: forCosign },
        verify: { ours: signedByOurs.map(() => fleet), cosign: fleet },
      };
      for (const action of ["sign", "verify"] as const) {
        const { ours: rounds, cosign: images } = works[action];
        proxy.reset(roundTrip);
        const runs: (Run & { readonly peak: number })[] = [];
        for (const round of rounds) runs.push(await contenders.oursAll(action, format, round));
        const ours = median(runs.map((run) => run.milliseconds));
        const peer = await cosignEach(contenders, action, format, images);
        const peak = Math.max(...runs.map((run) => run.peak)) / MiB;
        const ratio = peer / ours;
        rows.push([
          ...[action, format, `${roundTrip} ms`, milliseconds(ours), milliseconds(peer)],
          ...[`${ratio.toFixed(1)} times`, `${Math.round(peak)} MiB`],
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
    note: `In ${REPOSITORIES} repositories of ${registry.kind} on the same machine. Ours: one run for all, with its default settings, the median of ${times}; \`sign\` includes reading back and verifying. cosign: a run for each image, ${COSIGN_AT_A_TIME} at a time.`,
    head: ["", "format", "round trip", "ours", "cosign", "faster", "peak memory"],
    rows,
    bounds,
  };
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
