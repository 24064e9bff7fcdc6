import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { isLoopbackHost } from "../platform/addresses.ts";
import type { Host } from "../platform/host.ts";
import { createExchange } from "../platform/http.ts";
import { createRetrier } from "../platform/retry.ts";
import { secureContext } from "../platform/tls.ts";
import { createGithubToken } from "../services/github-token.ts";
import { createSigningService, type SigningService } from "../services/signing-service.ts";
import { readSecretFile, readVariable } from "../signers/key-source.ts";
import { createServiceSigner, describedMaterial } from "../signers/service-signer.ts";
import { about } from "./about.ts";
import type { ExternalSignerRequest, LoadedSigner } from "./loaded-signer.ts";
import type { SignerOptions } from "./signer-options.ts";
import { VERSION } from "./version.ts";

const SCHEME = /^(https?)\+sign:\/\//i;

/** Signatures asked for at once, unless told: services and the KMS behind them count requests. */
const CONCURRENCY = 4;

/**
 * The signer behind `https+sign://HOST[:PORT]/PATH`, which is POSTed to as https; `http+sign://` is for this machine alone. Asks the
 * service for its public material unless the flags have it.
 *
 * @throws with exit status 2: E_USAGE, E_INSECURE_ADDRESS, E_CONFIG_INVALID and the codes of files, variables and certificates;
 * and what the service ends in when it is asked.
 */
export async function loadServiceSigner(request: ExternalSignerRequest): Promise<LoadedSigner> {
  const { host, options } = request;
  const url = serviceAddress(request.spec);
  const label = `signing service ${url.host}`;
  const service = await openService(host, url, options);
  const { signerKeyId: keyId, signerInput: input } = options;
  const { material, warnings } =
    request.material === undefined
      ? describedMaterial(label, await service.describe(describeRequest(keyId)), host.now(), request.purpose)
      : { material: request.material, warnings: [] };
  return { signer: createServiceSigner({ service, label, keyId, input, material }), warnings };
}

function describeRequest(keyId: string | undefined) {
  const request = { schemaVersion: 1, operation: "describe" } as const;
  return keyId === undefined ? request : { ...request, keyId };
}

async function openService(host: Host, url: URL, options: SignerOptions): Promise<SigningService> {
  const tls = {
    ca: await pemOf(host, "--signer-cacert", options.signerCacert),
    cert: await pemOf(host, "--signer-client-cert", options.signerClientCert),
    key: await pemOf(host, "--signer-client-key", options.signerClientKey),
  };
  await usableTls(tls);
  const concurrency = options.signerConcurrency ?? CONCURRENCY;
  return createSigningService({
    url,
    exchange: createExchange({ tls, perOrigin: concurrency }),
    concurrency,
    retrier: createRetrier(host, { throttledCode: "E_SIGNER_THROTTLED" }),
    now: () => host.now(),
    token: await tokenOf(host, url, options),
    timeout: options.signerTimeout * 1000,
    userAgent,
  });
}

const userAgent = `countersign/${VERSION}`;

function serviceAddress(spec: string): URL {
  const address = spec.replace(SCHEME, (_, scheme: string) => `${scheme.toLowerCase()}://`);
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined) {
    throw new CountersignError("E_USAGE", "--signer names no address of a signing service", {
      hint: "write https+sign://HOST[:PORT]/PATH",
    });
  }
  if (url.username !== "" || url.password !== "" || url.hash !== "") {
    throw new CountersignError(
      "E_INSECURE_ADDRESS",
      `the address of the signing service ${url.host} holds more than host, path and query`,
      {
        hint: "give credentials by --signer-token or --signer-client-cert",
      },
    );
  }
  if (url.protocol === "http:" && !isLoopbackHost(url.hostname)) {
    throw new CountersignError(
      "E_INSECURE_ADDRESS",
      `http+sign://${url.host} would send tokens and answers in the clear`,
      {
        hint: "write https+sign://; http+sign:// is for services on this machine",
      },
    );
  }
  return url;
}

const GITHUB = "github-actions";

async function tokenOf(
  host: Host,
  url: URL,
  { signerToken: source, signerAudience: audience }: SignerOptions,
): Promise<(() => Promise<string>) | undefined> {
  if (audience !== undefined && source !== GITHUB) {
    throw new CountersignError("E_USAGE", "--signer-audience stands without --signer-token github-actions", {
      hint: "on GitLab the audience is set in id_tokens: of the job, and its token named by --signer-token env://NAME",
    });
  }
  if (source === undefined) return undefined;
  if (source === GITHUB) {
    const retrier = createRetrier(host, { throttledCode: "E_IDENTITY_TOKEN" });
    // Its own connections: the service's CA and client certificate are not for the runner's host.
    const exchange = createExchange();
    const { env } = host;
    return createGithubToken({
      env,
      audience: audience || url.host,
      exchange,
      retrier,
      now: () => host.now(),
      userAgent,
    });
  }
  const token = await about("--signer-token", () => readToken(host, source));
  return async () => token;
}

async function readToken(host: Host, source: string): Promise<string> {
  const bytes = source.startsWith("env://")
    ? Buffer.from(readVariable(source.slice("env://".length), host))
    : source === "-"
      ? await host.readStdin(LIMITS.passphrase)
      : await readSecretFile(source, "--signer-token", host);
  const token = Buffer.from(bytes).toString("utf8").trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new CountersignError("E_CREDENTIALS_INVALID", "it holds no token, or characters that no header can carry", {
    hint: "name what holds the token alone, without quotes and line breaks",
  });
}

async function pemOf(host: Host, flag: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const bytes = await about(flag, () => host.files.read(path, LIMITS.certificateFile));
  return Buffer.from(bytes).toString("utf8");
}

/** Made again for the connections; what is wrong with it must show before the first of them, by the flags that name it. */
async function usableTls(tls: {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}) {
  try {
    await secureContext(tls);
  } catch (cause) {
    throw new CountersignError(
      "E_CONFIG_INVALID",
      "--signer-cacert, or --signer-client-cert with --signer-client-key, cannot be used",
      { cause, hint: "give PEM files; a client certificate and the key that belongs to it come together" },
    );
  }
}
