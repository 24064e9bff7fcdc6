import { z } from "zod";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import type { Host } from "../platform/host.ts";
import { printable } from "../platform/server-words.ts";
import type { Credential } from "./credential.ts";

/** Helpers ask clouds and key rings, some with a browser window; milliseconds. */
const TIMEOUT = 60_000;
const OUTPUT_LIMIT = 64 * 1024;
/** docker-credential-helpers, credentials/error.go. */
const NOT_FOUND = "credentials not found in native keychain";
/** The user name that says that the secret is a refresh token. */
const IDENTITY = "<token>";

/** What helpers need to reach key rings (by desktop bus, GnuPG) and clouds (ECR, GCR, ACR). */
const PASSED = [
  "DBUS_SESSION_BUS_ADDRESS",
  "DISPLAY",
  "WAYLAND_DISPLAY",
  "XDG_RUNTIME_DIR",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "GNUPGHOME",
  "GPG_TTY",
  "PASSWORD_STORE_DIR",
  "DOCKER_CONFIG",
  "SSL_CERT_FILE",
  "USER",
];
const PASSED_PREFIXES = ["AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_"];

const answer = z.object({ Username: z.string().default(""), Secret: z.string().default("") });

/**
 * Asks `docker-credential-NAME get` for a host's credentials (docker-credential-helpers protocol): the host on standard input, a JSON document
 * on standard output. Undefined: the helper has none.
 *
 * @throws E_CREDENTIAL_HELPER when it cannot be run, fails, takes too long, or answers with something else.
 */
export async function askHelper(
  name: string,
  host: string,
  machine: Pick<Host, "run" | "env">,
): Promise<Credential | undefined> {
  const program = `docker-credential-${name}`;
  const completed = await machine
    .run({
      argv: [program, "get"],
      stdin: new TextEncoder().encode(serverUrl(host)),
      passEnv: Object.keys(machine.env).filter(
        (key) => PASSED.includes(key) || PASSED_PREFIXES.some((prefix) => key.startsWith(prefix)),
      ),
      timeout: TIMEOUT,
      outputLimit: OUTPUT_LIMIT,
    })
    .catch((cause: unknown) => {
      throw failed(isCountersignError(cause) ? cause.message : `${program} cannot be run`, host, cause);
    });
  const output = new TextDecoder().decode(completed.stdout);
  if (completed.exitCode !== 0) {
    const said = output || new TextDecoder().decode(completed.stderr);
    if (said.includes(NOT_FOUND)) return undefined;
    throw failed(`${program} ended with ${completed.exitCode}${complaint(said)}`, host);
  }
  const parsed = answer.safeParse(parseJson(output));
  if (!parsed.success) throw failed(`${program} answered with something that is no JSON of credentials`, host);
  const { Username: username, Secret: secret } = parsed.data;
  if (secret === "") return undefined;
  if (username === IDENTITY) return { kind: "identity", token: secret, source: program };
  return { kind: "password", username, password: secret, source: program };
}

/** The key that docker login stores under. */
function serverUrl(host: string): string {
  return host === "index.docker.io" ? "https://index.docker.io/v1/" : host;
}

/** A helper's complaint, unless it looks like what it should have given. */
function complaint(said: string): string {
  return said.trim() === "" || /[{}]|secret|password|token/i.test(said) ? "" : `: ${printable(said)}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failed(what: string, host: string, cause?: unknown): CountersignError {
  return new CountersignError("E_CREDENTIAL_HELPER", `no credentials for ${host}: ${what}`, {
    cause,
    hint: "repair the helper, or take it out of credHelpers and credsStore in docker's config.json and log in again",
  });
}
