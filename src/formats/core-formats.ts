import type { Format } from "../model/format.ts";
import { bundleFormat } from "./bundle/format.ts";
import { cosignFormat } from "./cosign/format.ts";

/** Those that most images are signed in: loaded without the others, which need more. */
export const coreFormats: readonly Format[] = [cosignFormat, bundleFormat];
