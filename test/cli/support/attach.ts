import type { KeyObject } from "node:crypto";
import { formatNamed } from "../../../src/formats/registry.ts";
import type { Descriptor } from "../../../src/model/descriptor.ts";
import { type Digest, digestOf } from "../../../src/model/digest.ts";
import type { SigningOptions } from "../../../src/model/format.ts";
import { OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST } from "../../../src/model/media-types.ts";
import type { Artefact, FormatName, PublicMaterial } from "../../../src/model/signature.ts";
import { buildImageManifest, buildIndex } from "../../../src/oci/build-manifest.ts";
import { makeArtefact, plain } from "../../formats/support/signing.ts";
import { type PushedImage, storageSink } from "../../support/images.ts";
import type { StartedRegistry } from "../../support/start-registry.ts";

/** A repository of a registry under test, written beneath its rules and its log. */
export interface Target {
  readonly registry: StartedRegistry;
  readonly repository: string;
}

/** What a signer would store for an image, made without the program's own way of signing. */
export function signatureOf(
  format: FormatName,
  { registry, repository }: Target,
  image: PushedImage,
  { key, material }: { readonly key: KeyObject; readonly material: PublicMaterial },
  options: SigningOptions = plain,
): Artefact {
  const { digest, mediaType, bytes } = image;
  const subject = { repository: `${registry.host}/${repository}`, digest, mediaType, size: bytes.length };
  return makeArtefact(formatNamed(format), key, material, options, subject);
}

/** The `.sig` tag of an image. */
export function sigTag(digest: Digest): string {
  return `${digest.replace(":", "-")}.sig`;
}

/** Puts signatures under the `.sig` tag, in place of whatever stands there. */
export async function attachAsTag({ registry, repository }: Target, subject: Digest, artefacts: readonly Artefact[]) {
  const sink = storageSink(registry.storage, repository);
  const config = Buffer.from("{}");
  const layers = artefacts.map(({ mediaType, bytes, annotations }) => ({ mediaType, bytes, annotations }));
  const bytes = buildImageManifest({
    config: { mediaType: OCI_CONFIG, digest: await sink.putBlob(config), size: config.length },
    layers: await Promise.all(
      layers.map(async ({ mediaType, bytes, annotations }) => ({
        mediaType,
        digest: await sink.putBlob(bytes),
        size: bytes.length,
        annotations,
      })),
    ),
  });
  await sink.putManifest(sigTag(subject), { bytes, mediaType: OCI_MANIFEST });
}

/** Puts a referrer of an image, as whoever may write there can; gives its descriptor as an index names it. */
export async function attachAsReferrer(
  { registry, repository }: Target,
  subject: Descriptor,
  { mediaType, bytes, annotations, artifactType }: Omit<Artefact, "format">,
): Promise<Descriptor> {
  const sink = storageSink(registry.storage, repository);
  const config = Buffer.from("{}");
  const manifest = buildImageManifest({
    artifactType: artifactType ?? mediaType,
    config: { mediaType: OCI_EMPTY, digest: await sink.putBlob(config), size: config.length },
    layers: [{ mediaType, digest: await sink.putBlob(bytes), size: bytes.length }],
    annotations,
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
  });
  await sink.putManifest(digestOf(manifest), { bytes: manifest, mediaType: OCI_MANIFEST });
  return {
    mediaType: OCI_MANIFEST,
    digest: digestOf(manifest),
    size: manifest.length,
    artifactType: artifactType ?? mediaType,
    annotations,
  };
}

/** Lists referrers under the fallback tag, in place of whatever stands there. */
export async function listUnderTag(
  { registry, repository }: Target,
  subject: Digest,
  manifests: readonly Descriptor[],
) {
  const bytes = buildIndex({ manifests });
  await storageSink(registry.storage, repository).putManifest(subject.replace(":", "-"), {
    bytes,
    mediaType: OCI_INDEX,
  });
}
