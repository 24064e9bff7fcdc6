import { formatNamed } from "../formats/registry.ts";
import type { OpenPgpCertificate } from "../model/openpgp.ts";
import { type DockerReference, dockerReferenceOf, parseDockerReference } from "../oci/docker-reference.ts";
import { byWidth, identityFor, type PolicyEntry } from "../policies/containers/entry.ts";
import { authoritiesOf } from "../policies/requirement.ts";
import { type Cargo, resignsOpenPgp } from "./carried-signatures.ts";
import type { PromotionRun } from "./promotion.ts";
import type { Verification } from "./promotion-checks.ts";
import type { PlannedPair } from "./promotion-pairs.ts";
import { signedReference } from "./signed-reference.ts";

const openpgp = formatNamed("openpgp");

/**
 * What a policy.json at the destination must say to accept the OpenPGP signatures that the image will have there: the new one, where it is
 * signed anew, else those that counted at the source. Undefined where there are none, or the destination is a folder.
 */
export function policyEntryFor(
  { request, material }: PromotionRun,
  pair: PlannedPair,
  cargo: Cargo,
  source: Verification,
): PolicyEntry | undefined {
  const pulled = dockerReferenceOf(pair.destination.reference);
  if (pulled === undefined) return undefined;
  const repository = pulled.name;
  const { resigning } = request;
  if (resignsOpenPgp(request) && material?.openpgp !== undefined) {
    const reference = resigning?.options.reference ?? signedReference([openpgp], pair.destination.reference);
    const claimed = reference === undefined ? pulled : parseDockerReference(reference);
    const identity = claimed && identityFor(pulled, claimed);
    return { repository, blocks: [material.openpgp.certificate.block], identity };
  }
  const counted = source.images.flatMap(({ signatures }) => signatures.filter(({ trusted }) => trusted));
  const claims = [...cargo.loads.values()].flatMap(({ pieces }) =>
    pieces.flatMap(({ stored }): readonly DockerReference[] => {
      const { place } = stored;
      if (!counted.some((each) => each.place.kind === place.kind && each.place.name === place.name)) return [];
      const evidence = openpgp.read(stored);
      const claimed = "reason" in evidence ? undefined : parseDockerReference(evidence.claims.reference ?? "");
      return claimed === undefined ? [] : [claimed];
    }),
  );
  const names = new Set(counted.map(({ signer }) => signer?.fingerprint));
  const blocks = trustedAt(request.source, pair)
    .filter(({ fingerprint }) => names.has(`openpgp4fpr:${fingerprint}`))
    .map(({ block }) => block);
  if (claims.length === 0 || blocks.length === 0) return undefined;
  const [identity] = claims.map((claimed) => identityFor(pulled, claimed)).sort(byWidth);
  return { repository, blocks, identity };
}

/** Whose OpenPGP signatures count at the source, each once. */
function trustedAt(
  { requirement }: PromotionRun["request"]["source"],
  pair: PlannedPair,
): readonly OpenPgpCertificate[] {
  const asked = "requirementFor" in requirement ? requirement.requirementFor(pair.source.reference) : requirement;
  if (asked === undefined || asked === "skip" || "refused" in asked) return [];
  const certificates = authoritiesOf(asked).flatMap(({ trust }) => trust.openpgp ?? []);
  return [...new Map(certificates.map((certificate) => [certificate.fingerprint, certificate])).values()];
}
