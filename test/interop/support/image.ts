import { createHash } from "node:crypto";

/** An image that a test has put into a registry. */
export interface PushedImage {
  readonly repository: string;
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes of the manifest. */
  readonly size: number;
  /** `host/repository@digest`. */
  readonly reference: string;
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";
const indexType = "application/vnd.oci.image.index.v1+json";

/**
 * Puts a small image into a registry by plain HTTP, one request after the other, under a tag.
 * Images of different seeds have different digests.
 */
export async function pushImage(host: string, repository: string, seed = "", tag?: string): Promise<PushedImage> {
  const config = { architecture: "amd64", os: "linux", config: { Labels: { seed } }, rootfs: { type: "layers" } };
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      ...(await putBlob(host, repository, JSON.stringify(config))),
    },
    layers: [
      { mediaType: "application/vnd.oci.image.layer.v1.tar", ...(await putBlob(host, repository, `layer ${seed}`)) },
    ],
  };
  return putManifest(host, repository, manifest, manifestType, tag);
}

/** Puts an index of images for these architectures; `children` are in the same order. */
export async function pushIndex(
  host: string,
  repository: string,
  architectures: readonly string[],
  tag?: string,
): Promise<{ readonly index: PushedImage; readonly children: readonly PushedImage[] }> {
  const children: PushedImage[] = [];
  for (const architecture of architectures) children.push(await pushImage(host, repository, architecture));
  const manifests = children.map(({ mediaType, digest, size }, position) => ({
    mediaType,
    digest,
    size,
    platform: { os: "linux", architecture: architectures[position] },
  }));
  const index = { schemaVersion: 2, mediaType: indexType, manifests };
  return { index: await putManifest(host, repository, index, indexType, tag), children };
}

/** Puts a blob; its digest and size, as a descriptor has them. */
export async function putBlob(
  host: string,
  repository: string,
  text: string | Uint8Array<ArrayBuffer>,
): Promise<{ digest: string; size: number }> {
  const digest = digestOf(text);
  const started = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: "POST" });
  const upload = new URL(started.headers.get("location") ?? "", `http://${host}`);
  upload.searchParams.set("digest", digest);
  await ensure(
    await fetch(upload, { method: "PUT", body: text, headers: { "content-type": "application/octet-stream" } }),
  );
  return { digest, size: Buffer.byteLength(text) };
}

/** Puts a manifest under a tag, or by its digest. */
export async function putManifest(
  host: string,
  repository: string,
  content: object,
  mediaType: string,
  tag?: string,
): Promise<PushedImage> {
  const text = JSON.stringify(content);
  const digest = digestOf(text);
  const url = `http://${host}/v2/${repository}/manifests/${tag ?? digest}`;
  await ensure(await fetch(url, { method: "PUT", body: text, headers: { "content-type": mediaType } }));
  return {
    repository,
    digest,
    mediaType,
    size: Buffer.byteLength(text),
    reference: `${host}/${repository}@${digest}`,
  };
}

async function ensure(response: Response): Promise<void> {
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
}

function digestOf(text: string | Uint8Array): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
