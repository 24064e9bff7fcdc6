import type { Digest } from "../model/digest.ts";
import { OCI_CONFIG, OCI_MANIFEST, SIMPLE_SIGNING } from "../model/media-types.ts";
import { buildImageManifest } from "../oci/build-manifest.ts";
import type { Repository } from "../oci/repository.ts";
import type { Host } from "../platform/host.ts";

/** A small image: a config, and one layer of random bytes. Resolves to its digest. */
export async function pushImage(host: Host, repository: Repository, tag: string): Promise<Digest> {
  const layer = host.randomBytes(256);
  const config = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } }),
  );
  const bytes = buildImageManifest({
    config: { mediaType: OCI_CONFIG, digest: await repository.putBlob(config), size: config.length },
    layers: [
      {
        mediaType: "application/vnd.oci.image.layer.v1.tar",
        digest: await repository.putBlob(layer),
        size: layer.length,
      },
    ],
  });
  const { digest } = await repository.putManifest(tag, { bytes, mediaType: OCI_MANIFEST });
  return digest;
}

const signatureTag = (digest: Digest) => `${digest.replace(":", "-")}.sig`;

/** What a thief would try first: another image's signature manifest under this image's tag. */
export async function moveSignature(repository: Repository, from: Digest, to: Digest): Promise<void> {
  const manifest = await repository.getManifest(signatureTag(from));
  if (manifest !== undefined) await repository.putManifest(signatureTag(to), manifest);
}

/** And next: the payload rewritten to name this image, the signature bytes kept. */
export async function forgeSignature(repository: Repository, from: Digest, to: Digest): Promise<void> {
  const manifest = await repository.getManifest(signatureTag(from));
  const layer = manifest?.content.layers?.[0];
  const config = manifest?.content.config;
  if (layer === undefined || config === undefined) return;
  const payload = Buffer.from(await repository.getBlob(layer, layer.size))
    .toString()
    .replace(from, to);
  const forged = Buffer.from(payload);
  const digest = await repository.putBlob(forged);
  const bytes = buildImageManifest({
    config,
    layers: [{ ...layer, mediaType: SIMPLE_SIGNING, digest, size: forged.length }],
  });
  await repository.putManifest(signatureTag(to), { bytes, mediaType: OCI_MANIFEST });
}
