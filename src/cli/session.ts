import { CountersignError } from "../model/errors.ts";
import { createCredentials, type ExplicitCredentials } from "../oci/credentials.ts";
import { openLayout } from "../oci/layout.ts";
import type { Reference } from "../oci/reference.ts";
import { createRegistry, type Registry } from "../oci/registry-client.ts";
import type { StreamingRepository } from "../oci/repository.ts";
import type { Session } from "../operations/session.ts";
import type { Host } from "../platform/host.ts";
import { createExchange, type HttpExchange } from "../platform/http.ts";
import { createNodeHost } from "../platform/node-host.ts";
import { secureContext } from "../platform/tls.ts";
import { oneLine } from "../reports/terminal.ts";
import { about } from "./about.ts";
import type { LookasideOptions } from "./lookaside-options.ts";
import type { LookasideUse, OpenLookasides } from "./lookasides.ts";
import {
  type CredentialOptions,
  type DestinationCredentialOptions,
  destinationCredentials,
  readPem,
  registryCredentials,
} from "./registry-credentials.ts";
import { createProgress, type Terminal } from "./terminal.ts";
import { VERSION } from "./version.ts";

export interface SessionOptions extends LookasideOptions, CredentialOptions {
  readonly registryCacert?: string | undefined;
  readonly registryClientCert?: string | undefined;
  readonly registryClientKey?: string | undefined;
  readonly allowHttpRegistry?: boolean | undefined;
  readonly allowInsecureRegistry?: boolean | undefined;
  readonly tokenRealm?: readonly string[] | undefined;
  readonly connections: number;
  /** Seconds. */
  readonly requestTimeout: number;
  readonly concurrency: number;
  readonly verbose?: boolean | undefined;
}

/** A wait that somebody watching would wonder about. Milliseconds. */
const LONG_WAIT = 5000;

export const sessionDefaults: SessionOptions = { connections: 32, requestTimeout: 30, concurrency: 128 };

export type OpenSession = Session & {
  /** Runs the work, then clears the progress line and lets go of the connections. */
  finish<T>(work: () => Promise<T>): Promise<T>;
};

/** What a command is about to do. */
export interface Undertaking {
  /** What progress says of a finished image: `signed`, `verified`. */
  readonly verb: string;
  /** Tokens are asked for what is needed, and no more. */
  readonly actions: "pull" | "pull,push";
  /** The images as the caller named them: credentials from flags are for the registry of the first. */
  readonly images: readonly string[];
  /** The outside world; the real one when absent. */
  readonly host?: Host | undefined;
  /** Loads, while the first answer is on its way, what will be done with it. */
  readonly whileWaiting?: (() => Promise<unknown>) | undefined;
}

/** Credentials and lookasides of the registry that is written to, where they are other than those of the one that is read. */
export interface DestinationOptions extends DestinationCredentialOptions {
  readonly destinationLookaside?: string | undefined;
  readonly destinationLookasideStaging?: string | undefined;
  readonly destinationRegistriesD?: string | undefined;
}

/** Puts a run together: the outside world, one registry client with its credentials, layout folders. */
export async function openSession(
  options: SessionOptions,
  terminal: Terminal,
  undertaking: Undertaking,
): Promise<OpenSession> {
  const connection = await connect(options, terminal, undertaking);
  const { host, registryWith } = connection;
  const registry = registryWith(await registryCredentials(host, options, undertaking.images));
  return sessionOf(connection, options, registry, undertaking);
}

/** As `openSession`, for a run that reads images in one place and writes them in another; the connections are shared. */
export async function openTwoSessions(
  options: SessionOptions & DestinationOptions,
  terminal: Terminal,
  undertaking: Omit<Undertaking, "actions"> & { readonly destinations: readonly string[] },
): Promise<{ readonly source: OpenSession; readonly destination: OpenSession }> {
  const connection = await connect(options, terminal, { ...undertaking, actions: "pull" });
  const { host, registryWith } = connection;
  const registry = registryWith(await registryCredentials(host, options, undertaking.images));
  const given = await destinationCredentials(host, options, undertaking.destinations);
  const lookasides = await about("at the destination", () =>
    connection.openLookasides(lookasidesAt(options), "pull,push"),
  );
  // One client where it can be: what it has learned of a registry, tokens too, serves both ends.
  const other = given === undefined ? registry : registryWith(given);
  return {
    source: sessionOf(connection, options, registry, { actions: "pull" }),
    destination: sessionOf({ ...connection, lookasides }, options, other, { actions: "pull,push", fresh: true }),
  };
}

/** A folder of configurations says of every repository where its signatures are, unless the destination has one of its own. */
function lookasidesAt(options: SessionOptions & DestinationOptions): LookasideOptions {
  return {
    lookaside: options.destinationLookaside,
    lookasideStaging: options.destinationLookasideStaging,
    registriesD: options.destinationRegistriesD ?? options.registriesD,
  };
}

/** What the sessions of a run share. */
interface Connection {
  readonly host: Host;
  readonly exchange: HttpExchange;
  readonly progress: ReturnType<typeof createProgress>;
  readonly registryWith: (credentials: ExplicitCredentials) => Registry;
  readonly lookasides: OpenLookasides | undefined;
  readonly openLookasides: (
    options: LookasideOptions,
    actions: Undertaking["actions"],
  ) => Promise<OpenLookasides | undefined>;
}

async function connect(
  options: SessionOptions,
  terminal: Terminal,
  { verb, actions, host: world = createNodeHost(), whileWaiting }: Omit<Undertaking, "images">,
): Promise<Connection> {
  const host = { ...world, readStdin: readingOnce(world) };
  const tls = {
    ca: await readPem(host, options.registryCacert),
    cert: await readPem(host, options.registryClientCert),
    key: await readPem(host, options.registryClientKey),
    insecureSkipVerify: options.allowInsecureRegistry,
  };
  // Made again for the connections; what is wrong with it must show before the first of them.
  await secureContext(tls);
  const exchange = createExchange({
    tls,
    perOrigin: options.connections,
    requestTimeout: options.requestTimeout * 1000,
    // What cannot be loaded now cannot be loaded when it is needed, and is told then.
    onFirstSent: () => void whileWaiting?.().catch(() => {}),
  });
  const openLookasides = (named: LookasideOptions, allowed: Undertaking["actions"]) =>
    lookasidesOf(host, named, {
      writes: allowed === "pull,push",
      ca: tls.ca,
      allowHttp: options.allowHttpRegistry === true,
      perOrigin: options.connections,
      requestTimeout: options.requestTimeout * 1000,
    });
  const lookasides = await openLookasides(options, actions);
  const log = (line: string) => terminal.err(`${oneLine(line)}\n`);
  const registryWith = (credentials: ExplicitCredentials) =>
    createRegistry({
      exchange,
      host,
      credentials: createCredentials(host, credentials),
      allowHttp: options.allowHttpRegistry,
      tokenRealms: options.tokenRealm,
      userAgent: `countersign/${VERSION}`,
      onRequest: options.verbose
        ? ({ method, host: name, path, status }) => log(`${method} ${name}${path} ${status}`)
        : undefined,
      onRetry: ({ delay, error }) =>
        (options.verbose || delay >= LONG_WAIT) &&
        log(`${error.message}; trying again in ${(delay / 1000).toFixed(1)} s`),
    });
  return { host, exchange, progress: createProgress(terminal, verb), registryWith, lookasides, openLookasides };
}

function sessionOf(
  { host, exchange, progress, lookasides }: Connection,
  { concurrency }: SessionOptions,
  registry: Registry,
  { actions, fresh = false }: { readonly actions: Undertaking["actions"]; readonly fresh?: boolean },
): OpenSession {
  const opened = new Map<string, StreamingRepository>();
  let waited: Promise<void> | undefined;
  const open = (reference: Reference): StreamingRepository => {
    const known = opened.get(reference.name);
    if (known !== undefined) return known;
    const repository =
      reference.kind === "layout"
        ? openLayout(host, reference.path, { fresh })
        : registry.repository(reference, { actions });
    opened.set(reference.name, repository);
    return repository;
  };
  return {
    host,
    open,
    concurrency,
    progress,
    lookasides: lookasides?.routes,
    underWay: () => (waited ??= turnsOfLoop()),
    async finish(work) {
      try {
        return await work();
      } finally {
        progress.done();
        exchange.close();
        lookasides?.close();
      }
    },
  };
}

/** Two turns of the event loop: one in which a connection is begun, one in which, nearby, the request leaves on it. */
function turnsOfLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** Loaded where a flag names one: everybody else starts without. */
async function lookasidesOf(
  host: Host,
  options: LookasideOptions,
  use: LookasideUse,
): Promise<OpenLookasides | undefined> {
  const { lookaside, lookasideStaging, registriesD } = options;
  if (lookaside === undefined && lookasideStaging === undefined && registriesD === undefined) return undefined;
  const { openLookasides } = await import("./lookasides.ts");
  return openLookasides(host, options, use);
}

/** Two sources cannot share standard input: the second would find it empty. */
function readingOnce({ readStdin }: Host): Host["readStdin"] {
  let read = false;
  return async (limit) => {
    if (read) {
      throw new CountersignError("E_USAGE", "standard input is named twice", {
        hint: "write - once; keys and secrets can come from env://NAME or a file, images from --images FILE",
      });
    }
    read = true;
    return readStdin(limit);
  };
}
