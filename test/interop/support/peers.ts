import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";

/** The real programs that tests run against; `scripts/peers.sh` installs each. */
export const PEERS = [
  "cosign",
  "notation",
  "timestamp-server",
  "image-policy",
  "act",
  "gitlab-ci-local",
  "make",
  "rsync",
  "docker-registry",
  "skopeo",
  "gpg",
  "openssl",
  "softhsm2-util",
  "pkcs11-tool",
  "node22",
  "node24",
] as const;
export type PeerName = (typeof PEERS)[number];

/** Pinned to one version: found in the peers folder alone, so that another version on PATH is never tested by mistake. */
const pinned: ReadonlySet<PeerName> = new Set([
  "cosign",
  "notation",
  "timestamp-server",
  "image-policy",
  "act",
  "gitlab-ci-local",
  "node22",
  "node24",
]);

/** Path of a peer's program, or undefined when it is not installed. */
export function peer(name: PeerName): string | undefined {
  const cache = process.env["COUNTERSIGN_PEERS"] || path.join(homedir(), ".cache", "countersign", "peers");
  const folders = [path.join(cache, "bin"), ...(pinned.has(name) ? [] : (process.env["PATH"] ?? "").split(":"))];
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

/** Like `peer`, for code that runs only where the peer is there. */
export function requirePeer(name: PeerName): string {
  const found = peer(name);
  if (found === undefined) throw new Error(missing([name]));
  return found;
}

/**
 * `describe` for tests that need peers. Where one is missing the tests are skipped with a warning that names it; with
 * CI set in the environment that is a failure.
 */
export function describeWithPeer(needs: PeerName | readonly PeerName[], title: string, tests: () => void): void {
  const absent = [needs].flat().filter((name) => peer(name) === undefined);
  if (absent.length === 0) {
    describe(title, tests);
  } else if (process.env["CI"]) {
    describe(title, () => {
      it(`has ${absent.join(" and ")}`, () => expect.fail(missing(absent)));
    });
  } else {
    console.warn(`SKIPPED "${title}": ${missing(absent)}`);
    describe.skip(`${title} (${absent.join(", ")} missing)`, tests);
  }
}

function missing(names: readonly PeerName[]): string {
  return `${names.join(" and ")} not installed: run scripts/peers.sh`;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
