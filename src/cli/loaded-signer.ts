import type { Algorithm } from "../model/algorithm.ts";
import type { PublicMaterial, Signer } from "../model/signature.ts";
import type { Host } from "../platform/host.ts";
import type { SignerOptions } from "./signer-options.ts";

/** A signer, ready to sign, and what there is to say about its certificates. */
export interface LoadedSigner {
  readonly signer: Signer;
  readonly warnings: readonly string[];
}

/** What the command line says about a signer outside this process. */
export interface ExternalSignerRequest {
  readonly host: Host;
  /** `--signer`, with its scheme. */
  readonly spec: string;
  readonly options: SignerOptions;
  /** `--signing-algorithm` */
  readonly algorithm: Algorithm | undefined;
  /** From --certificate, --certificate-chain and --public-key, already checked; absent: the signer is asked. */
  readonly material: PublicMaterial | undefined;
  /** What the certificates must be for: see checkSigningChain. */
  readonly purpose?: string | null | undefined;
}
