/** Signatures as a registry keeps them, read and written by plain HTTP: what an attacker with write access can do. */
import type { CosignFormat } from "./cosign.ts";
import { type PushedImage, putBlob, putManifest } from "./image.ts";

export interface KeptSignature {
  readonly format: CosignFormat;
  readonly mediaType: string;
  /** The simple-signing payload, or the bundle. */
  readonly blob: Buffer<ArrayBuffer>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Manifest {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly layers: readonly { mediaType: string; digest: string; size: number; annotations?: Record<string, string> }[];
  readonly annotations?: Record<string, string>;
  readonly manifests?: readonly { digest: string; artifactType?: string }[];
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";
const indexType = "application/vnd.oci.image.index.v1+json";
const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";

/** The manifest under a tag or digest, undefined where there is none. */
export async function fetchManifest(
  host: string,
  repository: string,
  reference: string,
): Promise<Manifest | undefined> {
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${reference}`, {
    headers: { accept: `${manifestType}, ${indexType}` },
  });
  return answer.status === 404 ? undefined : ((await answer.json()) as Manifest);
}

export async function fetchBlob(host: string, repository: string, digest: string): Promise<Buffer<ArrayBuffer>> {
  return Buffer.from(await (await fetch(`http://${host}/v2/${repository}/blobs/${digest}`)).arrayBuffer());
}

export function signatureTagOf(image: PushedImage): string {
  return `${image.digest.replace(":", "-")}.sig`;
}

export function fallbackTagOf(image: PushedImage): string {
  return image.digest.replace(":", "-");
}

/** Every signature of a format on an image, in the order of its list. */
export async function keptSignatures(image: PushedImage, format: CosignFormat): Promise<readonly KeptSignature[]> {
  const host = hostOf(image);
  const { repository } = image;
  if (format === "cosign") {
    const manifest = await fetchManifest(host, repository, signatureTagOf(image));
    return Promise.all(
      (manifest?.layers ?? []).map((layer) => kept(host, repository, format, layer, layer.annotations)),
    );
  }
  const api = await fetch(`http://${host}/v2/${repository}/referrers/${image.digest}`);
  const index = api.ok ? ((await api.json()) as Manifest) : await fetchManifest(host, repository, fallbackTagOf(image));
  return Promise.all(
    (index?.manifests ?? []).map(async ({ digest }) => {
      const referrer = await fetchManifest(host, repository, digest);
      const layer = referrer?.layers[0];
      if (layer === undefined) throw new Error(`${digest} is no referrer with a layer`);
      return kept(host, repository, format, layer, referrer?.annotations);
    }),
  );
}

async function kept(
  host: string,
  repository: string,
  format: CosignFormat,
  layer: Manifest["layers"][number],
  annotations: Record<string, string> = {},
): Promise<KeptSignature> {
  return { format, mediaType: layer.mediaType, blob: await fetchBlob(host, repository, layer.digest), annotations };
}

/** Makes these the only signatures of their format on an image that has none of it. */
export async function plant(image: PushedImage, signatures: readonly KeptSignature[]): Promise<void> {
  const host = hostOf(image);
  const { repository } = image;
  const legacy = signatures.filter(({ format }) => format === "cosign");
  if (legacy.length > 0) {
    const layers = await Promise.all(
      legacy.map(async ({ mediaType, blob, annotations }) => ({
        mediaType,
        ...(await putBlob(host, repository, blob)),
        annotations,
      })),
    );
    const config = {
      mediaType: "application/vnd.oci.image.config.v1+json",
      ...(await putBlob(host, repository, "{}")),
    };
    const manifest = { schemaVersion: 2, mediaType: manifestType, config, layers };
    await putManifest(host, repository, manifest, manifestType, signatureTagOf(image));
  }
  const bundles = signatures.filter(({ format }) => format === "bundle");
  if (bundles.length === 0) return;
  const empty = { mediaType: "application/vnd.oci.empty.v1+json", ...(await putBlob(host, repository, "{}")) };
  const { mediaType, digest, size } = image;
  const manifests = [];
  for (const { mediaType: layerType, blob, annotations } of bundles) {
    const layer = { mediaType: layerType, ...(await putBlob(host, repository, blob)) };
    const subject = { mediaType, digest, size };
    const referrer = {
      schemaVersion: 2,
      mediaType: manifestType,
      artifactType: bundleType,
      config: empty,
      layers: [layer],
      annotations,
      subject,
    };
    const pushed = await putManifest(host, repository, referrer, manifestType);
    manifests.push({ mediaType: manifestType, digest: pushed.digest, size: pushed.size, artifactType: bundleType });
  }
  const api = await fetch(`http://${host}/v2/${repository}/referrers/${digest}`);
  if (api.ok) return;
  await putManifest(
    host,
    repository,
    { schemaVersion: 2, mediaType: indexType, manifests },
    indexType,
    fallbackTagOf(image),
  );
}

/** A bundle with its statement changed, its signature as it was. */
export function withStatement(signature: KeptSignature, change: (statement: string) => string): KeptSignature {
  const bundle = JSON.parse(signature.blob.toString()) as { dsseEnvelope: { payload: string } };
  const statement = change(Buffer.from(bundle.dsseEnvelope.payload, "base64").toString());
  bundle.dsseEnvelope.payload = Buffer.from(statement).toString("base64");
  return { ...signature, blob: Buffer.from(JSON.stringify(bundle)) };
}

/** A signature with what it says changed, whatever its format. */
export function withClaims(signature: KeptSignature, change: (claims: string) => string): KeptSignature {
  if (signature.format === "bundle") return withStatement(signature, change);
  return { ...signature, blob: Buffer.from(change(signature.blob.toString())) };
}

function hostOf(image: PushedImage): string {
  return image.reference.slice(0, image.reference.indexOf("/"));
}
