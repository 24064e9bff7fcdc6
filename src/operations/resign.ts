import type { PublicMaterial } from "../model/signature.ts";
import type { Reference } from "../oci/reference.ts";
import type { Manifest, Repository } from "../oci/repository.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { PromoteReport } from "../reports/report.ts";
import type { Resigning } from "./promotion.ts";
import type { Session } from "./session.ts";
import { signSubject } from "./sign-subject.ts";
import { materialFor, signerOf } from "./store-signature.ts";

export type Resigned = PromoteReport["images"][number]["resigned"][number];

/**
 * Signs manifests anew where they have been copied to, in each format; a signature of the same key that is there already is left.
 * @throws the first failure: an image whose new signature is missing is not promoted.
 */
export async function resign(
  session: Session,
  repository: Repository,
  reference: Reference,
  manifests: readonly Manifest[],
  resigning: Resigning,
  material: PublicMaterial,
  dryRun: boolean,
): Promise<readonly Resigned[]> {
  const signed = await mapConcurrently(manifests, 16, async ({ digest, mediaType, size }): Promise<Resigned[]> => {
    const subject = { repository: repository.name, digest, mediaType, size };
    if (dryRun) {
      const options = { ...resigning.options, at: session.host.now() };
      return resigning.formats.map((format) => {
        const { algorithm } = format.prepare(subject, materialFor(format, material), options);
        const signer = signerOf(format, material);
        return { format: format.name, subject: digest, place: null, status: "planned", algorithm, signer };
      });
    }
    const outcomes = await signSubject(session, repository, subject, resigning, material, reference);
    return outcomes.map((outcome) => {
      if (outcome.kind === "failed") throw outcome.error;
      const { added, ...signature } = outcome.signature;
      return { ...signature, subject: digest, status: added ? "added" : "unchanged" };
    });
  });
  return signed.flat();
}
