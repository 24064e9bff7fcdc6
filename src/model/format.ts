import type { Algorithm } from "./algorithm.ts";
import type { Subject } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import type { Trust } from "./policy.ts";
import type {
  Artefact,
  Claims,
  Entry,
  Evidence,
  Finding,
  FormatName,
  Malformed,
  Prepared,
  PublicMaterial,
  Stored,
  Testimony,
} from "./signature.ts";

export interface SigningOptions {
  /** Signed key-value claims (`-a k=v`). */
  readonly annotations: Readonly<Record<string, string>>;
  /** Chosen by the caller; absent: what verifiers of this format accept without being told. */
  readonly algorithm?: Algorithm | undefined;
  /** cosign: stands in for the repository in `docker-reference` (`--sign-container-identity`). */
  readonly identity?: string | undefined;
  /** bundle: put the issuers inside the bundle (x509CertificateChain), which cosign 3.1.2 refuses, instead of beside it. */
  readonly embedChain?: boolean | undefined;
}

/** How one format is encoded and checked. Pure: no input, no output, no clock. */
export interface Format {
  readonly name: FormatName;
  /** Whether an entry can be one of this format's, by media type and artifact type alone. */
  recognises(entry: Entry): boolean;
  /**
   * The exact bytes to be signed, which are the same for every key; `readSignedBytes` tells format and subject back from them.
   * @throws E_FORMAT_UNSUPPORTED when the format cannot name the subject's digest.
   */
  signedBytes(subject: Subject, options: SigningOptions): Uint8Array;
  /** What such bytes claim. @throws E_PAYLOAD_MALFORMED, E_PAYLOAD_TYPE, E_TOO_LARGE. */
  readSignedBytes(bytes: Uint8Array): Claims;
  /** @throws E_ALGORITHM_UNSUPPORTED, before any request, when key and format cannot work together. */
  prepare(subject: Subject, material: PublicMaterial, options: SigningOptions): Prepared;
  /** @param testimony what witnesses say of `signature`; none unless given. */
  assemble(
    prepared: Prepared,
    signature: Uint8Array,
    material: PublicMaterial,
    options: SigningOptions,
    testimony?: readonly Testimony[],
  ): Artefact;
  read(stored: Stored): Evidence | Malformed;
  /** Cryptography, path, times, and that the claims are about `subject`. No opinion on who may sign. */
  check(evidence: Evidence, subject: Digest, trust: Trust, at: Date): Promise<Finding>;
}
