import type { Verb } from "./verb.ts";
import { verifyVerb } from "./verify-command.ts";

/** Only the verb that is asked for is loaded. */
export const verbs: Readonly<Record<string, () => Promise<Verb>>> = {
  sign: async () => (await import("./sign-command.ts")).signVerb,
  payload: async () => (await import("./payload-command.ts")).payloadVerb,
  attach: async () => (await import("./attach-command.ts")).attachVerb,
  verify: async () => verifyVerb,
  promote: async () => (await import("./promote-command.ts")).promoteVerb,
  list: async () => (await import("./list-command.ts")).listVerb,
  save: async () => (await import("./save-command.ts")).saveVerb,
  load: async () => (await import("./load-command.ts")).loadVerb,
  pki: async () => (await import("./pki-command.ts")).pkiVerb,
  lookaside: async () => (await import("./lookaside-command.ts")).lookasideVerb,
  policy: async () => (await import("./policy-command.ts")).policyVerb,
  "pulp-sign": async () => (await import("./pulp-sign-command.ts")).pulpSignVerb,
  triangulate: async () => (await import("./triangulate-command.ts")).triangulateVerb,
  quickstart: async () => (await import("./quickstart-command.ts")).quickstartVerb,
};

/** cosign's spellings of the same. */
export const aliases: Readonly<Record<string, string>> = { tree: "list", generate: "payload" };

/** The command that a word names, by its own name or cosign's. */
export function commandOf(word: string): string | undefined {
  const name = Object.hasOwn(aliases, word) ? aliases[word] : word;
  return name !== undefined && Object.hasOwn(verbs, name) ? name : undefined;
}
