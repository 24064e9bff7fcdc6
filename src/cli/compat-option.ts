import { COMPATS, type CompatName } from "../model/policy.ts";
import type { OptionList } from "./option-list.ts";
import { type OptionValues, text } from "./option-values.ts";

export const compatReaders = { compat: text };

export function addCompatOption<List extends OptionList>(command: List): List {
  return command.addOption(
    command
      .createOption(
        "--compat <verifier>",
        "let pass what this verifier lets pass, as docs/differences.md lists it, and nothing else",
      )
      .choices(COMPATS),
  );
}

export function compatOf({ compat }: OptionValues<typeof compatReaders>): readonly CompatName[] {
  return COMPATS.filter((name) => name === compat);
}
