import { isDigest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import type { Exchange } from "../platform/exchange.ts";
import type { Host } from "../platform/host.ts";
import { memo } from "../platform/memo.ts";
import { createRetrier, type RetryNotice } from "../platform/retry.ts";
import { type Actions, createAuthorizer, type Scope } from "./auth.ts";
import type { CredentialSource } from "./credential.ts";
import { createEndpoint } from "./endpoint.ts";
import { observe, type RequestNotice } from "./observe.ts";
import type { RegistryContents, RegistryMemory } from "./registry-contents.ts";
import { createManifests } from "./registry-manifests.ts";
import type { StreamingRepository } from "./repository.ts";
import { createTransport, type Transport } from "./transport.ts";

export interface RegistryOptions {
  readonly exchange: Exchange;
  readonly host: Pick<Host, "sleep" | "random" | "now">;
  readonly credentials: CredentialSource;
  /** Plain HTTP beyond this machine where HTTPS is not spoken. */
  readonly allowHttp?: boolean | undefined;
  /** Token servers, `HOST` or `HOST:PORT`, that may be sent the credentials of any registry of this run. */
  readonly tokenRealms?: readonly string[] | undefined;
  readonly userAgent?: string | undefined;
  /** Told of each request that went out, redirected and refused ones and those for tokens too. */
  readonly onRequest?: ((notice: RequestNotice) => void) | undefined;
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
}

export interface RepositoryName {
  /** Host and port; Docker Hub is `index.docker.io`. */
  readonly registry: string;
  readonly repository: string;
}

export interface Registry {
  /**
   * A repository, to read unless `actions` says that it is written too. Tokens, uploads and what the registry lacks are remembered for
   * the run, whichever object asked.
   *
   * @throws E_REFERENCE_INVALID.
   */
  repository(name: RepositoryName, options?: { readonly actions?: Actions }): StreamingRepository;
}

const PATH = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/;

/**
 * A client of the OCI distribution API (distribution-spec 1.1) for all registries of a run. It opens nothing before the first request, reads
 * credentials only when a registry demands them, and sends them to nobody else.
 */
export function createRegistry(options: RegistryOptions): Registry {
  const { credentials, onRequest, userAgent = "countersign" } = options;
  const now = () => options.host.now();
  const hosts = new Set<string>();
  const exchange = onRequest ? observe(options.exchange, now, (host) => hosts.has(host), onRequest) : options.exchange;
  const retrier = createRetrier(options.host, { throttledCode: "E_REGISTRY_THROTTLED", onRetry: options.onRetry });
  const transports = new Map<string, Transport>();
  const repositories = new Map<string, RegistryMemory>();
  const extensions = new Map<string, RegistryMemory["extension"]>();

  const transportOf = (registry: string) =>
    memo(transports, registry, () => {
      const shared = { exchange, retrier, now, userAgent };
      const authorizer = createAuthorizer({ ...shared, registry, credentials, tokenRealms: options.tokenRealms ?? [] });
      const endpoint = createEndpoint(registry, options.allowHttp === true);
      hosts.add(endpoint.host);
      return createTransport({ ...shared, endpoint, authorizer });
    });

  return {
    repository({ registry, repository }, { actions = "pull" } = {}) {
      if (repository.length > 255 || !PATH.test(repository)) throw badPath(repository);
      const transport = transportOf(registry);
      const name = `${registry}/${repository}`;
      const extension = memo(extensions, registry, () => ({}));
      const fresh = (): RegistryMemory => ({ uploads: new Map(), listings: { withoutReferrers: false }, extension });
      const memory = memo(repositories, name, fresh);
      const scope: Scope = { repository, actions };
      return {
        kind: "registry",
        name,
        place: { registry, repository },
        ...createManifests(transport, scope),
        ...contentsLater(async () => {
          const { createContents } = await import("./registry-contents.ts");
          return createContents(transport, scope, memory);
        }),
      };
    },
  };
}

/** What `load` resolves to, loaded at its first use. */
function contentsLater(load: () => Promise<RegistryContents>): RegistryContents {
  let loaded: Promise<RegistryContents> | undefined;
  const contents = () => (loaded ??= load());
  return {
    getBlob: async (...given) => (await contents()).getBlob(...given),
    putBlob: async (bytes) => (await contents()).putBlob(bytes),
    hasBlob: async (descriptor) => (await contents()).hasBlob(descriptor),
    async *openBlob(descriptor) {
      yield* (await contents()).openBlob(descriptor);
    },
    takeBlob: async (...given) => (await contents()).takeBlob(...given),
    listReferrers: async (subject) => (await contents()).listReferrers(subject),
    listTags: async () => (await contents()).listTags(),
    signatures: {
      supported: async () => (await contents()).signatures.supported(),
      list: async (subject) => (await contents()).signatures.list(subject),
      add: async (...given) => (await contents()).signatures.add(...given),
    },
  };
}

function badPath(repository: string): CountersignError {
  const what = isDigest(repository) ? "a digest" : "no repository's path";
  return new CountersignError("E_REFERENCE_INVALID", `${JSON.stringify(repository.slice(0, 160))} is ${what}`, {
    hint: "lower-case letters, digits, and single separators between them",
  });
}
