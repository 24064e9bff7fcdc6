import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cosignImportKey } from "../test/interop/support/cosign.ts";
import { requirePeer } from "../test/interop/support/peers.ts";
import { generateKey } from "../test/interop/support/pki.ts";
import { type Completed, run, temporaryFolder } from "../test/interop/support/run.ts";
import { program, tellPeak } from "./contenders.ts";

/** What promotes: this program, and skopeo in two ways. */
export interface Promoters {
  /** Signs, the signature in cosign's tag, which skopeo can copy as an image. */
  sign(images: readonly string[]): Promise<void>;
  /** One run for all pairs; resolves to the most memory it held, in bytes. */
  promote(pairs: readonly (readonly [string, string])[]): Promise<number>;
  skopeoCopy(from: string, to: string): Promise<void>;
  /** One run for these tags of `source`; they come into `HOST/sync/` of the destination. */
  skopeoSync(tags: Readonly<Record<string, readonly string[]>>, destination: string): Promise<void>;
}

export async function createPromoters(source: string): Promise<Promoters> {
  const folder = temporaryFolder("bench-promotion");
  const file = (name: string, text: string) => {
    const target = path.join(folder, name);
    writeFileSync(target, text, { mode: 0o600 });
    return target;
  };
  const pem = generateKey("p256").privatePem;
  const privateKey = file("signing.key", pem);
  const publicKey = file("cosign.pub", (await cosignImportKey(pem)).publicKey);
  const env = { PATH: "/usr/bin:/bin", HOME: folder };
  const timeout = 600_000;
  const here = (args: readonly string[]) => run(process.execPath, args, { env, timeout }).then(succeeded);
  const skopeo = (args: readonly string[]) =>
    run(requirePeer("skopeo"), ["--insecure-policy", ...args], { env, timeout }).then(succeeded);
  mkdirSync(path.join(folder, "registries.d"));
  file("registries.d/signatures.yaml", "default-docker:\n  use-sigstore-attachments: true\n");
  const plainHttp = ["--src-tls-verify=false", "--dest-tls-verify=false"];

  return {
    async sign(images) {
      const list = file("images", `${images.join("\n")}\n`);
      await here([program, "sign", "--key", privateKey, "--format", "cosign", "--images", list]);
    },
    async promote(pairs) {
      const peakFile = path.join(folder, "peak");
      const list = file("pairs", pairs.map(([from, to]) => `${from} ${to}\n`).join(""));
      const args = ["promote", "--key", publicKey, "--output", "json", "--images", list];
      const { stdout } = await here(["--import", tellPeak(peakFile), program, ...args]);
      const { images } = JSON.parse(stdout) as { images: { status: string }[] };
      const promoted = images.filter(({ status }) => status === "promoted");
      if (promoted.length !== pairs.length) throw new Error(`${promoted.length} of ${pairs.length} were promoted`);
      return Number(readFileSync(peakFile, "utf8"));
    },
    async skopeoCopy(from, to) {
      await skopeo([
        "--registries.d",
        path.join(folder, "registries.d"),
        "copy",
        "--all",
        "--preserve-digests",
        "--quiet",
        ...plainHttp,
        `docker://${from}`,
        `docker://${to}`,
      ]);
    },
    async skopeoSync(tags, destination) {
      const images = Object.entries(tags).map(([repository, names]) => `    ${repository}: [${names.join(", ")}]\n`);
      const list = file("sync.yaml", `"${source}":\n  tls-verify: false\n  images:\n${images.join("")}`);
      await skopeo([
        "sync",
        "--all",
        "--preserve-digests",
        ...plainHttp,
        "--src",
        "yaml",
        "--dest",
        "docker",
        list,
        `${destination}/sync`,
      ]);
    },
  };
}

function succeeded(done: Completed): Completed {
  if (done.exitCode === 0) return done;
  throw new Error(`a measured program ended in ${done.exitCode}:\n${done.stderr}${done.stdout.slice(0, 2000)}`);
}
