import { fileURLToPath } from "node:url";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { createLookasideRoutes, type LookasideRoutes } from "../operations/lookaside-routes.ts";
import { isLoopbackHost } from "../platform/addresses.ts";
import type { Host } from "../platform/host.ts";
import { createExchange, type HttpExchange } from "../platform/http.ts";
import { memo } from "../platform/memo.ts";
import { createRetrier } from "../platform/retry.ts";
import type { LookasideBase } from "../stores/lookaside-base.ts";
import { openLookasideFolder } from "../stores/lookaside-folder.ts";
import { openLookasideHttp } from "../stores/lookaside-http.ts";
import type { RegistriesFile } from "../stores/registries-d-files.ts";
import { lookasideAddress } from "./lookaside-address.ts";
import type { LookasideOptions } from "./lookaside-options.ts";
import { VERSION } from "./version.ts";

/** What the connections to lookasides are made with. */
export interface LookasideConnection {
  /** PEM certificates beside the system's. */
  readonly ca: string | undefined;
  readonly allowHttp: boolean;
  readonly perOrigin: number;
  /** Milliseconds. */
  readonly requestTimeout: number;
}

export interface LookasideUse extends LookasideConnection {
  /** Whether the run may put anything there. */
  readonly writes: boolean;
}

export interface OpenLookasides {
  readonly routes: LookasideRoutes;
  close(): void;
}

/**
 * Reads what the flags name; nothing is connected to before the first look.
 * @throws E_USAGE, E_CONFIG_INVALID, E_INSECURE_ADDRESS, E_FILE_UNREADABLE.
 */
export async function openLookasides(
  host: Host,
  { lookaside, lookasideStaging, registriesD }: LookasideOptions,
  { writes, ...connection }: LookasideUse,
): Promise<OpenLookasides> {
  const { open, close } = openBases(host, connection);
  const staging =
    lookasideStaging === undefined ? undefined : lookasideAddress("--lookaside-staging", lookasideStaging);
  if (staging !== undefined && !staging.startsWith("file:")) {
    throw new CountersignError("E_USAGE", "--lookaside-staging is a folder of this machine", {
      hint: "name a folder; an address that takes PUT is named with --lookaside",
    });
  }
  const configuration = registriesD === undefined ? undefined : await readConfiguration(host, registriesD);
  for (const address of configuration?.addresses ?? []) open(address);
  const routes = createLookasideRoutes({
    lookaside: lookaside === undefined ? undefined : open(lookasideAddress("--lookaside", lookaside)),
    staging: staging === undefined ? undefined : open(staging),
    configuration,
    writes,
    open,
  });
  return { routes, close };
}

/** Lookasides by their addresses, the same one for the same address. `open` throws E_INSECURE_ADDRESS. */
export function openBases(host: Host, connection: LookasideConnection) {
  let exchange: HttpExchange | undefined;
  const bases = new Map<string, LookasideBase>();
  const open = (address: string): LookasideBase =>
    memo(bases, address, () => {
      const url = new URL(address);
      if (url.protocol === "file:") return openLookasideFolder(fileURLToPath(url), host.files);
      if (url.protocol === "http:" && !connection.allowHttp && !isLoopbackHost(url.hostname)) throw plainHttp(url);
      const { ca, perOrigin, requestTimeout } = connection;
      // Apart from the registry's: a lookaside is shown no client certificate.
      exchange ??= createExchange({ tls: { ca }, perOrigin, requestTimeout });
      const retrier = createRetrier(host, { throttledCode: "E_LOOKASIDE_FAILING" });
      return openLookasideHttp(url, { exchange, retrier, host, userAgent: `countersign/${VERSION}` });
    });
  return { open, close: () => exchange?.close() };
}

/** The YAML files of a folder; of `default` the one that podman and skopeo read, which need not be there. */
async function readConfiguration(host: Host, named: string) {
  const { readRegistriesD } = await import("../stores/registries-d-files.ts");
  return readRegistriesD(await readRegistriesFiles(host, named));
}

/**
 * The YAML files of the folder that `--registries-d` names, in the order of their names.
 * @throws E_FILE_UNREADABLE, E_FILE_TOO_LARGE, E_CONFIG_INVALID for too many.
 */
export async function readRegistriesFiles(host: Host, named: string): Promise<readonly RegistriesFile[]> {
  const own = `${host.homeDirectory}/.config/containers/registries.d`;
  const usual = (await host.files.exists(own)) ? own : "/etc/containers/registries.d";
  const folder = named === "default" ? usual : named;
  if (named !== "default" && !(await host.files.exists(folder))) {
    throw new CountersignError("E_FILE_UNREADABLE", `--registries-d: ${folder} is not there`, {
      hint: "check the path",
    });
  }
  const names = (await host.files.list(folder)).filter((name) => name.endsWith(".yaml")).sort();
  if (names.length > LIMITS.storeFiles) {
    throw new CountersignError("E_CONFIG_INVALID", `${folder} has ${names.length} files`, {
      hint: `keep at most ${LIMITS.storeFiles} there`,
    });
  }
  return Promise.all(
    names.map(async (name) => {
      const path = `${folder}/${name}`;
      return { path, bytes: await host.files.read(path, LIMITS.configFile) };
    }),
  );
}

function plainHttp({ origin }: URL): CountersignError {
  return new CountersignError("E_INSECURE_ADDRESS", `the lookaside ${origin} is plain HTTP`, {
    hint: "write https, or permit it with --allow-http-registry",
  });
}
