import { CountersignError } from "../model/errors.ts";
import type { ExternalSignerRequest, LoadedSigner } from "./loaded-signer.ts";
import type { SignerOptions } from "./signer-options.ts";

interface Scheme {
  /** Loaded when it is named. */
  readonly load: () => Promise<(request: ExternalSignerRequest) => Promise<LoadedSigner>>;
  /** Of the flags that not every signer takes, those that this one does. */
  readonly takes: readonly OwnFlag[];
}

const ownFlags = {
  passEnv: "--pass-env",
  pluginDir: "--plugin-dir",
  signerKeyId: "--signer-key-id",
  signerToken: "--signer-token",
  signerAudience: "--signer-audience",
  signerCacert: "--signer-cacert",
  signerClientCert: "--signer-client-cert",
  signerClientKey: "--signer-client-key",
} as const;
type OwnFlag = keyof typeof ownFlags;

const service: Scheme = {
  load: async () => (await import("./service-signer.ts")).loadServiceSigner,
  takes: ["signerKeyId", "signerToken", "signerAudience", "signerCacert", "signerClientCert", "signerClientKey"],
};

const schemes: Readonly<Record<string, Scheme>> = {
  exec: { load: async () => (await import("./command-signer.ts")).loadCommandSigner, takes: ["passEnv"] },
  "notation-plugin": {
    load: async () => (await import("./plugin-signer.ts")).loadPluginSigner,
    takes: ["passEnv", "pluginDir"],
  },
  "https+sign": service,
  "http+sign": service,
};

/**
 * The signer that `--signer` names.
 * @throws E_USAGE for an address of no known scheme, which is not shown past its scheme: it may hold a PIN; and what its loader throws.
 */
export async function loadExternalSigner(request: ExternalSignerRequest): Promise<LoadedSigner> {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(request.spec)?.[1]?.toLowerCase() ?? "";
  const known = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined;
  if (known === undefined) {
    throw new CountersignError(
      "E_USAGE",
      `--signer names no kind of signer${scheme && ` that is known: ${scheme.slice(0, 40)}:`}`,
      {
        hint: "write exec:COMMAND, https+sign://HOST/PATH or notation-plugin:NAME?id=KEY; a key file goes to --key",
      },
    );
  }
  refuseUnusedFlags(request.options, known.takes, `${scheme}:`);
  return (await known.load())(request);
}

/** @throws E_USAGE for a flag that would be passed over in silence. */
export function refuseUnusedFlags(options: SignerOptions, takes: readonly string[], what: string): void {
  for (const [name, flag] of Object.entries(ownFlags)) {
    if (options[name as OwnFlag] === undefined || takes.includes(name)) continue;
    throw new CountersignError("E_USAGE", `${flag} says nothing to a signer by ${what}`, { hint: `leave ${flag} out` });
  }
}
