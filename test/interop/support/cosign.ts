/**
 * cosign 3.1.2 by the command lines that work offline, without a log, a time stamp or Sigstore's own roots. Keys,
 * certificates and trusted roots are PEM or JSON text; files for them live in a folder of this process.
 *
 * What it does with each key, whichever the format:
 *
 * | key | signs with | verifies without further flags |
 * | --- | --- | --- |
 * | P-256, P-384, P-521 | SHA-256, SHA-384, SHA-512 | SHA-256 of every curve; certificate in a bundle: the curve's own hash too |
 * | RSA 2048, 3072, 4096 | PKCS #1 v1.5, SHA-256 | the same; never PSS |
 * | Ed25519 | Ed25519ph | Ed25519, never Ed25519ph |
 *
 * So it refuses its own signatures by P-384 and P-521 (with `--key`, `digest` helps) and by Ed25519 (nothing helps).
 */
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { requirePeer } from "./peers.ts";
import { type Completed, run, temporaryFolder } from "./run.ts";

export type { Completed } from "./run.ts";
export type CosignFormat = "cosign" | "bundle";

const password = "cosign-interop";
let folder: string | undefined;

function home(): string {
  folder ??= temporaryFolder("cosign");
  return folder;
}

/** A file of this text; cosign takes keys, certificates and roots as paths. */
function file(text: string): string {
  const name = path.join(home(), randomUUID());
  writeFileSync(name, text, { mode: 0o600 });
  return name;
}

/** Runs cosign with a home and TUF folder of its own and nothing else of the caller's environment. */
export function runCosign(
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd?: string;
    readonly stdin?: string;
    readonly timeout?: number;
  } = {},
): Promise<Completed> {
  const env = {
    PATH: "/usr/bin:/bin",
    HOME: home(),
    TUF_ROOT: path.join(home(), "tuf"),
    COSIGN_PASSWORD: password,
    COSIGN_YES: "true",
    ...options.env,
  };
  return run(requirePeer("cosign"), args, { ...options, cwd: options.cwd ?? home(), env });
}

/** `cosign import-key-pair`: an unencrypted PEM private key as cosign's encrypted one, with its public key. */
export async function cosignImportKey(pem: string): Promise<{ privateKey: string; publicKey: string }> {
  const prefix = path.join(home(), randomUUID());
  const done = await runCosign(["import-key-pair", "--key", file(pem), "--output-key-prefix", prefix]);
  if (done.exitCode !== 0) throw new Error(`cosign import-key-pair: ${done.stderr}`);
  return { privateKey: readFileSync(`${prefix}.key`, "utf8"), publicKey: readFileSync(`${prefix}.pub`, "utf8") };
}

/** `cosign generate-key-pair`: a P-256 key encrypted under this password. */
export async function cosignGenerateKey(secret = password): Promise<{ privateKey: string; publicKey: string }> {
  const prefix = path.join(home(), randomUUID());
  const done = await runCosign(["generate-key-pair", "--output-key-prefix", prefix], {
    env: { COSIGN_PASSWORD: secret },
  });
  if (done.exitCode !== 0) throw new Error(`cosign generate-key-pair: ${done.stderr}`);
  return { privateKey: readFileSync(`${prefix}.key`, "utf8"), publicKey: readFileSync(`${prefix}.pub`, "utf8") };
}

/** The password that keys of `cosignImportKey` and `cosignGenerateKey` are encrypted under. */
export const cosignPassword = password;

export interface CosignSign {
  /** `host/repository@digest`, one or several. */
  readonly image: string | readonly string[];
  readonly format: CosignFormat;
  /** cosign's encrypted private key; it reads no other. */
  readonly key: string;
  readonly certificate?: string | undefined;
  /** Issuers, the leaf's first, the root last. Read and checked, then dropped: 3.1.2 stores it in neither format. */
  readonly chain?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly recursive?: boolean | undefined;
}

/** `cosign sign`, no log, no time stamp. */
export function cosignSign(options: CosignSign): Promise<Completed> {
  return runCosign([
    "sign",
    "--use-signing-config=false",
    "--tlog-upload=false",
    `--new-bundle-format=${options.format === "bundle"}`,
    ...["--key", file(options.key)],
    ...(options.certificate === undefined ? [] : ["--certificate", file(options.certificate)]),
    ...(options.chain === undefined ? [] : ["--certificate-chain", file(options.chain)]),
    ...annotationFlags(options.annotations),
    ...(options.recursive ? ["--recursive"] : []),
    ...[options.image].flat(),
  ]);
}

export interface CosignVerify {
  /** `host/repository@digest`, or by tag. Of several all must verify; they must be of one format. */
  readonly image: string | readonly string[];
  readonly format: CosignFormat;
  readonly trust:
    | {
        readonly key: string;
        /** Hash of the signature where it is not SHA-256. */
        readonly digest?: "sha256" | "sha384" | "sha512" | undefined;
      }
    | {
        readonly roots: string;
        /** For the bundle format: the root's own chain, else cosign finds no path. */
        readonly intermediates?: string | undefined;
        /** A subject alternative name, to the letter. */
        readonly identity: string;
      };
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/**
 * `cosign verify` without log or SCT. It picks the format by what it finds (bundles first): `format` only decides how
 * certificates are trusted, by `--ca-roots` or by a trusted root.
 */
export async function cosignVerify(options: CosignVerify): Promise<Completed> {
  return runCosign([
    "verify",
    "--insecure-ignore-tlog=true",
    ...(await trustFlags(options)),
    ...annotationFlags(options.annotations),
    ...[options.image].flat(),
  ]);
}

async function trustFlags({ format, trust }: CosignVerify): Promise<string[]> {
  if ("key" in trust) {
    return ["--key", file(trust.key), ...(trust.digest ? ["--signature-digest-algorithm", trust.digest] : [])];
  }
  const who = ["--certificate-identity", trust.identity, "--certificate-oidc-issuer-regexp", ".*"];
  const flags = [...who, "--insecure-ignore-sct=true"];
  if (format === "bundle") {
    const root = await cosignTrustedRoot([trust.intermediates ?? "", trust.roots].join(""));
    return [...flags, "--trusted-root", file(root)];
  }
  const intermediates = trust.intermediates === undefined ? [] : ["--ca-intermediates", file(trust.intermediates)];
  return [...flags, "--ca-roots", file(trust.roots), ...intermediates];
}

const trustedRoots = new Map<string, Promise<string>>();

/** `cosign trusted-root create` of one certificate authority: issuers, the leaf's first, the root last. Made once for each. */
export function cosignTrustedRoot(chain: string): Promise<string> {
  const known = trustedRoots.get(chain) ?? createTrustedRoot(chain);
  trustedRoots.set(chain, known);
  return known;
}

async function createTrustedRoot(chain: string): Promise<string> {
  const out = path.join(home(), randomUUID());
  const authority = `url=https://ca.example.test,certificate-chain=${file(chain)}`;
  const done = await runCosign(["trusted-root", "create", `--fulcio=${authority}`, "--out", out]);
  if (done.exitCode !== 0) throw new Error(`cosign trusted-root create: ${done.stderr}`);
  return readFileSync(out, "utf8");
}

function annotationFlags(annotations: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries(annotations).flatMap(([name, value]) => ["-a", `${name}=${value}`]);
}
