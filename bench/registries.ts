import { startDockerRegistry } from "../test/interop/support/docker-registry.ts";
import { startProcess } from "./processes.ts";

/** A registry in a process of its own. */
export interface BenchRegistry {
  readonly kind: "docker-registry" | "embedded";
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  stop(): Promise<void>;
}

/** Debian's docker-registry, which has no referrers API, and the embedded registry, which has it. */
export async function startRegistries(): Promise<readonly BenchRegistry[]> {
  const { host, stop } = await startDockerRegistry();
  return [{ kind: "docker-registry", host, stop }, await startEmbeddedRegistry()];
}

async function startEmbeddedRegistry(): Promise<BenchRegistry> {
  const { line: host, stop } = await startProcess("embedded-process.mjs");
  return { kind: "embedded", host, stop };
}
