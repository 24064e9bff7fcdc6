/**
 * Every code that the program can print, with the exit status it ends in when it decides a run, and whether trying
 * again, unchanged, can help. `docs/troubleshooting.md` has a section for each; a test holds the two together.
 *
 * Exit status: 1 refused · 2 wrong use · 3 could not tell · 70 a bug of ours.
 */
export const ERROR_CODES = {
  // Wrong use: what the caller wrote or handed over.
  E_USAGE: { exit: 2, retry: false },
  E_CONFIG_INVALID: { exit: 2, retry: false },
  E_REFERENCE_INVALID: { exit: 2, retry: false },
  E_FILE_UNREADABLE: { exit: 2, retry: false },
  E_FILE_TOO_LARGE: { exit: 2, retry: false },
  E_FILE_EXISTS: { exit: 2, retry: false },
  E_FILE_UNWRITABLE: { exit: 2, retry: false },
  E_COMMAND: { exit: 2, retry: false },
  E_ENVIRONMENT_EMPTY: { exit: 2, retry: false },
  E_INPUT_EMPTY: { exit: 2, retry: false },
  E_EVENT_UNTRUSTED: { exit: 2, retry: false },
  E_PATTERN_INVALID: { exit: 2, retry: false },
  E_ALGORITHM_UNSUPPORTED: { exit: 2, retry: false },
  E_INSECURE_ADDRESS: { exit: 2, retry: false },
  E_CREDENTIALS_INVALID: { exit: 2, retry: false },
  E_CREDENTIAL_HELPER: { exit: 2, retry: false },

  // Key and certificate material handed over by the caller.
  E_KEY_INVALID: { exit: 2, retry: false },
  E_KEY_UNSUPPORTED: { exit: 2, retry: false },
  E_KEY_NOT_PRIVATE: { exit: 2, retry: false },
  E_PASSPHRASE_REQUIRED: { exit: 2, retry: false },
  E_PASSPHRASE_WRONG: { exit: 2, retry: false },

  // What must hold for a signature to count. As a reason these refuse (1); about the caller's own certificate, before
  // any work, they are wrong use (2).
  E_KEY_WEAK: { exit: 1, retry: false },
  E_CERTIFICATE_INVALID: { exit: 1, retry: false },
  E_CERTIFICATE_KEY_MISMATCH: { exit: 1, retry: false },
  E_CERTIFICATE_EXPIRED: { exit: 1, retry: false },
  E_CERTIFICATE_NOT_YET_VALID: { exit: 1, retry: false },
  E_CERTIFICATE_USAGE: { exit: 1, retry: false },
  E_CERTIFICATE_CONSTRAINT: { exit: 1, retry: false },
  E_CERTIFICATE_SIGNATURE: { exit: 1, retry: false },
  E_CERTIFICATE_SELF_SIGNED: { exit: 1, retry: false },
  E_CERTIFICATE_UNTRUSTED: { exit: 1, retry: false },
  E_CERTIFICATE_MISSING: { exit: 1, retry: false },
  E_IDENTITY_MISMATCH: { exit: 1, retry: false },
  E_KEY_MISMATCH: { exit: 1, retry: false },
  E_ALGORITHM_NOT_ALLOWED: { exit: 1, retry: false },
  E_SIGNATURE_INVALID: { exit: 1, retry: false },
  E_SIGNATURE_EXPIRED: { exit: 1, retry: false },
  E_SIGNATURE_MALFORMED: { exit: 1, retry: false },
  E_PAYLOAD_MALFORMED: { exit: 1, retry: false },
  E_PAYLOAD_TYPE: { exit: 1, retry: false },
  E_PREDICATE_TYPE: { exit: 1, retry: false },
  E_SUBJECT_MISMATCH: { exit: 1, retry: false },
  E_REFERENCE_MISMATCH: { exit: 1, retry: false },
  E_ANNOTATION_MISMATCH: { exit: 1, retry: false },
  E_ATTRIBUTE_UNKNOWN: { exit: 1, retry: false },
  E_VERIFICATION_PLUGIN: { exit: 1, retry: false },
  E_FORMAT_UNSUPPORTED: { exit: 1, retry: false },

  // Time stamps.
  E_TIMESTAMP_INVALID: { exit: 1, retry: false },
  E_TIMESTAMP_MISMATCH: { exit: 1, retry: false },
  E_TIMESTAMP_MISSING: { exit: 1, retry: false },
  E_TIMESTAMP_UNTRUSTED: { exit: 1, retry: false },
  E_TIMESTAMP_SERVICE: { exit: 3, retry: true },

  // Revocation.
  E_CERTIFICATE_REVOKED: { exit: 1, retry: false },
  E_REVOCATION_UNKNOWN: { exit: 1, retry: false },
  E_REVOCATION_UNCHECKED: { exit: 3, retry: true },

  // Policies.
  E_POLICY_INVALID: { exit: 2, retry: false },
  E_POLICY_SCOPE: { exit: 1, retry: false },
  E_POLICY_REJECTS: { exit: 1, retry: false },
  E_POLICY_UNSUPPORTED: { exit: 1, retry: false },
  E_POLICY_KEY: { exit: 1, retry: false },

  // What the registry answered.
  E_SUBJECT_NOT_FOUND: { exit: 1, retry: false },
  E_MANIFEST_INVALID: { exit: 1, retry: false },
  E_MANIFEST_UNSUPPORTED: { exit: 1, retry: false },
  E_DIGEST_MISMATCH: { exit: 1, retry: false },
  E_TOO_LARGE: { exit: 1, retry: false },
  E_REGISTRY_DENIED: { exit: 3, retry: false },
  E_REGISTRY_ANSWER: { exit: 3, retry: true },
  E_REGISTRY_THROTTLED: { exit: 3, retry: true },
  E_REGISTRY_FAILING: { exit: 3, retry: true },
  E_REGISTRY_REDIRECT: { exit: 3, retry: false },
  E_TOKEN_REALM: { exit: 3, retry: false },
  E_REGISTRY_CONFLICT: { exit: 3, retry: true },
  E_BLOB_MISSING: { exit: 3, retry: true },
  E_LIMIT: { exit: 3, retry: false },

  // Lookasides, and other places of OpenPGP signatures.
  E_LOOKASIDE_MISSING: { exit: 1, retry: false },
  E_LOOKASIDE_ABSENT: { exit: 3, retry: false },
  E_LOOKASIDE_DENIED: { exit: 3, retry: false },
  E_LOOKASIDE_ANSWER: { exit: 3, retry: false },
  E_LOOKASIDE_FAILING: { exit: 3, retry: true },
  E_LOOKASIDE_GAP: { exit: 3, retry: false },
  E_LOOKASIDE_READ_ONLY: { exit: 3, retry: false },

  // The way there.
  E_NETWORK: { exit: 3, retry: true },
  E_TIMEOUT: { exit: 3, retry: true },
  E_TLS: { exit: 3, retry: false },

  // Signers outside this process.
  E_SIGNER_FAILED: { exit: 3, retry: false },
  E_SIGNER_ANSWER: { exit: 3, retry: false },
  E_SIGNER_DENIED: { exit: 3, retry: false },
  E_SIGNER_REDIRECT: { exit: 3, retry: false },
  E_SIGNER_THROTTLED: { exit: 3, retry: true },
  E_IDENTITY_TOKEN: { exit: 3, retry: true },

  // Layout folders.
  E_LAYOUT_INVALID: { exit: 1, retry: false },

  // Promotion.
  E_NOT_VERIFIED: { exit: 1, retry: false },
  E_UNDETERMINED: { exit: 3, retry: true },
  E_TAG_MOVED: { exit: 1, retry: false },

  E_STORED_DIFFERS: { exit: 1, retry: true },
  E_BUG: { exit: 70, retry: false },
} as const satisfies Record<string, { exit: 1 | 2 | 3 | 70; retry: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;
export type ExitCode = 0 | 1 | 2 | 3 | 70;
