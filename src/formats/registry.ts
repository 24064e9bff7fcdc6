import type { Format } from "../model/format.ts";
import type { FormatName } from "../model/signature.ts";
import { bundleFormat } from "./bundle/format.ts";
import { cosignFormat } from "./cosign/format.ts";
import { notationCoseFormat, notationFormat } from "./notation/format.ts";
import { openPgpFormat } from "./openpgp/format.ts";

/** Every format of this build by its name. */
export const formats: Readonly<Record<FormatName, Format>> = {
  cosign: cosignFormat,
  bundle: bundleFormat,
  notation: notationFormat,
  "notation-cose": notationCoseFormat,
  openpgp: openPgpFormat,
};

export function formatNamed(name: FormatName): Format {
  return formats[name];
}
