import { randomUUID } from "node:crypto";
import { type PushedImage, pushImage } from "../test/interop/support/image.ts";
import { type Action, type Contenders, FORMATS, type FormatName } from "./contenders.ts";
import { type DelayingProxy, dependentRoundTrips, startDelayingProxy } from "./delaying-proxy.ts";
import type { BenchRegistry } from "./registries.ts";
import type { Bound, Section } from "./results.ts";

/** Near, where requests are counted, and far enough that turns of one wave overlap. Milliseconds. */
const NEAR = 0;
const FAR = 50;
const REPEATS = 3;

const actions = [
  { title: "verify by digest", action: "verify", byTag: false },
  { title: "verify by tag", action: "verify", byTag: true },
  { title: "sign", action: "sign", byTag: false },
] as const satisfies readonly { title: string; action: Action; byTag: boolean }[];

interface Counts {
  readonly requests: number;
  readonly roundTrips: number;
}

/** Requests and dependent round trips of one command on one image, for each format and kind of registry. */
export async function measureRequests(
  registries: readonly BenchRegistry[],
  contenders: Contenders,
  verbose: boolean,
): Promise<Section> {
  const rows: string[][] = [];
  const bounds: Bound[] = [];
  for (const registry of registries) {
    const proxy = await startDelayingProxy(registry.host);
    for (const format of FORMATS) {
      for (const { title, action, byTag } of actions) {
        const what = `${title}, ${format} on ${registry.kind}`;
        const count = async (contender: "ours" | "cosign", roundTrip: number) => {
          const counts: Counts[] = [];
          for (let turn = 0; turn < REPEATS; turn += 1) {
            const image = await subject(proxy, contenders, format, action);
            const name = byTag ? `${proxy.host}/${image.repository}:latest` : image.reference;
            proxy.reset(roundTrip);
            await contenders[contender](action, format, name);
            counts.push({ requests: proxy.turns.length, roundTrips: dependentRoundTrips(proxy.turns) });
            if (verbose && turn === 0) console.error(`${contender}, ${roundTrip} ms: ${what}\n${listTurns(proxy)}`);
            proxy.reset(0);
          }
          return counts;
        };
        const ours = { near: await count("ours", NEAR), far: await count("ours", FAR) };
        const peer = { near: await count("cosign", NEAR), far: await count("cosign", FAR) };
        rows.push([
          ...[title, format, registry.kind],
          ...[range(ours.near, "requests"), range(ours.far, "requests"), range(peer.far, "requests")],
          ...[range(ours.far, "roundTrips"), range(peer.far, "roundTrips")],
        ]);
        bounds.push(boundOf(what, action, format, byTag, ours));
      }
    }
    await proxy.close();
  }
  return {
    title: "Requests",
    note: `One image, one signature, P-256 key, ${REPEATS} runs each. \`sign\` of ours includes reading back and verifying what was stored, which cosign does not do; from far away it reads a tag once more before it writes it, as its first reading has grown old. Round trips: requests that waited for one another, at ${FAR} ms.`,
    head: ["", "format", "registry", "requests", `at ${FAR} ms`, "cosign's", "round trips", "cosign's"],
    rows,
    bounds,
  };
}

/** A fresh image in a fresh repository, so that nothing is left from an earlier run; signed where that is to be verified. */
async function subject(
  proxy: DelayingProxy,
  contenders: Contenders,
  format: FormatName,
  action: Action,
): Promise<PushedImage> {
  const image = await pushImage(proxy.host, `requests/${randomUUID()}`, "", "latest");
  if (action === "verify") await contenders.ours("sign", format, image.reference);
  return image;
}

function boundOf(
  what: string,
  action: Action,
  format: FormatName,
  byTag: boolean,
  { near, far }: { readonly near: readonly Counts[]; readonly far: readonly Counts[] },
): Bound {
  if (action === "verify") {
    return { what: `round trips to ${what}`, measured: most(far, "roundTrips"), atMost: byTag ? 4 : 3 };
  }
  return { what: `requests to ${what}`, measured: most(near, "requests"), atMost: format === "cosign" ? 10 : 12 };
}

function most(counts: readonly Counts[], member: keyof Counts): number {
  return Math.max(...counts.map((count) => count[member]));
}

/** One number where all runs agree. */
function range(counts: readonly Counts[], member: keyof Counts): string {
  const least = Math.min(...counts.map((count) => count[member]));
  return least === most(counts, member) ? String(least) : `${least} to ${most(counts, member)}`;
}

function listTurns({ turns }: DelayingProxy): string {
  const first = Math.min(...turns.map(({ start }) => start));
  return [...turns]
    .sort((one, other) => one.start - other.start)
    .map(({ method, path, status, start, end }) => {
      const at = `${Math.round(start - first)}`.padStart(6);
      return `${at} +${`${Math.round(end - start)}`.padEnd(5)} ${status} ${method.padEnd(5)} ${path}`;
    })
    .join("\n");
}
