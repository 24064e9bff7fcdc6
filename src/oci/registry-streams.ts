import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { readBody } from "../platform/body.ts";
import type { Scope } from "./auth.ts";
import { checkedStream, differentBlob, missingBlob } from "./checked-stream.ts";
import type { BlobOrigin, StreamingRepository, Taken } from "./repository.ts";
import type { RegistryAnswer, Send, Transport } from "./transport.ts";

/** Connections of one blob that may break in the middle; each is gone on with where it broke. */
const BREAKS = 20;
/** A registry forgets an upload when it restarts. */
const UPLOADS = 2;

/**
 * Blobs of one repository that are never whole in memory (distribution-spec: pulling blobs with `Range`, pushing a blob monolithically,
 * mounting a blob from another repository).
 *
 * @param uploads what this run has put into the repository, or is putting.
 */
export function createBlobStreams(
  transport: Transport,
  scope: Scope,
  uploads: Map<Digest, Promise<Digest>>,
): Pick<StreamingRepository, "hasBlob" | "openBlob" | "takeBlob"> {
  const name = `${transport.registry}/${scope.repository}`;
  const pathOf = (digest: Digest) => `/v2/${scope.repository}/blobs/${digest}`;

  const has = (send: Send, { digest, size }: Descriptor) =>
    send({ method: "HEAD", target: pathOf(digest), scope }, async (answer) => {
      if (answer.status !== 200 && answer.status !== 404)
        return transport.refuse(answer, `to look for a blob in ${name}`);
      answer.response.discard();
      const length = answer.response.header("content-length");
      return answer.status === 200 && (length === undefined || Number(length) === size);
    });

  const ask = ({ digest, size }: Descriptor, from: number): Promise<RegistryAnswer> => {
    const headers: Record<string, string> = from === 0 ? {} : { range: `bytes=${from}-` };
    const request = { method: "GET", target: pathOf(digest), scope, headers, bulk: size - from } as const;
    return transport.call(request, async (answer) => {
      const { status, response } = answer;
      if (status === 404) {
        response.discard();
        throw missingBlob(`${name}@${digest}`);
      }
      const resumed = status === 206 && response.header("content-range")?.startsWith(`bytes ${from}-`);
      if (status === 200 || resumed) return answer;
      return transport.refuse(answer, `to give the blob ${name}@${digest}`);
    });
  };

  async function* resuming(descriptor: Descriptor): AsyncIterable<Uint8Array> {
    let at = 0;
    for (let breaks = 0; ; breaks += 1) {
      const { status, response } = await ask(descriptor, at);
      // A registry without ranges begins again: what is known already is passed over.
      let known = status === 206 ? 0 : at;
      try {
        for await (const chunk of response.body) {
          const fresh = chunk.subarray(Math.min(known, chunk.length));
          known -= chunk.length - fresh.length;
          at += fresh.length;
          if (fresh.length > 0) yield fresh;
        }
        return;
      } catch (error) {
        if (!isBroken(error) || breaks >= BREAKS) throw error;
      }
    }
  }

  /** `from`: a repository of the same registry. Undefined: mounted; else where the upload goes on. */
  const begin = (send: Send, digest: Digest, from: string | undefined): Promise<URL | undefined> => {
    const query = from === undefined ? "" : `?${new URLSearchParams({ mount: digest, from })}`;
    const mounting: Scope = from === undefined ? scope : { ...scope, mountFrom: from };
    const target = `/v2/${scope.repository}/blobs/uploads/${query}`;
    return send({ method: "POST", target, scope: mounting }, async (answer) => {
      const { status, response } = answer;
      if (status !== 202 && !(status === 201 && from !== undefined))
        return transport.refuse(answer, `to take a blob for ${name}`);
      await readBody(response, LIMITS.errorBody, `the answer to an upload to ${name}`);
      if (status === 202) return transport.location(answer);
      ensureDeclared(answer, digest);
      return undefined;
    });
  };

  /** What a registry answers to a mount that it does not permit is its own affair: the bytes are sent then. */
  const mount = async ({ digest }: Descriptor, from: string): Promise<URL | "mounted" | undefined> => {
    try {
      return (await begin(transport.call, digest, from)) ?? "mounted";
    } catch (error) {
      const refused = isCountersignError(error) && ["E_REGISTRY_DENIED", "E_REGISTRY_ANSWER"].includes(error.code);
      if (refused) return undefined;
      throw error;
    }
  };

  const put = (send: Send, location: URL, { digest, size }: Descriptor, open: BlobOrigin["open"]) => {
    location.searchParams.set("digest", digest);
    const headers = { "content-type": "application/octet-stream" };
    const request = { method: "PUT", target: location, scope, headers, body: { size, open }, bulk: size } as const;
    return send(request, async (answer) => {
      const { status, response } = answer;
      if (status === 404) {
        response.discard();
        return false;
      }
      if (status < 200 || status > 299) return transport.refuse(answer, `to store a blob in ${name}`);
      response.discard();
      ensureDeclared(answer, digest);
      return true;
    });
  };

  const ensureDeclared = ({ response }: RegistryAnswer, digest: Digest) => {
    const declared = response.header("docker-content-digest");
    if (declared !== undefined && declared !== digest) throw differentBlob(`${name}@${digest}`, declared.slice(0, 160));
  };

  const upload = async (descriptor: Descriptor, { open }: BlobOrigin, begun: URL | undefined): Promise<void> => {
    let failed: { readonly error: unknown } | undefined;
    const watched = async function* () {
      try {
        yield* open();
      } catch (error) {
        failed = { error };
        throw error;
      }
    };
    let first = begun;
    let attempts = 0;
    const done = await transport
      .together(async (send) => {
        // An attempt whose answer was lost may have gone well.
        if (attempts > 0 && (await has(send, descriptor))) return true;
        attempts += 1;
        for (let count = 1; count <= UPLOADS; count += 1) {
          const location = first ?? (await begin(send, descriptor.digest, undefined));
          first = undefined;
          if (location === undefined) return true;
          const stored = await put(send, location, descriptor, watched).catch((error: unknown) => {
            // No fault of this registry: nothing is sent again for it.
            if (failed !== undefined) return "source failed" as const;
            throw error;
          });
          if (failed !== undefined) throw new SourceFailed(failed.error);
          if (stored === true) return true;
        }
        return false;
      })
      .catch((error: unknown) => {
        throw error instanceof SourceFailed ? error.reason : error;
      });
    if (!done) throw forgotten(name);
  };

  return {
    hasBlob: (descriptor) => has(transport.call, descriptor),
    openBlob: (descriptor) => checkedStream(resuming(descriptor), descriptor, `${name}@${descriptor.digest}`),
    async takeBlob(descriptor, origin) {
      const { digest } = descriptor;
      const known = uploads.get(digest);
      if (known !== undefined) {
        await known;
        return "present";
      }
      const work = async (): Promise<Taken> => {
        const from = origin.mount?.registry === transport.registry ? origin.mount.repository : undefined;
        const begun = from === undefined ? undefined : await mount(descriptor, from);
        if (begun === "mounted") return begun;
        await upload(descriptor, origin, begun);
        return "moved";
      };
      const taken = work();
      const done = taken.then(() => digest);
      uploads.set(digest, done);
      done.catch(() => uploads.delete(digest));
      return taken;
    },
  };
}

class SourceFailed extends Error {
  readonly reason: unknown;
  constructor(reason: unknown) {
    super("the source failed");
    this.reason = reason;
  }
}

function isBroken(error: unknown): boolean {
  return isCountersignError(error) && error.retry && (error.code === "E_NETWORK" || error.code === "E_TIMEOUT");
}

function forgotten(name: string): CountersignError {
  return new CountersignError("E_REGISTRY_ANSWER", `${name} forgets uploads before they are finished`, {
    hint: "try again; behind a load balancer, all copies of the registry need the same secret and storage",
  });
}
