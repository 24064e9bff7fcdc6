import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ExitCode } from "../../../src/model/error-codes.ts";
import { createNodeHost } from "../../../src/platform/node-host.ts";
import type { VerifyReport } from "../../../src/reports/report.ts";
import { type PushedImage, pushImage, storageSink } from "../../support/images.ts";
import { runCaptured } from "../../support/run-captured.ts";
import { type StartedRegistry, startRegistry } from "../../support/start-registry.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { makeKey } from "../../trust/support/pki.ts";
import { keyPem, publicKeyPem } from "./keys.ts";

/** A registry, a lookaside folder, and keys that sign for both podman and cosign; the clock is the machine's. */
export interface SimpleSigning {
  readonly registry: StartedRegistry;
  readonly host: string;
  readonly registriesD: string;
  readonly lookaside: string;
  /** Public key blocks, and a public key in PEM: of who signs, and of a stranger. */
  readonly keys: { readonly release: string; readonly stranger: string; readonly cosign: string };
  /** Files with the secret keys of both. */
  readonly secrets: { readonly release: string; readonly stranger: string };
  file(name: string, content: string): string;
  push(name: string, options?: Parameters<typeof pushImage>[1]): Promise<PushedImage>;
  /** Signs an image of this registry; `claims` is the reference inside the signature. */
  signOpenPgp(image: string, claims?: string, by?: "release" | "stranger"): Promise<void>;
  signCosign(image: string, claims: string): Promise<void>;
  run(args: readonly string[]): Promise<{ readonly exit: ExitCode; readonly stdout: string; readonly stderr: string }>;
  /** What `verify --policy` makes of an image. */
  verify(
    policy: unknown,
    image: string,
    ...flags: readonly string[]
  ): Promise<{ exit: ExitCode; report: VerifyReport }>;
  close(): Promise<void>;
}

export async function startSimpleSigning(): Promise<SimpleSigning> {
  const registry = await startRegistry();
  const { host } = registry;
  const folder = temporaryFolder();
  const [registriesD, lookaside] = [path.join(folder, "registries.d"), path.join(folder, "lookaside")];
  for (const each of [registriesD, lookaside]) mkdirSync(each);
  const file = (name: string, content: string) => {
    const place = path.join(folder, name);
    writeFileSync(place, content, { mode: 0o600 });
    return place;
  };
  const section = `{"lookaside": "file://${lookaside}", "use-sigstore-attachments": true}`;
  writeFileSync(path.join(registriesD, "all.yaml"), `docker: {"${host}": ${section}}\n`);
  const [release, stranger] = await Promise.all([openPgpKey("Release"), openPgpKey("Stranger")]);
  const secrets = { release: file("release.key", release.secret), stranger: file("stranger.key", stranger.secret) };
  const cosign = makeKey("p256");
  const cosignKey = file("cosign.key", keyPem(cosign));

  const run: SimpleSigning["run"] = (args) =>
    runCaptured(args, { ...createNodeHost(), env: { PATH: "" }, homeDirectory: folder });
  const well = async (args: readonly string[]) => {
    const { exit, stdout, stderr } = await run(args);
    if (exit !== 0) throw new Error(`${args.join(" ")} ended with ${exit}: ${stdout}${stderr}`);
  };
  let policies = 0;
  return {
    registry,
    host,
    registriesD,
    lookaside,
    keys: {
      release: file("release.asc", release.public),
      stranger: file("stranger.asc", stranger.public),
      cosign: file("cosign.pub", publicKeyPem(cosign)),
    },
    secrets,
    file,
    push: (name, options) => pushImage(storageSink(registry.storage, name), options),
    async signOpenPgp(image, claims, by = "release") {
      const identity = claims === undefined ? [] : ["--sign-identity", claims];
      const where = ["--registries-d", registriesD];
      await well(["sign", "--format", "openpgp", "--key", secrets[by], ...identity, ...where, image]);
    },
    signCosign: (image, claims) => well(["sign", "--key", cosignKey, "--sign-container-identity", claims, image]),
    run,
    async verify(policy, image, ...flags) {
      const document = file(`policy-${++policies}.json`, JSON.stringify(policy));
      const where = ["--registries-d", registriesD];
      const { exit, stdout, stderr } = await run([
        ...["verify", "--output", "json", "--policy", document, ...where, ...flags, image],
      ]);
      if (stdout === "") throw new Error(stderr);
      return { exit, report: JSON.parse(stdout) as VerifyReport };
    },
    close: () => registry.close(),
  };
}

/** RSA, which every reader reads, and no subkey. */
async function openPgpKey(name: string) {
  const { generateKey } = await import("openpgp");
  const date = new Date(Date.now() - 86_400_000);
  const userIDs = [{ name, email: `${name.toLowerCase()}@example.com` }];
  const made = await generateKey({ type: "rsa", rsaBits: 2048, userIDs, subkeys: [], date, format: "armored" });
  return { secret: made.privateKey, public: made.publicKey };
}
