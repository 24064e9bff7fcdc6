/** What to show to one registry, and where it was found: the place goes into messages, the secret never. */
export type Credential = {
  /** `--registry-username`, `/home/ci/.docker/config.json`, … */
  readonly source: string;
  /** Token servers that may have it beside the registry itself, as `HOST` or `HOST:PORT`. */
  readonly realms?: readonly string[] | undefined;
} & (
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** A refresh token, to be traded for an access token (docker's `identitytoken`). */
  | { readonly kind: "identity"; readonly token: string }
  /** A bearer token, shown to the registry as it is. */
  | { readonly kind: "bearer"; readonly token: string }
);

/** Who is asked: the registry as references write it (`index.docker.io`, `host:port`), and the repository's path. */
export interface CredentialTarget {
  readonly registry: string;
  readonly repository: string;
}

/** Finds credentials when, and only when, a registry demands some. Undefined: there are none, and one goes on as nobody. */
export interface CredentialSource {
  /** @throws E_CREDENTIALS_INVALID, E_CREDENTIAL_HELPER. */
  find(target: CredentialTarget): Promise<Credential | undefined>;
}

/** Nobody, everywhere. */
export const ANONYMOUS: CredentialSource = { find: async () => undefined };
