import { CountersignError } from "../model/errors.ts";
import type { OptionList } from "./option-list.ts";

/**
 * Boolean flags of cosign that are taken so that its lines work, left out of `--help`. Each with the value that asks for what
 * happens here, where the other cannot be had: silence about that would be a promise not kept.
 */
const flags: Readonly<Record<string, { readonly only?: boolean; readonly why?: string }>> = {
  "insecure-ignore-tlog": { only: true, why: "entries of a transparency log are not verified in this version" },
  "insecure-ignore-sct": { only: true, why: "certificate transparency is not verified in this version" },
  "private-infrastructure": {},
  "check-claims": { only: true, why: "what a signature says is always checked" },
  "new-bundle-format": {},
  offline: {},
  "tlog-upload": { only: false, why: "signatures are not entered into a transparency log in this version" },
  "use-signing-config": { only: false, why: "a signing configuration is not read in this version" },
  yes: {},
};

/** Booleans that cosign and this program share. */
const shared: ReadonlySet<string> = new Set([
  "recursive",
  "allow-http-registry",
  "allow-insecure-registry",
  "use-signed-timestamps",
]);

/** Options by name, without dashes; their values are booleans. */
export function addCosignFlags<List extends OptionList>(command: List, names: readonly (keyof typeof flags)[]): List {
  for (const name of names) {
    const option = command
      .createOption(`--${name} <bool>`)
      .argParser((text) => booleanOf(name, text))
      .hideHelp();
    command.addOption(option);
  }
  return command;
}

/**
 * The same words in the spelling of this program, and in a form in which booleans cannot be misread: cosign's take a value
 * only behind `=`, and none means true, while the word that follows is already the next one.
 */
export function withOwnSpelling(args: readonly string[]): readonly string[] {
  return args.flatMap((arg) => {
    if (arg === "-y") return ["--yes=true"];
    if (/^--annotations(?:=|$)/.test(arg)) return [arg.replace("--annotations", "--annotation")];
    const [, name = "", value] = /^--([a-z-]+)(?:=(true|false))?$/.exec(arg) ?? [];
    if (Object.hasOwn(flags, name) && value === undefined) return [`${arg}=true`];
    if (!shared.has(name) || value === undefined) return [arg];
    return value === "true" ? [`--${name}`] : [];
  });
}

function booleanOf(name: string, text: string): boolean {
  if (text !== "true" && text !== "false") {
    throw new CountersignError("E_USAGE", `--${name}=${text.slice(0, 80)} is neither true nor false`, {
      hint: `write --${name}=true or --${name}=false`,
    });
  }
  const value = text === "true";
  const { only, why } = flags[name] ?? {};
  if (only !== undefined && value !== only) {
    throw new CountersignError("E_USAGE", `--${name}=${text} cannot be had: ${why}`, {
      hint: `leave --${name} out, or write --${name}=${only}`,
    });
  }
  return value;
}
