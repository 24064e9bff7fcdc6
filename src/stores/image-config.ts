import type { Digest } from "../model/digest.ts";

/** Go's zero time: the same layers give the same bytes, whenever they were signed. */
const ZERO_TIME = "0001-01-01T00:00:00Z";

/**
 * The image configuration (image-spec config.md) for a manifest of signatures, UTF-8 JSON, as cosign writes it: it must list as
 * many layers as the manifest has, or cosign cannot append to it. Signature layers are not compressed, so their digests
 * are their diff IDs.
 */
export function encodeImageConfig(layers: readonly Digest[]): Uint8Array {
  const config = {
    architecture: "",
    created: ZERO_TIME,
    history: layers.map(() => ({ created: ZERO_TIME })),
    os: "",
    rootfs: { type: "layers", diff_ids: layers },
    config: {},
  };
  return new TextEncoder().encode(JSON.stringify(config));
}
