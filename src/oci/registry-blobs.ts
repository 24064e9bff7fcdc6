import { type Digest, digestOf, matchesDigest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { readBody } from "../platform/body.ts";
import { memoUnlessFailed } from "../platform/memo.ts";
import type { Scope } from "./auth.ts";
import { differentBlob, missingBlob } from "./checked-stream.ts";
import type { Repository } from "./repository.ts";
import type { Transport } from "./transport.ts";

/** A registry forgets an upload when it restarts, and after it was finished by a request whose answer got lost. */
const UPLOAD_ATTEMPTS = 2;

/**
 * Blobs of one repository over HTTP (distribution-spec, pulling and pushing blobs).
 *
 * @param uploads what this run has uploaded to the repository, or is uploading.
 */
export function createBlobs(
  transport: Transport,
  scope: Scope,
  uploads: Map<Digest, Promise<Digest>>,
): Pick<Repository, "getBlob" | "putBlob"> {
  const name = `${transport.registry}/${scope.repository}`;

  const upload = async (bytes: Uint8Array, digest: Digest): Promise<Digest> => {
    for (let attempt = 1; ; attempt += 1) {
      const location = await begin();
      location.searchParams.set("digest", digest);
      const headers = { "content-type": "application/octet-stream" };
      const stored = await transport.call(
        { method: "PUT", target: location, scope, headers, body: bytes },
        async (answer) => {
          const { status, response } = answer;
          if (status === 404 && attempt < UPLOAD_ATTEMPTS) {
            response.discard();
            return false;
          }
          if (status < 200 || status > 299) return transport.refuse(answer, `to store a blob in ${name}`);
          response.discard();
          const declared = response.header("docker-content-digest");
          if (declared !== undefined && declared !== digest)
            throw differentBlob(`${name}@${digest}`, declared.slice(0, 160));
          return true;
        },
      );
      if (stored) return digest;
    }
  };

  const begin = () =>
    transport.call({ method: "POST", target: `/v2/${scope.repository}/blobs/uploads/`, scope }, async (answer) => {
      if (answer.status !== 202) return transport.refuse(answer, `to take a blob for ${name}`);
      // To its end, so that what follows goes out on this connection and need not open another.
      await readBody(answer.response, LIMITS.errorBody, `the answer to an upload to ${name}`);
      return transport.location(answer);
    });

  return {
    async getBlob(descriptor, limit, { once } = {}) {
      const { digest, size } = descriptor;
      const blob = `${name}@${digest}`;
      if (size > limit) {
        throw new CountersignError(
          "E_TOO_LARGE",
          `the blob ${blob} has ${size} bytes, more than the ${limit} that are read`,
          { hint: "ask who wrote it: no signature is that large" },
        );
      }
      const target = `/v2/${scope.repository}/blobs/${digest}`;
      return transport.call({ method: "GET", target, scope, once }, async (answer) => {
        if (answer.status === 404) {
          answer.response.discard();
          throw missingBlob(blob);
        }
        if (answer.status !== 200) return transport.refuse(answer, `to give the blob ${blob}`);
        const bytes = await readBody(answer.response, size, `the blob ${blob}`);
        if (bytes.length !== size) throw differentBlob(blob, `${bytes.length} bytes, not ${size}`);
        if (!matchesDigest(bytes, digest)) throw differentBlob(blob, digestOf(bytes));
        return bytes;
      });
    },
    async putBlob(bytes) {
      const digest = digestOf(bytes);
      return memoUnlessFailed(uploads, digest, () => upload(bytes, digest));
    },
  };
}
