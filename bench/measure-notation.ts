import { writeFileSync } from "node:fs";
import path from "node:path";
import { mapConcurrently } from "../src/platform/parallel.ts";
import { pushImage } from "../test/interop/support/image.ts";
import { createNotaryPki, IDENTITY, SUBJECT } from "../test/interop/support/notary-pki.ts";
import { notationFolder, notationSign, notationVerify } from "../test/interop/support/notation.ts";
import { generateKey } from "../test/interop/support/pki.ts";
import { type Completed, run, temporaryFolder } from "../test/interop/support/run.ts";
import { program } from "./contenders.ts";
import { startDelayingProxy } from "./delaying-proxy.ts";
import type { BenchRegistry } from "./registries.ts";
import { type Bound, milliseconds, type Section } from "./results.ts";

const REPOSITORIES = 10;
const NOTATION_AT_A_TIME = 2;
const LEAST_RATIO = 5;
/** Where the ratio is held to its bound; without a delay the registry shares the machine, and its own work bounds both. */
const FAR = 50;
type Work = (action: "sign" | "verify", images: readonly string[]) => Promise<unknown>;

/**
 * One image, and many: ours in one run, notation in a run for each, two at a time. Both sign by one P-256 leaf under an intermediate, in
 * JWS, and verify by root and identity.
 */
export async function measureNotation(registries: readonly BenchRegistry[], count: number): Promise<Section> {
  const pki = await createNotaryPki("Bench");
  const leaf = await pki.issue(generateKey("p256"));
  const folder = temporaryFolder("bench");
  const trusting = notationFolder({ roots: pki.root, identity: IDENTITY });
  const file = (name: string, text: string) => {
    const target = path.join(folder, name);
    writeFileSync(target, text, { mode: 0o600 });
    return target;
  };
  const [key, certificate] = [file("leaf.key", leaf.key.privatePem), file("leaf.pem", leaf.certificate)];
  const [chain, root] = [file("chain.pem", leaf.issuers), file("root.pem", pki.root)];
  const flags = {
    sign: ["--format", "notation", "--key", key, "--certificate", certificate, "--certificate-chain", chain],
    verify: ["--ca-roots", root, "--certificate-subject", SUBJECT, "--format", "notation"],
  };
  const ours = (action: "sign" | "verify", images: readonly string[]) => {
    const list = file("images", `${images.join("\n")}\n`);
    const args = [program, action, ...flags[action], "--images", list];
    const env = { PATH: "/usr/bin:/bin", HOME: folder };
    return done(run(process.execPath, args, { env, timeout: 600_000 }));
  };
  const theirs = (action: "sign" | "verify", images: readonly string[]) =>
    mapConcurrently(images, NOTATION_AT_A_TIME, (image) =>
      done(
        action === "sign"
          ? notationSign({ image, key: leaf.key.privatePem, chain: leaf.chain, envelope: "jws" })
          : notationVerify(trusting, image),
      ),
    );

  const rows: string[][] = [];
  const bounds: Bound[] = [];
  for (const registry of registries) {
    const proxy = await startDelayingProxy(registry.host);
    for (const [size, roundTrip] of [
      [1, 0],
      [1, FAR],
      [count, 0],
      [count, FAR],
    ] as const) {
      proxy.reset(0);
      const name = `${registry.kind}-${size}-${roundTrip}`;
      const forUs = await fleet(proxy.host, `notation/ours-${name}`, size);
      const forThem = await fleet(proxy.host, `notation/theirs-${name}`, size);
      for (const action of ["sign", "verify"] as const) {
        const measure = async (work: Work, images: readonly string[]) => {
          proxy.reset(roundTrip);
          const start = performance.now();
          await work(action, images);
          return { time: performance.now() - start, requests: proxy.turns.length / size };
        };
        const us = await measure(ours, forUs);
        const them = await measure(theirs, forThem);
        const ratio = them.time / us.time;
        rows.push([
          ...[action, registry.kind, String(size), `${roundTrip} ms`, milliseconds(us.time), milliseconds(them.time)],
          ...[`${ratio.toFixed(1)} times`, us.requests.toFixed(1), them.requests.toFixed(1)],
        ]);
        if (size === 1 || action === "sign") continue;
        const what = `verify of ${size} on ${registry.kind}, ${roundTrip} ms`;
        if (roundTrip === FAR) {
          bounds.push({ what: `${what}, times faster than notation`, measured: ratio, atLeast: LEAST_RATIO });
        }
        bounds.push({
          what: `${what}, our requests less notation's`,
          measured: us.requests - them.requests,
          atMost: 0,
        });
      }
    }
    await proxy.close();
  }
  return {
    title: "Beside notation",
    note: `JWS by P-256 with a chain of three, in ${REPOSITORIES} repositories. Ours: one run for all; \`sign\` includes reading back and verifying. notation: a run for each image, ${NOTATION_AT_A_TIME} at a time. Requests are for each image.`,
    head: ["", "registry", "images", "round trip", "ours", "notation", "faster", "our requests", "notation's"],
    rows,
    bounds,
  };
}

async function done(running: Promise<Completed>): Promise<void> {
  const { exitCode, stdout, stderr } = await running;
  if (exitCode !== 0) throw new Error(`a measured program ended in ${exitCode}:\n${stderr}${stdout.slice(0, 2000)}`);
}

function fleet(host: string, prefix: string, count: number): Promise<readonly string[]> {
  const images = Array.from({ length: count }, (_, index) => index);
  return mapConcurrently(images, 8, async (index) => {
    const repository = `${prefix}/app-${index % REPOSITORIES}`;
    return (await pushImage(host, repository, `${prefix} ${index}`)).reference;
  });
}
