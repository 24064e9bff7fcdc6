import { mapConcurrently } from "../src/platform/parallel.ts";
import { type DockerRegistry, startDockerRegistry } from "../test/interop/support/docker-registry.ts";
import { pushImage } from "../test/interop/support/image.ts";
import { startDelayingProxy } from "./delaying-proxy.ts";
import { LAYER, LAYERS, pushLarge } from "./large-image.ts";
import { createPromoters, type Promoters } from "./promoters.ts";
import { type Bound, milliseconds, type Section } from "./results.ts";
import { alternate } from "./statistics.ts";

const MiB = 1024 * 1024;
const SMALL_IMAGES = 200;
const SKOPEO_AT_A_TIME = 2;

const MOST_OF_SKOPEO = 1.15;
const MOST_MEMORY = 150;
const LEAST_RATIO = 3;
/** Added to each turn of both registries, for the measurement from afar. Milliseconds. */
const FAR = 50;
/** Of the small images, those that skopeo copies from afar; its time is scaled to all of them. */
const FAR_SKOPEO_RUNS = 40;

const TERMS =
  "Between two docker-registry processes on this machine; every copy goes into an empty registry. Both bring the signatures; ours verifies each image by key at the source and at the destination, skopeo, whose Debian build has no sigstore, verifies nothing.";
const HEAD = ["", "ours", "skopeo", "ratio", "our peak memory"];

/** A large image between two registries and within one, beside skopeo. */
export async function measureLargePromotion(times: number): Promise<Section> {
  return withSource(async (source, tools) => {
    const large = await measureLarge(source, tools, times);
    const within = await measureWithin(source, tools);
    return {
      title: "Promotion of a large image",
      note: `${TERMS} Medians of ${times} alternating runs.`,
      head: HEAD,
      rows: [large.row, within.row],
      bounds: [...large.bounds, ...within.bounds],
    };
  });
}

/** Many small images, in one run of ours, beside as many runs of skopeo and one `skopeo sync`. */
export async function measureManyPromotions(times: number): Promise<Section> {
  return withSource(async (source, tools) => {
    const images = await prepareMany(source, tools);
    const many = await measureMany(source, tools, images, times);
    const far = await measureFar(source, tools, images);
    return {
      title: `Promotion of ${SMALL_IMAGES} small images`,
      note: `${TERMS} Medians of ${times} alternating runs, one run from afar; skopeo runs go ${SKOPEO_AT_A_TIME} at a time, from afar ${FAR_SKOPEO_RUNS} of them, scaled. Without added delay both registries share two cores with the programs and are what is waited for: the bound is held from afar, as for the 500 images.`,
      head: HEAD,
      rows: [...many.rows, far.row],
      bounds: [...many.bounds, ...far.bounds],
    };
  });
}

async function withSource(work: (source: DockerRegistry, tools: Promoters) => Promise<Section>): Promise<Section> {
  const source = await startDockerRegistry();
  try {
    return await work(source, await createPromoters(source.host));
  } finally {
    await source.stop();
  }
}

interface Measured {
  readonly row: readonly string[];
  readonly bounds: readonly Bound[];
}

async function measureLarge(source: DockerRegistry, tools: Promoters, times: number): Promise<Measured> {
  const image = `${source.host}/large/app:1`;
  await pushLarge(source.host, "large/app", "1");
  await tools.sign([image]);
  let peak = 0;
  const [ours = 0, peer = 0] = await alternate(times, [
    () =>
      intoEmpty(async (host) => {
        peak = Math.max(peak, await tools.promote([[image, `${host}/large/app:1`]]));
      }),
    () => intoEmpty((host) => tools.skopeoCopy(image, `${host}/large/app:1`)),
  ]);
  const what = `promotion of ${(LAYERS * LAYER) / MiB} MiB`;
  return {
    row: [
      `1 GiB in ${LAYERS} layers`,
      milliseconds(ours),
      milliseconds(peer),
      (ours / peer).toFixed(2),
      `${Math.round(peak / MiB)} MiB`,
    ],
    bounds: [
      { what: `${what}, of the time of skopeo copy --all`, measured: ours / peer, atMost: MOST_OF_SKOPEO },
      { what: `${what}, peak MiB`, measured: Math.round(peak / MiB), atMost: MOST_MEMORY },
    ],
  };
}

/** From one repository of a registry to another: what passes is counted in between. */
async function measureWithin(source: DockerRegistry, tools: Promoters): Promise<Measured> {
  const proxy = await startDelayingProxy(source.host);
  try {
    const start = performance.now();
    await tools.promote([[`${proxy.host}/large/app:1`, `${proxy.host}/large/promoted:1`]]);
    const time = performance.now() - start;
    const layers = proxy.turns.filter(({ bytes }) => bytes >= MiB);
    const moved = proxy.turns.reduce((sum, { bytes }) => sum + bytes, 0);
    const layerBytes = layers.reduce((sum, { bytes }) => sum + bytes, 0);
    return {
      row: [`the same within one registry, ${moved} bytes moved`, milliseconds(time), "", "", ""],
      bounds: [{ what: "layer bytes moved within one registry", measured: layerBytes, atMost: 0 }],
    };
  } finally {
    await proxy.close();
  }
}

interface SmallImages {
  readonly repository: string;
  readonly tags: readonly string[];
  /** References at the source, one a tag. */
  readonly images: readonly string[];
  readonly signatureTags: readonly string[];
}

async function prepareMany(source: DockerRegistry, tools: Promoters): Promise<SmallImages> {
  const tags = Array.from({ length: SMALL_IMAGES }, (_, index) => `v${index}`);
  const repository = "many/app";
  const pushed = await mapConcurrently(tags, 8, (tag) => pushImage(source.host, repository, tag, tag));
  const signatureTags = pushed.map(({ digest }) => `${digest.replace(":", "-")}.sig`);
  const images = tags.map((tag) => `${source.host}/${repository}:${tag}`);
  await tools.sign(images);
  return { repository, tags, images, signatureTags };
}

async function measureMany(
  source: DockerRegistry,
  tools: Promoters,
  { repository, tags, images, signatureTags }: SmallImages,
  times: number,
): Promise<{ rows: string[][]; bounds: Bound[] }> {
  const into = (host: string, image: string) => image.replace(source.host, host);
  let peak = 0;
  const [ours = 0, runs = 0, sync = 0] = await alternate(times, [
    () =>
      intoEmpty(async (host) => {
        const pairs = images.map((image) => [image, into(host, image)] as const);
        peak = Math.max(peak, await tools.promote(pairs));
      }),
    () =>
      intoEmpty(async (host) => {
        await mapConcurrently(images, SKOPEO_AT_A_TIME, (image) => tools.skopeoCopy(image, into(host, image)));
      }),
    () => intoEmpty((host) => tools.skopeoSync({ [repository]: [...tags, ...signatureTags] }, host)),
  ]);
  const row = (name: string, peer: number) => [
    `${SMALL_IMAGES} small images, ${name}`,
    milliseconds(ours),
    milliseconds(peer),
    (ours / peer).toFixed(2),
    `${Math.round(peak / MiB)} MiB`,
  ];
  const what = `promotion of ${SMALL_IMAGES} small images`;
  return {
    rows: [row(`${SMALL_IMAGES} runs of skopeo copy`, runs), row("one skopeo sync", sync)],
    bounds: [
      { what: `${what}, of the time of one skopeo sync`, measured: ours / sync, atMost: 1 },
      { what: `${what}, peak MiB`, measured: Math.round(peak / MiB), atMost: MOST_MEMORY },
    ],
  };
}

/** The small images once more, with both registries far away. */
async function measureFar(source: DockerRegistry, tools: Promoters, { images }: SmallImages): Promise<Measured> {
  const near = await startDelayingProxy(source.host);
  near.reset(FAR);
  const pairsTo = (host: string) =>
    images.map((image) => {
      const [, path = ""] = image.split(`${source.host}/`);
      return [`${near.host}/${path}`, `${host}/${path}`] as const;
    });
  const far = (work: (pairs: readonly (readonly [string, string])[]) => Promise<void>) =>
    intoEmpty(async (host) => {
      const proxy = await startDelayingProxy(host);
      proxy.reset(FAR);
      try {
        await work(pairsTo(proxy.host));
      } finally {
        await proxy.close();
      }
    });
  try {
    let peak = 0;
    const ours = await far(async (pairs) => {
      peak = await tools.promote(pairs);
    });
    const sample = await far(async (pairs) => {
      await mapConcurrently(pairs.slice(0, FAR_SKOPEO_RUNS), SKOPEO_AT_A_TIME, ([from, to]) =>
        tools.skopeoCopy(from, to),
      );
    });
    const runs = (sample * images.length) / FAR_SKOPEO_RUNS;
    const name = `${images.length} small images, ${FAR} ms round trips, as many runs of skopeo copy`;
    return {
      row: [name, milliseconds(ours), milliseconds(runs), (ours / runs).toFixed(2), `${Math.round(peak / MiB)} MiB`],
      bounds: [
        {
          what: `promotion of ${images.length} small images at ${FAR} ms, times faster than as many skopeo runs`,
          measured: runs / ours,
          atLeast: LEAST_RATIO,
        },
      ],
    };
  } finally {
    await near.close();
  }
}

/** Milliseconds that `work` takes with a registry that was empty; starting it is not counted. */
async function intoEmpty(work: (host: string) => Promise<void>): Promise<number> {
  const destination = await startDockerRegistry();
  try {
    const start = performance.now();
    await work(destination.host);
    return performance.now() - start;
  } finally {
    await destination.stop();
  }
}
