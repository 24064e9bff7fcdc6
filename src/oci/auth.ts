import { CountersignError, isCountersignError } from "../model/errors.ts";
import { memo } from "../platform/memo.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { Credential, CredentialSource } from "./credential.ts";
import type { Token, TokenOptions } from "./token.ts";
import { mayReceiveCredentials, parseRealm, refuseRealm } from "./token-realm.ts";

export type Actions = "pull" | "pull,push";

/** What a request is for. */
export interface Scope {
  readonly repository: string;
  readonly actions: Actions;
  /** A repository of the same registry that is read too: a blob is mounted from it. */
  readonly mountFrom?: string | undefined;
}

/** The `Authorization` headers for one registry. */
export interface Authorizer {
  /** What to send at first; undefined while the registry has demanded nothing. */
  header(scope: Scope, origin: URL): Promise<string | undefined>;
  /**
   * What to send after a 401 for `sent`; undefined when there is nothing else to try.
   * @throws E_REGISTRY_DENIED for a scheme that is not spoken; E_TOKEN_REALM; what credentials and tokens throw.
   */
  afterRefusal(challenges: string, sent: string | undefined, scope: Scope, origin: URL): Promise<string | undefined>;
  /** Where the credentials for a scope were found, once they were looked for; undefined for nobody. */
  source(scope: Scope): string | undefined;
}

export interface AuthorizerOptions extends TokenOptions {
  readonly registry: string;
  readonly credentials: CredentialSource;
  readonly tokenRealms: readonly string[];
}

type Demand =
  | { readonly scheme: "basic" }
  | { readonly scheme: "bearer"; readonly realm: string; readonly service?: string };

interface LiveToken extends Token {
  readonly expires: number;
}

/**
 * Answers the challenges of one registry. The first is remembered, so that further repositories cost no refused request; one token serves
 * a repository and its actions for the whole run (a token to push serves to pull), callers at the same time share the request for it,
 * and it is got anew shortly before its end or after one refusal.
 */
export function createAuthorizer(options: AuthorizerOptions): Authorizer {
  let demand: Demand | undefined;
  const tokens = new Map<string, Promise<LiveToken>>();
  const found = new Map<string, Promise<Credential | undefined>>();
  const sources = new Map<string, string>();

  const credential = (repository: string) =>
    memo(found, repository, async () => {
      const credential = await options.credentials.find({ registry: options.registry, repository });
      if (credential) sources.set(repository, credential.source);
      return credential;
    });

  const now = () => options.now().getTime();

  const live = async (key: string, make: () => Promise<LiveToken>): Promise<LiveToken> => {
    const known = tokens.get(key);
    if (known) {
      const token = await known;
      if (token.expires > now()) return token;
      if (tokens.get(key) === known) tokens.delete(key);
    }
    return memo(tokens, key, () => {
      const made = make();
      // A refusal stays: asking again with the same password only gets the account locked.
      made.catch((error: unknown) => {
        if (!isCountersignError(error) || error.code !== "E_REGISTRY_DENIED") tokens.delete(key);
      });
      return made;
    });
  };

  const bearer = async (wanted: Demand & { scheme: "bearer" }, scope: Scope, origin: URL): Promise<string> => {
    const known = await credential(scope.repository);
    if (known?.kind === "bearer") return `Bearer ${known.token}`;
    const push: Scope = { ...scope, actions: "pull,push" };
    const asked = tokens.has(keyOf(push)) ? push : scope;
    const { value } = await live(keyOf(asked), async () => {
      const realm = parseRealm(wanted.realm, origin);
      const pins = [...options.tokenRealms, ...(known?.realms ?? [])];
      if (known && !(await mayReceiveCredentials(realm, origin, pins))) refuseRealm(realm, origin);
      const { fetchToken } = await import("./token.ts");
      const from = asked.mountFrom === undefined ? "" : ` repository:${asked.mountFrom}:pull`;
      const text = `repository:${asked.repository}:${asked.actions}${from}`;
      const token = await fetchToken({ realm, service: wanted.service, scope: text, credential: known }, options);
      return { ...token, expires: now() + token.lifetime - Math.min(10_000, token.lifetime / 10) };
    });
    return `Bearer ${value}`;
  };

  const header = async (scope: Scope, origin: URL): Promise<string | undefined> => {
    if (demand === undefined) return undefined;
    if (demand.scheme === "bearer") return bearer(demand, scope, origin);
    const known = await credential(scope.repository);
    if (known?.kind !== "password") return undefined;
    const { basicHeader } = await import("./token.ts");
    return basicHeader(known.username, known.password);
  };

  return {
    header,
    async afterRefusal(challenges, sent, scope, origin) {
      demand = choose(parseChallenges(challenges), options.registry);
      await forget(tokens, scope, sent);
      const next = await header(scope, origin);
      return next === sent ? undefined : next;
    },
    source: ({ repository }) => sources.get(repository),
  };
}

function keyOf({ repository, actions, mountFrom }: Scope): string {
  return `${actions} ${repository} ${mountFrom ?? ""}`;
}

/** Drops a token that was refused; one that somebody has got anew in the meantime stays. */
async function forget(
  tokens: Map<string, Promise<LiveToken>>,
  { repository, mountFrom }: Scope,
  sent: string | undefined,
): Promise<void> {
  for (const actions of ["pull", "pull,push"] as const) {
    const key = keyOf({ repository, actions, mountFrom });
    const pending = tokens.get(key);
    const token = await pending?.catch(() => undefined);
    if (token && `Bearer ${token.value}` === sent && tokens.get(key) === pending) tokens.delete(key);
  }
}

/** Bearer where there is a choice: it shows the password to the token server alone. */
function choose(challenges: readonly Challenge[], registry: string): Demand {
  for (const { scheme, parameters } of challenges) {
    const realm = parameters.get("realm");
    if (scheme !== "bearer" || realm === undefined) continue;
    const service = parameters.get("service");
    return { scheme, realm, ...(service === undefined ? {} : { service }) };
  }
  if (challenges.some(({ scheme }) => scheme === "basic")) return { scheme: "basic" };
  const named = challenges.map(({ scheme }) => scheme).join(", ") || "none that can be read";
  throw new CountersignError("E_REGISTRY_DENIED", `${registry} demands authentication by ${named.slice(0, 100)}`, {
    hint: "Basic and Bearer (docker's token protocol) are spoken; check that the address is a registry's",
  });
}
