import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { requirePeer } from "./peers.ts";
import { temporaryFolder } from "./run.ts";

/** Debian's docker-registry (distribution 2.8: no referrers API) on loopback. */
export interface DockerRegistry {
  /** `127.0.0.1:PORT`, as image references begin. */
  readonly host: string;
  /** What it has logged so far. */
  log(): string;
  stop(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts one with storage of its own, deletion allowed; resolves once it answers. */
export async function startDockerRegistry(): Promise<DockerRegistry> {
  const folder = temporaryFolder("docker-registry");
  const configuration = path.join(folder, "config.yml");
  const logFile = path.join(folder, "log");
  writeFileSync(configuration, configure(path.join(folder, "storage")));
  const log = openSync(logFile, "a");
  const child = spawn(requirePeer("docker-registry"), ["serve", configuration], {
    env: { HOME: folder },
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  running.add(child);
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => resolve());
  });
  const readLog = () => readFileSync(logFile, "utf8");
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
    running.delete(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return { host: await listening(child, readLog), log: readLog, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Port 0: the kernel picks a free one, the log tells which, and no other process can take it in between. */
function configure(storage: string): string {
  const settings = {
    version: "0.1",
    log: { level: "info", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: storage },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr: "127.0.0.1:0", secret: "countersign-tests" },
  };
  // JSON is YAML; this registry wants the version unquoted.
  return JSON.stringify(settings).replace('"0.1"', "0.1");
}

async function listening(child: ChildProcess, log: () => string): Promise<string> {
  for (let waited = 0; waited < 10_000; waited += 25) {
    const host = /listening on (127\.0\.0\.1:\d+)/.exec(log())?.[1];
    if (host !== undefined && (await answers(host))) return host;
    if (child.exitCode !== null) break;
    await sleep(25);
  }
  throw new Error(`docker-registry did not start:\n${log()}`);
}

async function answers(host: string): Promise<boolean> {
  try {
    return (await fetch(`http://${host}/v2/`)).ok;
  } catch {
    return false;
  }
}
