import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { requirePeer } from "./peers.ts";
import { type Completed, run } from "./run.ts";

/** A GnuPG home of its own, with its agent; both gone after `close`. */
export interface Gpg {
  readonly home: string;
  /** A file in it, of these bytes. */
  file(name: string, content: string | Uint8Array): string;
  read(name: string): Uint8Array;
  /** Runs gpg to its end, whatever that is. */
  run(...args: readonly string[]): Promise<Completed>;
  /** Runs gpg to its good end. */
  do(...args: readonly string[]): Promise<string>;
  /** Makes a key that does nothing but sign; gives its fingerprint. */
  generate(userId: string, algorithm: string, options?: { expires?: string; passphrase?: string }): Promise<string>;
  exportPublic(...fingerprints: readonly string[]): Promise<string>;
  exportSecret(fingerprint: string, passphrase?: string): Promise<string>;
  close(): Promise<void>;
}

/** Short, as the agent's socket stands in it. */
export function openGpg(): Gpg {
  const home = mkdtempSync(path.join(tmpdir(), "g-"));
  const env = { GNUPGHOME: home, PATH: "/usr/bin:/bin", HOME: home };
  const file = (name: string, content: string | Uint8Array) => {
    const place = path.join(home, name);
    writeFileSync(place, content, { mode: 0o600 });
    return place;
  };
  const start = (...args: readonly string[]) =>
    run(requirePeer("gpg"), ["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", ...args], { env });
  const well = async (...args: readonly string[]) => {
    const ended = await start(...args);
    if (ended.exitCode !== 0) throw new Error(`gpg ${args.join(" ")}: ${ended.stderr}`);
    return ended.stdout;
  };
  return {
    home,
    file,
    read: (name) => readFileSync(path.join(home, name)),
    run: start,
    do: well,
    async generate(userId, algorithm, { expires = "never", passphrase = "" } = {}) {
      await well("--passphrase", passphrase, "--quick-generate-key", userId, algorithm, "sign", expires);
      return fingerprintIn(await well("--with-colons", "--list-keys", `=${userId}`));
    },
    exportPublic: (...fingerprints) => well("--armor", "--export", ...fingerprints),
    exportSecret: (fingerprint, passphrase = "") =>
      well("--passphrase", passphrase, "--armor", "--export-secret-keys", fingerprint),
    async close() {
      await run("/usr/bin/gpgconf", ["--homedir", home, "--kill", "all"], { env });
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function fingerprintIn(listing: string): string {
  const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(listing)?.[1];
  if (fingerprint === undefined) throw new Error(`no fingerprint in: ${listing}`);
  return fingerprint;
}
