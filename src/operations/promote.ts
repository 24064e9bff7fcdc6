import { CountersignError } from "../model/errors.ts";
import type { PublicMaterial } from "../model/signature.ts";
import { createCopying } from "../oci/copy.ts";
import { memo } from "../platform/memo.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { PromoteReport } from "../reports/report.ts";
import type { HonouredConditions } from "../stores/merge-tag.ts";
import { putManifestPatiently } from "../stores/put-manifest.ts";
import { promoteImage } from "./promote-image.ts";
import type { PromoteRequest, PromotionRun, Resigning } from "./promotion.ts";
import { planPairs } from "./promotion-pairs.ts";
import { rehearse } from "./rehearse.ts";
import type { Session } from "./session.ts";
import { ensureMakes } from "./sign-by-envelope.ts";

/** The policy documents that decide at each end; nothing where flags alone do. */
function policiesOf({ source, destination }: PromoteRequest): Pick<PromoteReport, "policies"> {
  const [from, to] = [source, destination ?? source].map(({ requirement }) =>
    "requirementFor" in requirement ? [...requirement.policies] : [],
  );
  if (from === undefined || to === undefined || from.length + to.length === 0) return {};
  return { policies: { source: from, destination: to } };
}

/** Who will have signed: the destination is verified by it. A program that makes whole envelopes does not tell before it has made one. */
async function materialOf(resigning: Resigning): Promise<PublicMaterial> {
  const { signer } = resigning;
  if (signer.envelopes === undefined) return signer.describe();
  ensureMakes(signer, resigning);
  if (signer.envelopes.material !== undefined) return signer.envelopes.material;
  throw new CountersignError("E_USAGE", `${signer.label} makes whole envelopes, and whose they are is not said`, {
    hint: "name its certificates with --resign-certificate and --resign-certificate-chain, root included",
  });
}

/**
 * Promotes images: resolves the source once, verifies it there, copies it with everything that hangs on it, signs it anew if asked, verifies it at
 * the destination, and only then moves the tag. Goes on when an image fails; the report has each.
 *
 * @param source reads; `destination` writes, with credentials of its own. Both may be one.
 * Throws only before the first request: E_REFERENCE_INVALID, E_USAGE for a destination that is named twice or may not be written,
 * E_ALGORITHM_UNSUPPORTED for a signer that cannot sign so.
 */
export async function promote(source: Session, destination: Session, request: PromoteRequest): Promise<PromoteReport> {
  const pairs = planPairs(request.pairs);
  const { dryRun, resigning } = request;
  const material = resigning && (await materialOf(resigning));
  const remarks =
    resigning && material
      ? rehearse(resigning.formats, { ...resigning.options, at: destination.host.now() }, material)
      : [];
  const { host } = destination;
  const honoured = new Map<string, HonouredConditions>();
  const run: PromotionRun = {
    source,
    destination,
    request,
    material,
    copying: createCopying({
      dryRun,
      onMoved: (bytes) => destination.progress.moved?.(bytes),
      write: (repository, manifest) => putManifestPatiently(repository, host, manifest.digest, manifest),
    }),
    honouredBy: (name) => memo(honoured, name, () => new Set()),
    verified: new Map(),
    carried: new Map(),
    keepers: new Map(),
  };
  let done = 0;
  const outcomes = await mapConcurrently(pairs, destination.concurrency, async (pair) => {
    const outcome = await promoteImage(run, pair);
    done += 1;
    destination.progress.finished(done, pairs.length, pair.destination.text);
    return outcome;
  });
  return {
    schemaVersion: 1,
    operation: "promote",
    dryRun,
    images: outcomes.map(({ image }) => image),
    ...policiesOf(request),
    warnings: [
      ...new Set([
        ...request.warnings,
        ...remarks,
        ...outcomes.flatMap(({ warnings }) => warnings),
        ...[source, destination].flatMap(({ lookasides }) => lookasides?.warnings() ?? []),
      ]),
    ],
  };
}
