import { mkdtempSync } from "node:fs";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { requirePeer } from "./peers.ts";
import { run } from "./run.ts";

/** Whether skopeo copies an image, `docker://HOST/NAME:TAG`, under a policy; throws where it fails for another reason. */
export async function skopeoAllows(policy: string, image: string, registriesD: string): Promise<boolean> {
  const folder = temporaryFolder();
  const to = mkdtempSync(`${folder}/copy-`);
  const argv = [
    "--policy",
    policy,
    "--registries.d",
    registriesD,
    "copy",
    "--src-tls-verify=false",
    image,
    `dir:${to}`,
  ];
  const { exitCode, stderr } = await run(requirePeer("skopeo"), argv, { env: { PATH: "/usr/bin:/bin", HOME: folder } });
  if (exitCode !== 0 && !/Source image rejected/.test(stderr)) throw new Error(stderr);
  return exitCode === 0;
}
