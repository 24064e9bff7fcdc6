import type { Algorithm } from "./algorithm.ts";
import type { Certificate } from "./certificate.ts";
import type { OpenPgpCertificate } from "./openpgp.ts";
import type { Finding, FormatName, LookFailure, PublicKey, Reason, RevocationStatus } from "./signature.ts";

/** Whom cryptography may lead back to: keys, or anchors with help for building paths. All from the caller. */
export interface Trust {
  readonly keys: readonly PublicKey[];
  readonly anchors: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  /** Whose OpenPGP signatures count; absent: nobody's, and places that keep no others are not looked at. */
  readonly openpgp?: readonly OpenPgpCertificate[] | undefined;
  readonly allowedAlgorithms: readonly Algorithm[];
  /** Verifiers whose leniency is wanted: exactly what docs/differences.md says of them is let pass. */
  readonly compat?: readonly CompatName[] | undefined;
  /** Whose time stamps count; absent: nobody's. */
  readonly timestamps?: TimestampTrust | undefined;
  /** A signer's certificate may be an anchor itself: trust in that one certificate, as in a Notary trust store. */
  readonly allowLeafAnchor?: boolean | undefined;
  /** The anchors are signing authorities of the Notary specification, which vouch for the time of what they sign, and nobody else counts. */
  readonly signingAuthorities?: boolean | undefined;
  /** Asked about every path that ends in an anchor; absent: revocation is not looked at. */
  readonly revocation?: RevocationCheck | undefined;
}

/** Time-stamping authorities by their anchors, and what is asked of a signature. */
export interface TimestampTrust {
  readonly anchors: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  /** A signature without a time stamp does not count. */
  readonly required: boolean;
  /** `after-expiry`: time stamps are looked at only where a certificate of the path has expired. */
  readonly when: "always" | "after-expiry";
}

export interface RevocationContext {
  /** Whose certificates these are: a signer's, or those of the authority that stamped the time. */
  readonly of: "signer" | "stamper";
  /** When the signature was there at the latest, by somebody trusted. */
  readonly signedAt?: Date | undefined;
}

export interface RevocationOutcome {
  /** E_CERTIFICATE_REVOKED, E_REVOCATION_UNKNOWN, E_REVOCATION_UNCHECKED. */
  readonly reasons: readonly Reason[];
  readonly statuses: readonly RevocationStatus[];
}

/** Whether any certificate of a validated path, leaf first and anchor last, is revoked; the anchor itself is not asked about. */
export type RevocationCheck = (path: readonly Certificate[], context: RevocationContext) => Promise<RevocationOutcome>;

export const COMPATS = ["notation", "containers-image"] as const;
export type CompatName = (typeof COMPATS)[number];

/** How a text is compared: to the letter, or by RE2 over the whole text. */
export type TextRule =
  | { readonly kind: "exact"; readonly text: string }
  | { readonly kind: "pattern"; readonly source: string; readonly matches: (text: string) => boolean };

/** Who may sign. Every rule that is given must hold. */
export interface IdentityRule {
  /** Against every subject alternative name. */
  readonly name?: TextRule | undefined;
  /** Against the subject DN (RFC 4514). */
  readonly subject?: TextRule | undefined;
  /** Against the certificate's fingerprint, `sha256:…`. */
  readonly fingerprint?: string | undefined;
  /** Against Fulcio's issuer extension. */
  readonly issuer?: TextRule | undefined;
  /** Attributes of the subject by their types, to the letter, as Notary's `x509.subject` compares them. */
  readonly subjectAttributes?: ReadonlyMap<string, string> | undefined;
  /** Against every email address among the alternative names, to the letter. */
  readonly email?: string | undefined;
  /** A host name or address that the certificate must be valid for (RFC 6125 6.4, wildcards of one label). */
  readonly hostname?: string | undefined;
}

/**
 * How the reference inside a signature is compared with the one that was asked for, or with a fixed one, as policy.json has it
 * (containers-policy.json(5), signedIdentity). Names are as containers/image writes them: Docker Hub is `docker.io`.
 */
export type SignedIdentity =
  | { readonly type: "matchExact" | "matchRepoDigestOrExact" | "matchRepository" }
  | { readonly type: "exactReference"; readonly reference: string }
  | { readonly type: "exactRepository"; readonly repository: string }
  | { readonly type: "remapIdentity"; readonly prefix: string; readonly signedPrefix: string };

export const VALIDATIONS = ["integrity", "authenticity", "authenticTimestamp", "expiry", "revocation"] as const;
/** The five validations of a Notary signature. */
export type ValidationName = (typeof VALIDATIONS)[number];
export type ValidationAction = "enforce" | "log" | "skip";
export type Enforcement = Readonly<Record<ValidationName, ValidationAction>>;

/** One validation of one signature, as reports show it. */
export interface Validation {
  readonly name: ValidationName;
  readonly action: ValidationAction;
  readonly result: "passed" | "failed" | "skipped";
  readonly reasons: readonly Reason[];
}

/** One party whose signature counts. A signature satisfies it when any identity holds (none given: anyone under the anchors). */
export interface Authority {
  readonly name: string;
  readonly trust: Trust;
  readonly identities: readonly IdentityRule[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly reference: "none" | "repository" | "exact" | SignedIdentity;
  /** Payloads must be as containers/image reads them, which is stricter than others are (`Claims.unread`). */
  readonly strictPayload?: boolean | undefined;
  /** Signatures of other formats do not count; absent: all do. */
  readonly formats?: readonly FormatName[] | undefined;
  /** Which objections are only logged, by the validation that they belong to; absent: every objection counts. */
  readonly enforcement?:
    | { readonly actions: Enforcement; readonly validationOf: (reason: Reason) => ValidationName }
    | undefined;
}

export type Requirement =
  | { readonly authority: Authority }
  | { readonly all: readonly Requirement[] }
  | { readonly any: readonly Requirement[] }
  | { readonly atLeast: number; readonly of: readonly Requirement[] };

export const VERDICTS = ["trusted", "untrusted", "unsigned", "undetermined"] as const;
export type Verdict = (typeof VERDICTS)[number];

/** One signature as reports show it. */
export interface JudgedSignature {
  readonly finding: Finding;
  readonly format: FormatName;
  readonly trusted: boolean;
  readonly reasons: readonly Reason[];
  /** Under a policy that knows validations; of the authority that came closest. */
  readonly validations?: readonly Validation[] | undefined;
}

/** What became of one image. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly signatures: readonly JudgedSignature[];
  readonly failures: readonly LookFailure[];
}
