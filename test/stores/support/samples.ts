import type { Subject } from "../../../src/model/descriptor.ts";
import { digestOf } from "../../../src/model/digest.ts";
import { COSIGN_SIGNATURE, OCI_MANIFEST, SIGSTORE_BUNDLE, SIMPLE_SIGNING } from "../../../src/model/media-types.ts";
import type { Artefact } from "../../../src/model/signature.ts";
import type { SettleOptions } from "../../../src/stores/settle.ts";

export const settle: SettleOptions = { base: 400, factor: 3, freshness: 100, longest: 15_000, attempts: 40 };

export const subject: Subject = {
  repository: "registry.test/app",
  digest: digestOf(Buffer.from("an image")),
  mediaType: OCI_MANIFEST,
  size: 8,
};

/** A layer for the signature tag: signers of one image share the payload. */
export function layerOf(signer: string): Artefact {
  return {
    format: "cosign",
    mediaType: SIMPLE_SIGNING,
    bytes: Buffer.from('{"critical":{}}'),
    annotations: { [COSIGN_SIGNATURE]: Buffer.from(signer).toString("base64") },
  };
}

export function bundleOf(signer: string): Artefact {
  return {
    format: "bundle",
    mediaType: SIGSTORE_BUNDLE,
    artifactType: SIGSTORE_BUNDLE,
    bytes: Buffer.from(JSON.stringify({ signer })),
    annotations: { "dev.sigstore.bundle.content": "dsse-envelope" },
  };
}
