import { pkiCheckVerb } from "./pki-check-command.ts";
import { pkiInitVerb, pkiIssueVerb } from "./pki-issue-commands.ts";
import { pkiCrlVerb, pkiRevokeVerb } from "./pki-revoke-commands.ts";
import type { Verb } from "./verb.ts";

/** `pki`: a root, an intermediate, leaves that rotate; their preflight and revocation. */
export const pkiVerb: Verb = {
  name: "pki",
  define: (command) =>
    command.addHelpText(
      "after",
      `
Examples:
  $ countersign pki init ./pki --passphrase env://PKI_PASSPHRASE
  $ countersign pki issue ./pki release --san uri:https://ci.example.com/release \\
      --passphrase env://PKI_PASSPHRASE --leaf-passphrase env://LEAF_PASSPHRASE
  $ countersign pki check ./pki/issued/release/notation-chain.pem
`,
    ),
  run: async () => 2,
  verbs: [pkiInitVerb, pkiIssueVerb, pkiCheckVerb, pkiRevokeVerb, pkiCrlVerb],
};
