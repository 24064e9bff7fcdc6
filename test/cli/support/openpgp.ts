import path from "node:path";
import type { ExitCode } from "../../../src/model/error-codes.ts";
import { createNodeHost } from "../../../src/platform/node-host.ts";
import type { Gpg } from "../../interop/support/gpg.ts";
import { requirePeer } from "../../interop/support/peers.ts";
import { type Completed, run } from "../../interop/support/run.ts";
import { runCaptured } from "../../support/run-captured.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

/** Runs the command line in this process, by the machine's own clock: gpg and skopeo, which judge the same keys, know no other. */
export async function runByClock(
  args: readonly string[],
  { env, stdin = "" }: { readonly env: Readonly<Record<string, string>>; readonly stdin?: string },
): Promise<{ readonly exit: ExitCode; readonly out: string; readonly said: string }> {
  const readStdin = async () => Buffer.from(stdin);
  const host = { ...createNodeHost(), env, homeDirectory: temporaryFolder(), readStdin };
  const { exit, stdout, stderr } = await runCaptured(args, host);
  return { exit, out: stdout, said: stdout + stderr };
}

/** Runs skopeo with the keys of a GnuPG home. */
export function runSkopeo(gpg: Gpg, ...args: readonly string[]): Promise<Completed> {
  return run(requirePeer("skopeo"), args, { env: { GNUPGHOME: gpg.home, PATH: "/usr/bin:/bin", HOME: gpg.home } });
}

/** What skopeo makes of a signature in `file` over the manifest.json in that home. */
export function standaloneVerify(gpg: Gpg, reference: string, fingerprint: string, file: string): Promise<Completed> {
  return runSkopeo(gpg, "standalone-verify", path.join(gpg.home, "manifest.json"), reference, fingerprint, file);
}
