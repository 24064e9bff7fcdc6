import { createHash } from "node:crypto";
import type { Descriptor } from "../model/descriptor.ts";
import { digestAlgorithm } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";

/**
 * The bytes of a blob as they come, held against its size and digest. The last piece is kept back until all of them are known to be
 * right, so whoever writes them elsewhere never has the whole of a wrong blob.
 *
 * @param name for the message: `registry.example.com/app@sha256:…`
 * @throws E_DIGEST_MISMATCH; and what `chunks` throws.
 */
export async function* checkedStream(
  chunks: AsyncIterable<Uint8Array>,
  { digest, size }: Descriptor,
  name: string,
): AsyncIterable<Uint8Array> {
  const algorithm = digestAlgorithm(digest);
  const hash = createHash(algorithm);
  let seen = 0;
  let last: Uint8Array | undefined;
  for await (const chunk of chunks) {
    seen += chunk.length;
    if (seen > size) throw differentBlob(name, `more than the ${size} bytes that its manifest says`);
    hash.update(chunk);
    if (last !== undefined) yield last;
    last = chunk;
  }
  if (seen !== size) throw differentBlob(name, `${seen} bytes, not ${size}`);
  const found = `${algorithm}:${hash.digest("hex")}`;
  if (found !== digest) throw differentBlob(name, found);
  if (last !== undefined) yield last;
}

export function differentBlob(name: string, found: string): CountersignError {
  return new CountersignError("E_DIGEST_MISMATCH", `the blob ${name} came back as something else: ${found}`, {
    hint: "the registry, a cache or somebody between has changed it",
  });
}

export function missingBlob(name: string): CountersignError {
  return new CountersignError("E_BLOB_MISSING", `the registry has no blob ${name}, though a manifest names it`, {
    hint: "try again; if it stays so, push the image or the signature again",
  });
}
