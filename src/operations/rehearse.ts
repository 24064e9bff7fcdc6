import { refusedByCosign } from "../formats/cosign-acceptance.ts";
import type { Subject } from "../model/descriptor.ts";
import type { Format, SigningOptions } from "../model/format.ts";
import type { PublicMaterial } from "../model/signature.ts";
import { materialFor } from "./store-signature.ts";

/** Made up. */
export const REHEARSAL_SUBJECT: Subject = {
  repository: "rehearsal.invalid/image",
  digest: `sha256:${"0".repeat(64)}`,
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  size: 0,
};

/**
 * Prepares a made-up subject in each format: a pair of key and format that cannot work is refused before the first request. What
 * cosign will not verify is told, a sentence each.
 *
 * @throws E_ALGORITHM_UNSUPPORTED.
 */
export function rehearse(
  formats: readonly Format[],
  options: SigningOptions,
  material: PublicMaterial,
): readonly string[] {
  return formats.flatMap((format) => {
    const { algorithm } = format.prepare(REHEARSAL_SUBJECT, materialFor(format, material), options);
    return refusedByCosign(format.name, algorithm, material, options);
  });
}
