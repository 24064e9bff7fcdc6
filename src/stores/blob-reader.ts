import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import type { Repository } from "../oci/repository.ts";

/** Reads blobs of at most `limit` bytes; who asks for one that is on its way shares it, as the signers of one payload do. */
export function createBlobReader(
  repository: Repository,
  limit: number,
): (descriptor: Descriptor) => Promise<Uint8Array> {
  const onTheirWay = new Map<Digest, Promise<Uint8Array>>();
  return (descriptor) => {
    const { digest } = descriptor;
    const under = onTheirWay.get(digest);
    if (under !== undefined) return under;
    const bytes = repository.getBlob(descriptor, limit).finally(() => onTheirWay.delete(digest));
    onTheirWay.set(digest, bytes);
    return bytes;
  };
}
