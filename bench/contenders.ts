import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cosignImportKey, cosignPassword, cosignSign, cosignVerify } from "../test/interop/support/cosign.ts";
import { generateKey } from "../test/interop/support/pki.ts";
import { type Completed, run, temporaryFolder } from "../test/interop/support/run.ts";

export const FORMATS = ["cosign", "bundle"] as const;
export type FormatName = (typeof FORMATS)[number];
export type Action = "sign" | "verify";

/** `dist/index.js`: what is released is what is measured. */
export const program = path.resolve("dist", "index.js");

/** A run of a program that did what it should. */
export interface Run {
  /** From the start of the process to its end. */
  readonly milliseconds: number;
}

/** Ours and the peer, each by its own command line, with one P-256 key in cosign's encrypted form. */
export interface Contenders {
  /** `image`: `host/repository`, with tag or digest. */
  ours(action: Action, format: FormatName, image: string): Promise<Run>;
  /** One run for many images; `peak` is the most memory it held, in bytes. */
  oursAll(action: Action, format: FormatName, images: readonly string[]): Promise<Run & { readonly peak: number }>;
  cosign(action: Action, format: FormatName, image: string): Promise<Run>;
  readonly publicKeyFile: string;
}

export async function createContenders(): Promise<Contenders> {
  const folder = temporaryFolder("bench");
  const key = await cosignImportKey(generateKey("p256").privatePem);
  const file = (name: string, text: string) => {
    const target = path.join(folder, name);
    writeFileSync(target, text, { mode: 0o600 });
    return target;
  };
  const keyFile = { sign: file("cosign.key", key.privateKey), verify: file("cosign.pub", key.publicKey) };
  const flags = (action: Action, format: FormatName) => [
    ...[action, "--key", keyFile[action], "--output", "json"],
    ...(action === "sign" ? ["--format", format] : []),
  ];
  const env = { PATH: "/usr/bin:/bin", HOME: folder, COSIGN_PASSWORD: cosignPassword };

  return {
    publicKeyFile: keyFile.verify,
    ours: (action, format, image) =>
      timed(() => run(process.execPath, [program, ...flags(action, format), image], { env })),
    async oursAll(action, format, images) {
      const peakFile = path.join(folder, "peak");
      const list = file("images", `${images.join("\n")}\n`);
      const args = ["--import", tellPeak(peakFile), program, ...flags(action, format), "--images", list];
      const timeout = 600_000;
      const done = await timed(() => run(process.execPath, args, { env, timeout }), images.length);
      return { ...done, peak: Number(readFileSync(peakFile, "utf8")) };
    },
    cosign: (action, format, image) =>
      timed(() =>
        action === "sign"
          ? cosignSign({ image, format, key: key.privateKey })
          : cosignVerify({ image, format, trust: { key: key.publicKey } }),
      ),
  };
}

/** Fails when the program does, or when it reports on another number of images: a quick refusal is no result. */
async function timed(work: () => Promise<Completed>, images?: number): Promise<Run> {
  const start = performance.now();
  const { exitCode, stdout, stderr } = await work();
  const milliseconds = performance.now() - start;
  if (exitCode !== 0) throw new Error(`a measured program ended in ${exitCode}:\n${stderr}${stdout.slice(0, 2000)}`);
  if (images !== undefined) {
    const report = JSON.parse(stdout) as { images: unknown[] };
    if (report.images.length !== images) throw new Error(`${report.images.length} images reported, not ${images}`);
  }
  return { milliseconds };
}

/**
 * A module that writes a process's peak memory to a file as it ends. Linux keeps it for the program alone; what
 * `resourceUsage` tells includes the process that it was forked from.
 */
export function tellPeak(target: string): string {
  const source = `
    import { readFileSync, writeFileSync } from "node:fs";
    process.once("exit", () => {
      const [, kilobytes] = /^VmHWM:\\s*(\\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
      writeFileSync(${JSON.stringify(target)}, String(kilobytes * 1024));
    });`;
  return `data:text/javascript,${encodeURIComponent(source)}`;
}
