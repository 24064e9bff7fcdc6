import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, type as systemType } from "node:os";
import { parseArgs } from "node:util";
import { runCosign } from "../test/interop/support/cosign.ts";
import { requirePeer } from "../test/interop/support/peers.ts";
import { run } from "../test/interop/support/run.ts";
import { createContenders, program } from "./contenders.ts";
import { measureBulk } from "./measure-bulk.ts";
import { measureLatency } from "./measure-latency.ts";
import { measureNotation } from "./measure-notation.ts";
import { measureLargePromotion, measureManyPromotions } from "./measure-promotion.ts";
import { measureRequests } from "./measure-requests.ts";
import { measureSigningService } from "./measure-signing-service.ts";
import { measureStartUp } from "./measure-start-up.ts";
import { startRegistries } from "./registries.ts";
import { describeBound, holds, renderSection, type Section } from "./results.ts";

const RESULTS = "bench/RESULTS.md";
const parts = [
  "requests",
  "latency",
  "bulk",
  "notation",
  "large-promotion",
  "many-promotions",
  "signing-service",
  "start-up",
] as const;
const usage = `node bench/run.mjs [--quick] [--verbose] [PART]…

Measures dist/ beside cosign on one registry and writes bench/RESULTS.md. Ends in 1 when a bound is broken.

  --quick     50 images and few repeats; writes nothing
  PART        one of ${parts.join(", ")}, and no other: its section alone is written anew
  --verbose   lists the requests of each command
`;

type Part = (typeof parts)[number];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const only = positionals.length === 0 ? undefined : positionals;
const unknown = only?.find((name) => !parts.some((part) => part === name));
if (values.help || unknown !== undefined) {
  console.log(usage);
  process.exit(values.help ? 0 : 2);
}
if (!existsSync(program)) {
  console.error("dist/ is missing: npm run build");
  process.exit(2);
}

const { quick, verbose } = values;
const registries = await startRegistries();
const contenders = await createContenders();
const [dockerRegistry, embedded] = registries;
if (dockerRegistry === undefined || embedded === undefined) throw new Error("no registry was started");

const measures: Record<Part, () => Promise<Section>> = {
  requests: () => measureRequests(registries, contenders, verbose),
  latency: () => measureLatency(registries, contenders, quick ? 3 : 11),
  bulk: () => measureBulk(dockerRegistry, contenders, quick ? 50 : 500, quick ? 1 : 3),
  notation: () => measureNotation(registries, quick ? 50 : 200),
  "large-promotion": () => measureLargePromotion(quick ? 1 : 3),
  "many-promotions": () => measureManyPromotions(quick ? 1 : 3),
  "signing-service": () => measureSigningService(embedded, quick ? 50 : 200, quick ? 1 : 5),
  "start-up": () => measureStartUp(contenders, quick ? 7 : 41),
};

const sections: Section[] = [];
for (const part of parts) {
  if (only !== undefined && !only.includes(part)) continue;
  const section = await measures[part]();
  sections.push(section);
  console.log(`${renderSection(section)}\n`);
}
for (const registry of registries) await registry.stop();

if (!quick) writeFileSync(RESULTS, await document(sections.map(renderSection)));
const broken = sections.flatMap(({ bounds }) => bounds).filter((bound) => !holds(bound));
for (const bound of broken) console.error(describeBound(bound));
process.exit(broken.length > 0 ? 1 : 0);

/** The intro, then every section: those measured now, in the place of those of an earlier run. */
async function document(measured: readonly string[]): Promise<string> {
  const [cosign, registry] = [
    /GitVersion:\s*(\S+)/.exec((await runCosign(["version"])).stdout)?.[1],
    /v?\d[\w.+~-]*/.exec((await run(requirePeer("docker-registry"), ["--version"], { env: {} })).stdout)?.[0],
  ];
  const machine = `${availableParallelism()} cores, ${systemType()}, Node ${process.version}`;
  const intro = `# Results

Made by \`npm run build && node bench/run.mjs\`, or a part of it at a time, on ${machine}, against cosign ${cosign} and docker-registry ${registry}.
The command ends in an error when a bound below is broken.`;
  const [, ...earlier] = existsSync(RESULTS)
    ? readFileSync(RESULTS, "utf8")
        .trimEnd()
        .split(/\n\n(?=## )/)
    : [];
  const kept = new Map([...earlier, ...measured].map((section) => [section.slice(0, section.indexOf("\n")), section]));
  return `${[intro, ...kept.values()].join("\n\n")}\n`;
}
