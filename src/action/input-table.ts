/** What `command:` may name. */
export const COMMANDS = ["sign", "verify", "promote", "attach", "payload", "setup"] as const;
export type CommandName = (typeof COMMANDS)[number];

/**
 * How an input becomes a flag of the command line:
 *
 * - `text`: the value as it is; `lines`: a flag for each line;
 * - `switch`: the flag alone, for `true`;
 * - `material`: a path, `env://NAME`, or PEM or base64 of it; `materials`: one such text, or a path or `env://NAME` a line;
 * - `secret`: the secret itself, or `env://NAME`;
 * - `own`: read by the action itself.
 */
export type InputKind = "text" | "lines" | "switch" | "material" | "materials" | "secret" | "own";

export interface InputRule {
  readonly kind: InputKind;
  /** Commands that it means something to. */
  readonly commands: readonly CommandName[];
  /** Its flag, where that is not the input's name behind two dashes. */
  readonly flag?: string;
  /** May be empty: what it holds is handed in by the runner. */
  readonly mayBeEmpty?: true;
}

const all = COMMANDS;
const work = ["sign", "verify", "promote", "attach", "payload"] as const;
const signing = ["sign"] as const;
const judging = ["verify", "promote"] as const;
const promoting = ["promote"] as const;
const elsewhere = ["attach", "payload"] as const;
const listed = ["sign", "verify", "promote"] as const;

/**
 * Every input of the action but `command`, in the order of action.yml; tests hold the two, and docs/github.md, together. Input
 * names are those of the command line's flags, without dashes in front.
 */
export const INPUTS = {
  images: { kind: "own", commands: listed },
  image: { kind: "own", commands: work },
  digest: { kind: "own", commands: work },
  tags: { kind: "own", commands: ["sign", "verify"] },
  metadata: { kind: "own", commands: ["sign", "verify"] },
  destination: { kind: "own", commands: promoting },
  recursive: { kind: "switch", commands: listed },

  key: { kind: "materials", commands: ["sign", "verify", "promote"] },
  passphrase: { kind: "secret", commands: signing },
  signer: { kind: "text", commands: signing },
  certificate: { kind: "material", commands: [...signing, ...elsewhere] },
  "certificate-chain": { kind: "material", commands: [...signing, ...elsewhere] },
  "public-key": { kind: "material", commands: [...signing, ...elsewhere] },
  "signer-token": { kind: "secret", commands: signing },
  "signer-audience": { kind: "text", commands: signing },
  "signer-key-id": { kind: "text", commands: signing },
  "signer-cacert": { kind: "material", commands: signing },
  "signer-client-cert": { kind: "material", commands: signing },
  "signer-client-key": { kind: "material", commands: signing },
  format: { kind: "text", commands: [...signing, ...elsewhere] },
  annotations: { kind: "lines", flag: "--annotation", commands: [...signing, ...judging, "payload"] },
  "signing-algorithm": { kind: "text", commands: [...signing, "payload"] },

  "ca-roots": { kind: "materials", commands: judging },
  "ca-intermediates": { kind: "materials", commands: judging },
  "certificate-identity": { kind: "text", commands: judging },
  "certificate-identity-regexp": { kind: "text", commands: judging },
  "certificate-subject": { kind: "text", commands: judging },
  "certificate-fingerprint": { kind: "text", commands: judging },
  "certificate-oidc-issuer": { kind: "text", commands: judging },
  "certificate-oidc-issuer-regexp": { kind: "text", commands: judging },
  "require-reference": { kind: "text", commands: judging },
  "allow-algorithms": { kind: "text", commands: judging },
  policy: { kind: "text", commands: judging },
  "trust-policy": { kind: "text", commands: judging },
  "trust-store": { kind: "text", commands: judging },

  "destination-key": { kind: "materials", commands: promoting },
  "destination-ca-roots": { kind: "materials", commands: promoting },
  "destination-ca-intermediates": { kind: "materials", commands: promoting },
  "destination-certificate-identity": { kind: "text", commands: promoting },
  "dry-run": { kind: "switch", commands: promoting },
  resign: { kind: "switch", commands: promoting },
  "resign-key": { kind: "material", commands: promoting },
  "resign-passphrase": { kind: "secret", commands: promoting },
  "resign-certificate": { kind: "material", commands: promoting },
  "resign-certificate-chain": { kind: "material", commands: promoting },
  "resign-signer": { kind: "text", commands: promoting },
  "resign-signer-token": { kind: "secret", commands: promoting },
  "resign-format": { kind: "text", commands: promoting },

  payload: { kind: "own", commands: elsewhere },
  signature: { kind: "text", commands: ["attach"] },

  "registry-username": { kind: "text", commands: work },
  "registry-password": { kind: "secret", commands: work },
  "registry-token": { kind: "secret", commands: work },
  "destination-username": { kind: "text", commands: promoting },
  "destination-password": { kind: "secret", commands: promoting },
  "destination-token": { kind: "secret", commands: promoting },
  "registry-cacert": { kind: "material", commands: work },
  "github-token": { kind: "own", commands: all, mayBeEmpty: true },

  report: { kind: "lines", commands: work },
  summary: { kind: "own", commands: work },
  "extra-args": { kind: "own", commands: work },
  "allow-untrusted-events": { kind: "own", commands: ["sign", "promote"] },
} as const satisfies Readonly<Record<string, InputRule>>;

export type InputName = keyof typeof INPUTS;

export function isInputName(name: string): name is InputName {
  return Object.hasOwn(INPUTS, name);
}

/**
 * The default that action.yml gives to inputs that need none. The runner hands over inputs that are left out and inputs that are
 * empty as the same empty text; only a default that is not empty tells them apart, and an empty one is a secret or a variable that
 * does not exist, which must not pass for a rule that was never asked for.
 */
export const UNSET = "unset";
