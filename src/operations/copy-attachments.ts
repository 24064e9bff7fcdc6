import { formatNamed } from "../formats/registry.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestAlgorithm } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import {
  BUNDLE_PREDICATE_TYPE,
  COSE_ENVELOPE,
  COSIGN_SIGN_PREDICATE,
  NOTATION_SIGNATURE,
} from "../model/media-types.ts";
import { type ManifestTree, manifestsOf } from "../oci/manifest-tree.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { PromoteReport } from "../reports/report.ts";
import { copyReferrers } from "../stores/copy-referrers.ts";
import { copyTagged } from "../stores/copy-tagged.ts";
import type { CopyTask } from "../stores/copy-task.ts";

export type CopiedAttachment = PromoteReport["images"][number]["attachments"][number];

export interface CopiedAttachments {
  readonly attachments: readonly CopiedAttachment[];
  readonly warnings: readonly string[];
}

/** Subjects whose attachments are looked for at once. */
const AT_ONCE = 8;

const TAGS = {
  sig: { kind: "signature", format: "cosign" },
  att: { kind: "attestation", format: "dsse" },
  sbom: { kind: "sbom", format: null },
} as const;

/**
 * Copies everything that hangs on an image and on the images of its index, known or not, and what hangs on that: tags, referrers
 * API, fallback index. The image itself is at the destination already.
 *
 * @throws what either end throws: where something could not be looked at, a signature might stay behind. E_LIMIT.
 */
export async function copyAttachments(task: CopyTask, image: ManifestTree): Promise<CopiedAttachments> {
  const attachments: CopiedAttachment[] = [];
  const warnings: string[] = [];
  const seen = new Set<Digest>();
  let level: readonly ManifestTree[] = [image];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > LIMITS.attachmentDepth) throw tooDeep(image);
    const subjects = level.flatMap((tree) => manifestsOf(tree).map(({ digest }) => digest));
    const fresh = [...new Set(subjects)].filter((digest) => !seen.has(digest));
    for (const digest of fresh) seen.add(digest);
    const found = await mapConcurrently(fresh, AT_ONCE, (subject) => attachmentsOf(task, subject));
    for (const one of found) {
      attachments.push(...one.attachments);
      warnings.push(...one.warnings);
    }
    if (attachments.length > LIMITS.attachments) throw tooMany(image);
    level = found.flatMap(({ trees }) => trees);
  }
  return { attachments, warnings };
}

async function attachmentsOf(
  task: CopyTask,
  subject: Digest,
): Promise<CopiedAttachments & { readonly trees: readonly ManifestTree[] }> {
  const [tagged, { referrers, warnings }] = await Promise.all([
    Promise.all(suffixesFor(subject).map((suffix) => taggedBy(task, subject, suffix))),
    copyReferrers(task, subject),
  ]);
  const referring = referrers.map(({ descriptor, tree, place, status }): CopiedAttachment => {
    return {
      ...kindOf(descriptor, tree),
      subject,
      place: { kind: place.kind, name: place.name, digest: descriptor.digest },
      artifactType: descriptor.artifactType ?? null,
      status,
    };
  });
  return { attachments: [...tagged.flat(), ...referring], warnings, trees: referrers.map(({ tree }) => tree) };
}

/** cosign has such tags for sha256 alone: with a sha512 digest they would be too long. */
function suffixesFor(subject: Digest): readonly (keyof typeof TAGS)[] {
  return digestAlgorithm(subject) === "sha256" ? ["sig", "att", "sbom"] : [];
}

async function taggedBy(
  task: CopyTask,
  subject: Digest,
  suffix: keyof typeof TAGS,
): Promise<readonly CopiedAttachment[]> {
  const tag = `${subject.replace(":", "-")}.${suffix}`;
  const layers = await copyTagged(task, tag);
  return layers.map(({ descriptor, status }) => ({
    ...TAGS[suffix],
    subject,
    place: { kind: "tag", name: tag, digest: descriptor.digest },
    artifactType: null,
    status,
  }));
}

const bundle = formatNamed("bundle");

/** By what listing and manifest say; what is inside is the verifier's business. */
function kindOf(descriptor: Descriptor, { manifest }: ManifestTree): Pick<CopiedAttachment, "kind" | "format"> {
  if (descriptor.artifactType === NOTATION_SIGNATURE) {
    const [envelope] = manifest.content.layers ?? [];
    return { kind: "signature", format: envelope?.mediaType === COSE_ENVELOPE ? "notation-cose" : "notation" };
  }
  const place = { kind: "referrer", name: descriptor.digest } as const;
  if (!bundle.recognises({ place, descriptor })) return { kind: "referrer", format: null };
  const type = descriptor.annotations?.[BUNDLE_PREDICATE_TYPE];
  return { kind: type === COSIGN_SIGN_PREDICATE ? "signature" : "attestation", format: "bundle" };
}

function tooDeep({ manifest }: ManifestTree): CountersignError {
  return new CountersignError(
    "E_LIMIT",
    `attachments of attachments of ${manifest.digest} are nested deeper than ${LIMITS.attachmentDepth}`,
    { hint: "remove what nobody needs, and ask who wrote it" },
  );
}

function tooMany({ manifest }: ManifestTree): CountersignError {
  return new CountersignError(
    "E_LIMIT",
    `more than ${LIMITS.attachments} things hang on ${manifest.digest} and are not all copied`,
    { hint: "remove what nobody needs, and ask who wrote it" },
  );
}
