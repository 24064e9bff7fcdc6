import { encodePayload } from "../formats/cosign/payload.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestAlgorithm, digestOf } from "../model/digest.ts";
import { SIMPLE_SIGNING } from "../model/media-types.ts";
import type { Repository } from "../oci/repository.ts";

/**
 * The payload that a cosign signature of `subject` has when it was made in this repository and without annotations, as most are. It
 * says which blob to ask for before the tag has been read, and nothing about what is signed (docs/decisions/008-payload-ahead.md).
 */
export function foretellPayload(repository: Repository, subject: Digest): Descriptor | undefined {
  if (repository.kind !== "registry" || digestAlgorithm(subject) !== "sha256") return undefined;
  const bytes = encodePayload({ reference: repository.name, digest: subject, annotations: {} });
  return { mediaType: SIMPLE_SIGNING, digest: digestOf(bytes), size: bytes.length };
}
