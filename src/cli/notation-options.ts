import { CountersignError } from "../model/errors.ts";
import type { Format, SigningOptions } from "../model/format.ts";
import { CODE_SIGNING } from "../trust/extensions.ts";
import type { OptionList } from "./option-list.ts";
import { type OptionReader, type OptionValues, oneOf, text, texts } from "./option-values.ts";
import { VERSION } from "./version.ts";

/** Options that only the notation formats take. */

const MANIFESTS = ["legacy", "artifact"] as const;
const manifest = oneOf(MANIFESTS);

export const manifestReaders = {
  signatureManifest: ((value, flag) => (value === undefined ? undefined : manifest(value, flag))) as OptionReader<
    (typeof MANIFESTS)[number] | undefined
  >,
};
export const notationReaders = { expiry: text, userMetadata: texts };

export function addManifestOption<List extends OptionList>(command: List): List {
  return command.addOption(
    command
      .createOption(
        "--signature-manifest <form>",
        "notation: typed by its configuration, for every notation, or by artifactType (default: legacy)",
      )
      .choices(MANIFESTS),
  );
}

/** What goes into the bytes that are signed. */
export function addNotationOptions<List extends OptionList>(command: List): List {
  return command
    .option("--expiry <duration>", "notation: how long the signature counts, as 24h, 30d or 1h30m")
    .option("-m, --user-metadata <key=value>", "the same as -a, as notation spells it (repeatable)", list);
}

type Given = Partial<OptionValues<typeof notationReaders> & OptionValues<typeof manifestReaders>>;

/**
 * What the flags say to formats that are notation's.
 * @throws E_USAGE for flags that would be passed over in silence, and for what is no duration.
 */
export function notationSigning(
  { expiry, signatureManifest }: Given,
  formats: readonly Format[],
): Pick<SigningOptions, "lifetime" | "artifactManifest" | "agent"> {
  if (!formats.some(isNotation)) {
    const idle =
      expiry !== undefined ? "--expiry" : signatureManifest !== undefined ? "--signature-manifest" : undefined;
    if (idle !== undefined) {
      throw new CountersignError("E_USAGE", `${idle} says nothing to formats other than notation's`, {
        hint: `add --format notation, or leave ${idle} out`,
      });
    }
    return {};
  }
  return {
    agent: `countersign/${VERSION}`,
    artifactManifest: signatureManifest === "artifact",
    ...(expiry !== undefined && { lifetime: durationOf(expiry) }),
  };
}

/** What the certificates of a key must be for that signs in these formats: notation asks for no purpose. */
export function purposeOf(formats: readonly Format[]): string | null {
  return formats.every(isNotation) ? null : CODE_SIGNING;
}

export function isNotation({ name }: Format): boolean {
  return name === "notation" || name === "notation-cose";
}

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const CENTURY = 100 * 365 * 86_400;

/** Milliseconds of `24h`, `1h30m`, `30d`: whole seconds, from one to a century. @throws E_USAGE */
export function durationOf(written: string): number {
  const parts = /^(?:\d{1,10}[smhdw])+$/.test(written) ? [...written.matchAll(/(\d+)([smhdw])/g)] : [];
  const seconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ""] ?? 0), 0);
  if (seconds >= 1 && seconds <= CENTURY) return seconds * 1000;
  throw new CountersignError("E_USAGE", `--expiry: ${JSON.stringify(written.slice(0, 40))} is no duration`, {
    hint: "write a number and s, m, h, d or w: 24h, 30d, 1h30m",
  });
}

function list(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}
