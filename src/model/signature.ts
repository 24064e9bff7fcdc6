import type { Algorithm } from "./algorithm.ts";
import type { Certificate } from "./certificate.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import type { ErrorCode } from "./error-codes.ts";
import type { NotaryAttributes } from "./notary.ts";
import type { OpenPgpAttributes, OpenPgpMaterial } from "./openpgp.ts";
import type { PublicKey } from "./public-key.ts";

export const FORMATS = ["cosign", "bundle", "notation", "notation-cose", "openpgp"] as const;
/** The formats that this build writes and checks. */
export type FormatName = (typeof FORMATS)[number];

export type { PublicKey } from "./public-key.ts";

/** What a signer lets everybody know: its key, and its certificates leaf first (empty: a bare key). */
export interface PublicMaterial {
  readonly publicKey: PublicKey;
  readonly chain: readonly Certificate[];
  /** The OpenPGP certificate that the key belongs to, where there is one. */
  readonly openpgp?: OpenPgpMaterial | undefined;
}

/**
 * The exact bytes to sign, describing themselves: `attach` can finish from these, a signature and public material alone.
 * `encoding` is the signature encoding that the format stores: DER or r‖s (IEEE P1363) for ECDSA, the plain octets for RSA and
 * Ed25519.
 */
export interface Prepared {
  readonly format: FormatName;
  readonly subject: Digest;
  /** Where the image is, for a signer that keeps a log or has rules; no part of what is signed here. */
  readonly repository?: string | undefined;
  readonly bytes: Uint8Array;
  /** What the key is handed, where that is not `bytes`: OpenPGP's EdDSA signs their digest (RFC 9580 5.2.4). */
  readonly presented?: Uint8Array | undefined;
  readonly algorithm: Algorithm;
  readonly encoding: SignatureEncoding;
}

export type SignatureEncoding = "der" | "p1363" | "raw";

/** Anything that signs prepared bytes: a key here, a service, an HSM, a person elsewhere. */
export interface Signer {
  /** For reports: `key cosign.key`. Holds no secret. */
  readonly label: string;
  describe(): Promise<PublicMaterial>;
  /** The signature over `prepared.bytes` in `prepared.encoding`. */
  sign(prepared: Prepared): Promise<Uint8Array>;
  /** Of a program that hands back nothing but whole envelopes; its `describe` and `sign` throw. */
  readonly envelopes?: EnvelopeMaker | undefined;
}

/** A program that signs and puts together by itself. Whatever it hands back is checked before it is stored. */
export interface EnvelopeMaker {
  /** Whose envelopes are taken, where the caller names the certificate or the key. */
  readonly material?: PublicMaterial | undefined;
  make(order: EnvelopeOrder): Promise<FinishedEnvelope>;
}

/** What such a program is asked for. */
export interface EnvelopeOrder {
  /** What is to be signed, and its media type. */
  readonly payload: Uint8Array;
  readonly payloadType: string;
  /** Media type of the envelope. */
  readonly envelopeType: string;
  /** Milliseconds in which the signature shall count; absent: for good. */
  readonly lifetime?: number | undefined;
}

/** What it hands back, of the type that was asked for; nothing of it is verified. */
export interface FinishedEnvelope {
  readonly bytes: Uint8Array;
  /** For the manifest. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** A signature as a store keeps it: one blob with its annotations. Stores know nothing more about it. */
export interface Artefact {
  readonly format: FormatName;
  /** Media type of the blob. */
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** On the layer (tag store) or on the manifest (referrers store). */
  readonly annotations: Readonly<Record<string, string>>;
  /** What a referrer manifest declares. */
  readonly artifactType?: string | undefined;
  /** Whether the manifest declares it as OCI 1.0 does, by the media type of its configuration, and has no `artifactType`. */
  readonly typedByConfig?: boolean | undefined;
}

export const PLACES = ["tag", "referrer", "fallback-tag", "lookaside", "extension"] as const;

/** Where a signature was found or put. */
export interface Place {
  readonly kind: (typeof PLACES)[number];
  /** Tag name, digest of the referrer manifest, address or path of a lookaside file, or name of a signature in the extension. */
  readonly name: string;
  /** Digest of the blob that holds the signature, when it is known. */
  readonly digest?: Digest | undefined;
}

/** An entry of a store, by its descriptor; its bytes not yet fetched. */
export interface Entry {
  readonly place: Place;
  readonly descriptor: Descriptor;
}

/** An entry with its bytes: what a format reads. */
export interface Stored {
  readonly place: Place;
  readonly mediaType: string;
  readonly artifactType?: string | undefined;
  readonly bytes: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A place that could not be looked at, or not to its end. Never the same as an empty one. */
export interface LookFailure {
  readonly place: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly retry: boolean;
}

/** What a store holds for a subject, and what it could not see. */
export interface Listing {
  readonly entries: readonly Entry[];
  readonly failures: readonly LookFailure[];
}

/** What a signature says of itself once decoded: nothing of it is verified. */
export interface Evidence {
  readonly format: FormatName;
  readonly place: Place;
  /** The bytes the signature is over. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  /** What the key was handed, where that is not `signed`: see Prepared. */
  readonly presented?: Uint8Array | undefined;
  /** How `signature` is written, where it is not DER for ECDSA and plain octets for the rest; `number`: of RSA, without leading zeros. */
  readonly encoding?: SignatureEncoding | "number" | undefined;
  /** Certificates that came with it, leaf first, then hints for building a path; empty when it names only a key. */
  readonly certificates: readonly Certificate[];
  /** bundle: `verificationMaterial.publicKey.hint`. */
  readonly keyHint?: string | undefined;
  /** DER TimeStampTokens (RFC 3161) over `signature`. */
  readonly timestamps?: readonly Uint8Array[] | undefined;
  readonly claims: Claims;
  /** notation: what its signed attributes say. */
  readonly notary?: NotaryAttributes | undefined;
  /** openpgp: what its signature packet says. */
  readonly openpgp?: OpenPgpAttributes | undefined;
  /** What its specification forbids and other verifiers let pass: refused, unless `Trust.compat` says otherwise. */
  readonly lapses?: readonly Reason[] | undefined;
}

/** What a witness says of a signature: a DER TimeStampToken (RFC 3161 2.4.2) over the octets of the signature. */
export interface Testimony {
  readonly kind: "rfc3161";
  readonly token: Uint8Array;
}

/** Whoever vouches that a signature is there: a time-stamping authority. */
export interface Witness {
  /**
   * @param signature its octets, in the encoding that the format stores; what is attested is checked before it is handed back.
   * @param algorithm tells the hash that fits the signature's strength.
   */
  attest(signature: Uint8Array, algorithm: Algorithm): Promise<Testimony>;
}

/** When a signature was there at the latest, by a witness that the caller trusts; `at` is ISO 8601 in UTC. */
export type SigningTime =
  | { readonly source: "none"; readonly at: null }
  | { readonly source: "rfc3161"; readonly at: string };

/** What the signed bytes claim. */
export interface Claims {
  readonly digests: readonly string[];
  /** notation: media type and bytes of the image's manifest, beside its digest. */
  readonly manifest?: { readonly mediaType: string; readonly size: number } | undefined;
  /** cosign: `critical.identity.docker-reference`; the bundle format has none. */
  readonly reference?: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  /** cosign: `critical.type`; bundle: the predicate type. */
  readonly type: string;
  /** cosign: why containers/image does not read the payload, which cosign and this program do. */
  readonly unread?: string | undefined;
}

/** An entry that its format could not decode. */
export interface Malformed {
  readonly format: FormatName;
  readonly place: Place;
  readonly reason: Reason;
}

/** Why a signature did not count, or what to know about one that did. */
export interface Reason {
  readonly code: ErrorCode;
  readonly message: string;
  /** The validation of a policy that it belongs to, where the code alone does not tell. */
  readonly validation?: "authenticTimestamp" | undefined;
}

/** What is known of one certificate: `exempt` is one that names nobody to ask, and of which nothing else was demanded. */
export interface RevocationStatus {
  readonly fingerprint: string;
  readonly status: "good" | "revoked" | "unknown" | "unchecked" | "exempt";
  /** Where the answer came from, or why there is none. */
  readonly source: string;
}

/** Who signed, as reports tell it. `subject` is null for a bare key. */
export interface SignerIdentity {
  readonly subject: string | null;
  readonly sans: readonly string[];
  readonly issuer: string | null;
  /** Of the certificate, or of the bare key. */
  readonly fingerprint: string;
}

/**
 * The outcome of checking one piece of evidence against one trust: cryptography, path, times, claims. `reasons` empty
 * means that everything checked held. No opinion on who may sign: that is the policy's.
 */
export interface Finding {
  readonly format: FormatName;
  readonly place: Place;
  readonly reasons: readonly Reason[];
  readonly algorithm: Algorithm | null;
  readonly signer: SignerIdentity | null;
  /** The leaf that was verified, for identity rules; absent for a bare key. */
  readonly certificate?: Certificate | undefined;
  readonly claims?: Claims | undefined;
  readonly time: SigningTime;
  /** What was found about revocation; absent where it was not looked at. */
  readonly revocation?: readonly RevocationStatus[] | undefined;
}
