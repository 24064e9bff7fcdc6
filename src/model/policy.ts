import type { Algorithm } from "./algorithm.ts";
import type { Certificate } from "./certificate.ts";
import type { Finding, FormatName, LookFailure, PublicKey, Reason } from "./signature.ts";

/** Whom cryptography may lead back to: keys, or anchors with help for building paths. All from the caller. */
export interface Trust {
  readonly keys: readonly PublicKey[];
  readonly anchors: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  readonly allowedAlgorithms: readonly Algorithm[];
  /** Verifiers whose leniency is wanted: exactly what docs/differences.md says of them is let pass. */
  readonly compat?: readonly CompatName[] | undefined;
  /** Whose time stamps count; absent: nobody's. */
  readonly timestamps?: TimestampTrust | undefined;
  /** A signer's certificate may be an anchor itself: trust in that one certificate, as in a Notary trust store. */
  readonly allowLeafAnchor?: boolean | undefined;
  /** The anchors are signing authorities of the Notary specification, which vouch for the time of what they sign, and nobody else counts. */
  readonly signingAuthorities?: boolean | undefined;
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

export const COMPATS = ["notation"] as const;
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
}

/** One party whose signature counts. A signature satisfies it when any identity holds (none given: anyone under the anchors). */
export interface Authority {
  readonly name: string;
  readonly trust: Trust;
  readonly identities: readonly IdentityRule[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly reference: "none" | "repository" | "exact";
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
}

/** What became of one image. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly signatures: readonly JudgedSignature[];
  readonly failures: readonly LookFailure[];
}
