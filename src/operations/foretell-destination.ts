import { formatNamed } from "../formats/registry.ts";
import type { Digest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import type { Authority, Requirement } from "../model/policy.ts";
import type { Evidence, Malformed, Reason } from "../model/signature.ts";
import { dockerReferenceOf } from "../oci/docker-reference.ts";
import type { ManifestTree } from "../oci/manifest-tree.ts";
import { formatReference, type Reference } from "../oci/reference.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import { identityJson } from "../policies/containers/entry.ts";
import { assess, judge } from "../policies/judge.ts";
import { authoritiesOf } from "../policies/requirement.ts";
import { type Cargo, resignsOpenPgp } from "./carried-signatures.ts";
import { policyEntryFor } from "./destination-entry.ts";
import type { PromotionRun } from "./promotion.ts";
import { destinationTrust, questionsOf, type Verification } from "./promotion-checks.ts";
import type { PlannedPair } from "./promotion-pairs.ts";

const openpgp = formatNamed("openpgp");

/**
 * Whether the OpenPGP signatures that would be at the destination, those carried there and those it has, are accepted there: above all,
 * whether the reference inside them is one that the destination's policy takes. Asked before anything is written; of what other formats
 * have to say nothing is foretold. A new OpenPGP signature answers for itself when it is there.
 *
 * @throws E_NOT_VERIFIED naming what would make it accepted.
 */
export async function foretellDestination(
  run: PromotionRun,
  pair: PlannedPair,
  tree: ManifestTree,
  cargo: Cargo,
  source: Verification,
): Promise<void> {
  const { request, destination } = run;
  const entry = policyEntryFor(run, pair, cargo, source);
  if (entry !== undefined) request.onPolicyEntry?.(entry);
  if (resignsOpenPgp(request)) return;
  const trust = destinationTrust(run, pair, undefined);
  const at = destination.host.now();
  await mapConcurrently(questionsOf(request, trust, trust.reference, tree), 8, async ({ manifest, asked }) => {
    const { requirement } = trust;
    const applicable = "requirementFor" in requirement ? requirement.requirementFor(asked) : requirement;
    // These end at the destination as they always do.
    if (applicable === undefined || applicable === "skip") return;
    const refuse = (why: string) => refused(pair, why, entry?.identity && identityJson(entry.identity));
    if ("refused" in applicable) throw refuse(`${applicable.refused.code}: ${applicable.refused.message}`);
    const load = cargo.loads.get(manifest.digest);
    const carried = load?.pieces.map(({ stored }) => openpgp.read(stored)) ?? [];
    const evidence = [...carried, ...(load?.others ?? [])];
    const authorities = authoritiesOf(applicable).filter(isOpenPgpAlone);
    const opinions = await Promise.all(
      authorities.map(async (authority) => {
        const assessments = await Promise.all(evidence.map((one) => assessed(one, authority, manifest.digest, at)));
        return [authority, opinionOf(authority, assessments, asked)] as const;
      }),
    );
    const reasons = new Map(opinions);
    if (mayHold(applicable, reasons)) return;
    const [reason] = [...reasons.values()].flat();
    throw refuse(reason === undefined ? "no OpenPGP signature would be there" : `${reason.code}: ${reason.message}`);
  });
}

function assessed(one: Evidence | Malformed, authority: Authority, digest: Digest, at: Date) {
  return "reason" in one ? one : assess(one, [authority], (trust) => openpgp.check(one, digest, trust, at));
}

/** Why an authority would not be content; undefined where it would. */
function opinionOf(
  authority: Authority,
  assessments: Parameters<typeof judge>[0]["assessments"],
  asked: Reference,
): readonly Reason[] | undefined {
  const { verdict, signatures } = judge({
    requirement: { authority },
    assessments,
    failures: [],
    wanted: { repository: asked.name, reference: formatReference(asked), docker: dockerReferenceOf(asked) },
  });
  return verdict === "trusted" ? undefined : signatures.flatMap(({ reasons }) => reasons);
}

/** Whether only OpenPGP signatures can content it. */
function isOpenPgpAlone({ formats, trust }: Authority): boolean {
  if (formats !== undefined) return formats.every((name) => name === openpgp.name);
  return trust.openpgp !== undefined && trust.keys.length + trust.anchors.length === 0;
}

/** Whether a requirement can hold, whatever other formats bring. */
function mayHold(requirement: Requirement, reasons: ReadonlyMap<Authority, readonly Reason[] | undefined>): boolean {
  if ("authority" in requirement) return reasons.get(requirement.authority) === undefined;
  if ("all" in requirement) return requirement.all.every((part) => mayHold(part, reasons));
  const parts = "any" in requirement ? requirement.any : requirement.of;
  const least = "any" in requirement ? 1 : requirement.atLeast;
  return parts.filter((part) => mayHold(part, reasons)).length >= least;
}

function refused(
  { destination }: PlannedPair,
  why: string,
  identity: Readonly<Record<string, string>> | undefined,
): CountersignError {
  const rule =
    identity === undefined
      ? "let the destination's policy or the --destination flags trust who signed"
      : `let the destination's policy say "signedIdentity": ${JSON.stringify(identity)}`;
  return new CountersignError(
    "E_NOT_VERIFIED",
    `${destination.text} would not verify at the destination, and nothing was written: ${why}`,
    {
      hint: `${rule} (--write-destination-policy FILE writes the entry), or sign for the destination with --resign --resign-format openpgp`,
    },
  );
}
