import type { OptionList } from "./option-list.ts";
import { text } from "./option-values.ts";

/** Where simple signatures (OpenPGP) are that the registry does not keep itself. */
export interface LookasideOptions {
  readonly lookaside?: string | undefined;
  readonly lookasideStaging?: string | undefined;
  readonly registriesD?: string | undefined;
}

export const lookasideReaders = { lookaside: text, lookasideStaging: text, registriesD: text };

/** @param writes whether the command stores signatures. */
export function addLookasideOptions<List extends OptionList>(
  command: List,
  { writes }: { readonly writes: boolean },
): List {
  command
    .optionsGroup("OpenPGP signatures that the registry does not keep itself:")
    .option("--lookaside <place>", "the lookaside that has them: a folder, or an http or https address");
  if (writes) {
    command.option("--lookaside-staging <dir>", "put them there instead, to be published in the lookaside later");
  }
  return command.option(
    "--registries-d <dir>",
    "lookasides by repository, as podman is told them; `default` for podman's own folder of this user or machine",
  );
}
