import type { Algorithm } from "./algorithm.ts";
import type { Descriptor, Subject } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import type { Trust } from "./policy.ts";
import type {
  Artefact,
  Claims,
  Entry,
  EnvelopeOrder,
  Evidence,
  Finding,
  FinishedEnvelope,
  FormatName,
  Malformed,
  Prepared,
  PublicMaterial,
  Reason,
  Stored,
  Testimony,
} from "./signature.ts";

export interface SigningOptions {
  /** Signed key-value claims (`-a k=v`). */
  readonly annotations: Readonly<Record<string, string>>;
  /** Chosen by the caller; absent: what verifiers of this format accept without being told. */
  readonly algorithm?: Algorithm | undefined;
  /** openpgp: the reference that is signed, as containers/image writes it; absent: repository and digest. */
  readonly reference?: string | undefined;
  /** cosign: stands in for the repository in `docker-reference` (`--sign-container-identity`). */
  readonly identity?: string | undefined;
  /** bundle: put the issuers inside the bundle (x509CertificateChain), which cosign 3.1.2 refuses, instead of beside it. */
  readonly embedChain?: boolean | undefined;
  /** When it is signed, for formats that say so. */
  readonly at?: Date | undefined;
  /** notation: milliseconds after `at` in which the signature counts. */
  readonly lifetime?: number | undefined;
  /** notation: the manifest declares its type by `artifactType` (OCI 1.1), not by its configuration. */
  readonly artifactManifest?: boolean | undefined;
  /** notation, openpgp: which program signs, `name/version`. */
  readonly agent?: string | undefined;
}

/** What is known of an image's manifest beside its digest. */
export type ManifestFacts = Pick<Descriptor, "mediaType" | "size">;

/** A format's part in signatures that a program hands back whole. */
export interface FinishedEnvelopes {
  order(subject: Subject, options: SigningOptions): EnvelopeOrder;
  artefact(envelope: FinishedEnvelope, options: SigningOptions): Artefact;
  /** How what was made differs from what was ordered, `options.at` being now; whether it verifies, `check` says. */
  departures(evidence: Evidence, subject: Subject, options: SigningOptions): readonly Reason[];
}

/** How one format is encoded and checked. Pure: no input, no output, no clock. */
export interface Format {
  readonly name: FormatName;
  /** How it stores ECDSA signatures; DER unless told. */
  readonly ecdsa?: "p1363";
  /** What it signs names the tag: two tags of one image are two signatures. */
  readonly signsReference?: boolean;
  /** Whether an entry can be one of this format's, by media type and artifact type alone. */
  recognises(entry: Entry): boolean;
  /** Whether what was fetched is this format's, where entry alone leaves several formats. */
  holds?(stored: Stored): boolean;
  /**
   * The exact bytes to be signed; `readSignedBytes` tells format and subject back from them. The same for every key, but for notation,
   * whose bytes name `options.algorithm` and `options.at`, and openpgp, whose bytes name the key.
   * @throws E_FORMAT_UNSUPPORTED when the format cannot name the subject's digest; E_USAGE when its bytes name an algorithm, and none is told.
   */
  signedBytes(subject: Subject, options: SigningOptions): Uint8Array;
  /** What such bytes claim. @throws E_PAYLOAD_MALFORMED, E_PAYLOAD_TYPE, E_TOO_LARGE. */
  readSignedBytes(bytes: Uint8Array): Claims;
  /** What a key is handed in place of such bytes; absent, or undefined: the bytes. @throws as readSignedBytes. */
  presented?(bytes: Uint8Array): Uint8Array | undefined;
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
  /** How programs that make whole envelopes are used; absent: this format has none. */
  readonly finished?: FinishedEnvelopes | undefined;
  read(stored: Stored): Evidence | Malformed;
  /** Whether evidence by the same key says what `prepared` would say anew; without it, whether the same bytes were signed. */
  restates?(evidence: Evidence, prepared: Prepared, material: PublicMaterial): boolean;
  /**
   * Cryptography, path, times, and that the claims are about `subject`, and about a manifest as `facts` resolves to where that is known.
   * No opinion on who may sign.
   */
  check(
    evidence: Evidence,
    subject: Digest,
    trust: Trust,
    at: Date,
    facts?: Promise<ManifestFacts | undefined>,
  ): Promise<Finding>;
}
