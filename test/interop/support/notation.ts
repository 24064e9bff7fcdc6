/**
 * notation 1.3.2 by the command lines that need nothing but a folder of configuration. Each `notationFolder` has its own keys,
 * trust store and trust policy; what this machine has under its user's home is never read.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { requirePeer } from "./peers.ts";
import { type Completed, run, temporaryFolder } from "./run.ts";

export type NotationEnvelope = "jws" | "cose";

export interface NotationTrust {
  /** PEM, of the store `ca:test`. */
  readonly roots: string;
  /** `x509.subject: …` or `*`. */
  readonly identity?: string;
  readonly level?: "strict" | "permissive" | "audit";
}

/** A configuration folder that trusts these roots for every repository. */
export function notationFolder({ roots, identity = "*", level = "strict" }: NotationTrust): string {
  const folder = temporaryFolder("notation");
  const store = path.join(folder, "truststore", "x509", "ca", "test");
  mkdirSync(store, { recursive: true });
  writeFileSync(path.join(store, "roots.pem"), roots);
  const policy = {
    name: "test",
    registryScopes: ["*"],
    signatureVerification: { level },
    trustStores: ["ca:test"],
    trustedIdentities: [identity],
  };
  const document = JSON.stringify({ version: "1.0", trustPolicies: [policy] });
  writeFileSync(path.join(folder, "trustpolicy.json"), document, { mode: 0o600 });
  return folder;
}

export function runNotation(folder: string, args: readonly string[]): Promise<Completed> {
  const env = { PATH: "/usr/bin:/bin", HOME: folder, NOTATION_CONFIG: folder, NOTATION_CACHE: folder };
  return run(requirePeer("notation"), args, { env, cwd: folder });
}

export interface NotationSign {
  /** `host/repository@digest`. */
  readonly image: string;
  /** PKCS #8 PEM. */
  readonly key: string;
  /** PEM, leaf first, root last. */
  readonly chain: string;
  readonly envelope: NotationEnvelope;
  /** Writes the fallback tag where the registry has a referrers API too; notation's default. */
  readonly fallbackTag?: boolean;
  readonly flags?: readonly string[];
}

/** `notation sign` with a key on disk. */
export async function notationSign({ image, key, chain, envelope, ...options }: NotationSign): Promise<Completed> {
  const folder = temporaryFolder("notation");
  const [keyPath, certPath] = [path.join(folder, `${randomUUID()}.key`), path.join(folder, `${randomUUID()}.crt`)];
  writeFileSync(keyPath, key, { mode: 0o600 });
  writeFileSync(certPath, chain);
  const keys = { default: "test", keys: [{ name: "test", keyPath, certPath }] };
  writeFileSync(path.join(folder, "signingkeys.json"), JSON.stringify(keys));
  return runNotation(folder, [
    "sign",
    "--insecure-registry",
    `--force-referrers-tag=${options.fallbackTag ?? false}`,
    ...["--signature-format", envelope],
    ...(options.flags ?? []),
    image,
  ]);
}

/** `notation verify` as the folder's trust policy says. */
export function notationVerify(folder: string, image: string, flags: readonly string[] = []): Promise<Completed> {
  return runNotation(folder, ["verify", "--insecure-registry", ...flags, image]);
}
