import { formatNamed } from "../formats/registry.ts";
import type { Format } from "../model/format.ts";
import { formatNamesOf } from "./format-names-only.ts";

/** `cosign,bundle` as formats, each once. @throws E_USAGE for a name that is none. */
export function formatsOf(text: string): readonly Format[] {
  return formatNamesOf(text).map(formatNamed);
}
