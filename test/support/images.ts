import { createHash, randomBytes } from "node:crypto";
import type { Descriptor, Platform } from "../../src/model/descriptor.ts";
import { type Digest, digestOf } from "../../src/model/digest.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../../src/model/media-types.ts";
import { buildImageManifest, buildIndex } from "../../src/oci/build-manifest.ts";
import type { Storage } from "../../src/oci/embedded/storage.ts";
import type { Repository } from "../../src/oci/repository.ts";

/** Where an image can be put: any repository, also one that can do no more than this. */
export type Sink = Pick<Repository, "putBlob" | "putManifest">;

export interface ImageOptions {
  /** Absent: by digest only. */
  readonly tag?: string;
  /** Two or more make an index over one image each; an image for linux/amd64 when absent. */
  readonly platforms?: readonly Platform[];
  /** Makes the same image each time; a new one when absent. */
  readonly seed?: string;
  /** Bytes of the layer. */
  readonly layerSize?: number;
  /** Docker's media types in place of OCI's. */
  readonly docker?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Makes it a referrer. */
  readonly subject?: Descriptor;
  readonly artifactType?: string;
}

export interface PushedImage {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** As a subject or an index names it. */
  readonly descriptor: Descriptor;
  /** The images of an index, in the order of `platforms`. */
  readonly children: readonly PushedImage[];
}

const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar";
const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";

/** Pushes a small image, or an index of small images, that real programs can read. */
export async function pushImage(sink: Sink, options: ImageOptions = {}): Promise<PushedImage> {
  const seed = options.seed ?? randomBytes(16).toString("hex");
  const platforms = options.platforms ?? [{ os: "linux", architecture: "amd64" }];
  if (platforms.length === 1 && platforms[0] !== undefined) return pushOne(sink, { ...options, seed }, platforms[0]);
  const children: PushedImage[] = [];
  const manifests: Descriptor[] = [];
  for (const platform of platforms) {
    const { docker, layerSize } = options;
    const child = await pushOne(
      sink,
      { ...(docker ? { docker } : {}), ...(layerSize ? { layerSize } : {}), seed },
      platform,
    );
    children.push(child);
    manifests.push({ ...child.descriptor, platform });
  }
  const mediaType = options.docker ? DOCKER_MANIFEST_LIST : OCI_INDEX;
  const { annotations, subject, artifactType } = options;
  const bytes = buildIndex({ mediaType, manifests, annotations, subject, artifactType });
  return { ...(await put(sink, options.tag, bytes, mediaType)), children };
}

async function pushOne(sink: Sink, options: ImageOptions, platform: Platform): Promise<PushedImage> {
  const layer = layerBytes(`${options.seed} ${platform.os}/${platform.architecture}`, options.layerSize ?? 1024);
  const configBytes = Buffer.from(
    JSON.stringify({
      architecture: platform.architecture,
      os: platform.os,
      ...(platform.variant === undefined ? {} : { variant: platform.variant }),
      config: {},
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    }),
  );
  const config = await blob(sink, configBytes, options.docker ? DOCKER_CONFIG : OCI_CONFIG);
  const layers = [await blob(sink, layer, options.docker ? DOCKER_LAYER : OCI_LAYER)];
  const mediaType = options.docker ? DOCKER_MANIFEST : OCI_MANIFEST;
  const { annotations, subject, artifactType } = options;
  const bytes = buildImageManifest({ mediaType, config, layers, annotations, subject, artifactType });
  return { ...(await put(sink, options.tag, bytes, mediaType)), children: [] };
}

async function blob(sink: Sink, bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
  return { mediaType, digest: await sink.putBlob(bytes), size: bytes.length };
}

async function put(sink: Sink, tag: string | undefined, bytes: Uint8Array, mediaType: string) {
  const digest = digestOf(bytes);
  await sink.putManifest(tag ?? digest, { bytes, mediaType });
  return { digest, mediaType, bytes, descriptor: { mediaType, digest, size: bytes.length } };
}

/** An empty tar archive, then filler that programs that unpack leave alone. */
function layerBytes(seed: string, size: number): Uint8Array {
  const bytes = Buffer.alloc(1024 + size);
  for (let at = 1024, block = 0; at < bytes.length; at += 32, block += 1) {
    createHash("sha256").update(`${seed} ${block}`).digest().copy(bytes, at);
  }
  return bytes;
}

/** A way into an embedded registry's storage that needs no client and leaves no trace in its log. */
export function storageSink(storage: Storage, name: string): Sink {
  const kept = storage.getOrCreate(name);
  return {
    async putBlob(bytes) {
      const digest = digestOf(bytes);
      kept.blobs.set(digest, bytes);
      return digest;
    },
    async putManifest(reference, manifest) {
      const digest = digestOf(manifest.bytes);
      storage.put(name, digest, manifest);
      if (!reference.includes(":")) kept.tags.set(reference, digest);
      return { digest };
    },
  };
}
