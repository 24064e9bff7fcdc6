import type { Handler, ServedRequest, ServedResponse } from "../../src/platform/serve.ts";

export interface Account {
  readonly username: string;
  readonly password: string;
}

export interface TokenAuthOptions {
  /** Who may push, and pull what is not public. Absent: nobody has to log in, everybody needs a token. */
  readonly account?: Account;
  /** A refresh token that POST to the realm takes in place of the password (`identitytoken` of docker's configuration). */
  readonly identityToken?: string;
  /** Whether a token without an account may pull; true unless told. */
  readonly anonymousPull?: boolean;
  /** Address of the token service; this server's `/token` unless told. */
  readonly realm?: string;
  readonly service?: string;
  /** Requests that a token is good for; then 401 until there is a new one. */
  readonly uses?: number;
  /** The member that holds the token: "token" unless told. */
  readonly member?: "token" | "access_token";
  readonly expiresIn?: number;
}

interface Grant {
  readonly scopes: ReadonlySet<string>;
  left: number;
}

/** Demands bearer tokens and gives them out at `/token`, as Docker's registry and its token service do. */
export function withTokenAuth(options: TokenAuthOptions = {}): (handler: Handler) => Handler {
  const grants = new Map<string, Grant>();
  return (handler) => async (request) => {
    if (request.url.pathname === "/token") return issue(request, options, grants);
    const needed = neededScopes(request);
    const grant = grants.get(/^Bearer (.+)$/i.exec(request.headers["authorization"] ?? "")?.[1] ?? "");
    if (grant !== undefined && grant.left > 0 && needed.every((scope) => grant.scopes.has(scope))) {
      grant.left -= 1;
      return handler(request);
    }
    const actions = needed.map((scope) => scope.slice(scope.lastIndexOf(":") + 1)).join(",");
    const repository = needed[0]?.slice(0, needed[0].lastIndexOf(":"));
    const challenge = [
      `Bearer realm="${options.realm ?? `${request.url.origin}/token`}"`,
      `service="${options.service ?? "registry.test"}"`,
      ...(repository === undefined ? [] : [`scope="${repository}:${actions}"`]),
    ];
    return unauthorised(challenge.join(","));
  };
}

function issue(request: ServedRequest, options: TokenAuthOptions, grants: Map<string, Grant>): ServedResponse {
  const form = new URLSearchParams(
    request.method === "POST" ? Buffer.from(request.body).toString() : request.url.search,
  );
  const known = isKnown(request, form, options);
  if (known === "refused") return unauthorised('Basic realm="token service"');
  const scopes = new Set<string>();
  for (const scope of form.getAll("scope").flatMap((value) => value.split(" "))) {
    const [, repository, actions] = /^(repository:[^:]+):(.+)$/.exec(scope) ?? [];
    for (const action of actions?.split(",") ?? []) {
      const granted = known === "known" || (action === "pull" && options.anonymousPull !== false);
      if (granted) scopes.add(`${repository}:${action}`);
    }
  }
  const token = `token-${grants.size + 1}-of-the-test`;
  grants.set(token, { scopes, left: options.uses ?? Number.POSITIVE_INFINITY });
  const body = JSON.stringify({ [options.member ?? "token"]: token, expires_in: options.expiresIn ?? 300 });
  return { status: 200, headers: { "content-type": "application/json" }, body };
}

function isKnown(
  request: ServedRequest,
  form: URLSearchParams,
  options: TokenAuthOptions,
): "known" | "anonymous" | "refused" {
  const { account } = options;
  if (account === undefined) return "known";
  if (request.method === "POST") {
    const refresh = form.get("grant_type") === "refresh_token" && form.get("refresh_token");
    return refresh && refresh === options.identityToken ? "known" : "refused";
  }
  const sent = request.headers["authorization"];
  if (sent === undefined) return "anonymous";
  return sent === basic(account) ? "known" : "refused";
}

/** Demands a user name and a password with every request. */
export function withBasicAuth(account: Account): (handler: Handler) => Handler {
  return (handler) => async (request) =>
    request.headers["authorization"] === basic(account) ? handler(request) : unauthorised('Basic realm="registry"');
}

function neededScopes(request: ServedRequest): readonly string[] {
  const name = /^\/v2\/(.+?)\/(?:manifests|blobs|tags|referrers)\//.exec(request.url.pathname)?.[1];
  if (name === undefined) return [];
  if (request.method === "GET" || request.method === "HEAD") return [`repository:${name}:pull`];
  if (request.method === "DELETE") return [`repository:${name}:delete`];
  return [`repository:${name}:pull`, `repository:${name}:push`];
}

function basic({ username, password }: Account): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function unauthorised(challenge: string): ServedResponse {
  const body = JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] });
  return { status: 401, headers: { "www-authenticate": challenge, "content-type": "application/json" }, body };
}
