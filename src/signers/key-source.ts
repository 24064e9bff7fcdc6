import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Host } from "../platform/host.ts";
import { isOpenPgp } from "../trust/openpgp/detect.ts";

/** Bytes of a key or certificate source, PEM or DER, and what to call the source in messages: never what is in it. */
export interface KeyMaterial {
  readonly bytes: Uint8Array;
  readonly label: string;
}

const ENV = "env://";

/**
 * Reads what a key or certificate flag names: a path, `env://NAME` (PEM, also with its line breaks lost, or base64 of
 * PEM, DER or an OpenPGP key), or `-` for standard input.
 * @param limit bytes
 * @throws E_ENVIRONMENT_EMPTY, E_KEY_INVALID for a variable that holds neither PEM nor base64, E_KEY_UNSUPPORTED for
 * another kind of source, E_FILE_UNREADABLE, E_FILE_TOO_LARGE.
 */
export async function readKeyMaterial(
  source: string,
  host: Host,
  limit: number = LIMITS.keyFile,
): Promise<KeyMaterial> {
  if (source === "") {
    throw new CountersignError("E_USAGE", "an empty text names no key", {
      hint: "write a path, env://NAME or - for standard input; a CI variable that is not set expands to nothing",
    });
  }
  if (source === "-") return { bytes: await host.readStdin(limit), label: "standard input" };
  if (source.startsWith(ENV)) {
    const name = source.slice(ENV.length);
    const value = readVariable(name, host);
    if (Buffer.byteLength(value) > limit * 2) {
      throw new CountersignError(
        "E_FILE_TOO_LARGE",
        `the environment variable ${name} holds more than ${limit} bytes`,
        {
          hint: "hand over one key, or the certificates of one chain",
        },
      );
    }
    return { bytes: decodeVariable(name, value), label: source };
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(source)?.[1] ?? /^(pkcs11|data):/i.exec(source)?.[1];
  if (scheme !== undefined) {
    // Only the scheme: such addresses may carry a PIN or a token.
    throw new CountersignError("E_KEY_UNSUPPORTED", `keys behind ${scheme}: are not supported`, {
      hint: "write a path, env://NAME or - for standard input",
    });
  }
  return { bytes: await readNamedFile(source, host, limit), label: source };
}

/** @throws E_FILE_UNREADABLE, E_FILE_TOO_LARGE; E_USAGE when the key itself stands where its source belongs. */
async function readNamedFile(path: string, host: Host, limit: number): Promise<Uint8Array> {
  const looksLikeKey = path.includes("-----BEGIN") || /^[A-Za-z0-9+/=\s]{64,}$/.test(path);
  if (!looksLikeKey || (await host.files.exists(path))) return host.files.read(path, limit);
  // Not shown: the command line is no place for a secret, and neither is a log.
  throw new CountersignError("E_USAGE", "a key stands where its source belongs, or a path that is not there", {
    hint: "put the key into a variable and write env://NAME, into a file and write its path, or write - for standard input",
  });
}

/**
 * The passphrase that a flag names: `env://NAME` or a file, of which one line break at the end is left out. Without a
 * flag COSIGN_PASSWORD; undefined when that is not set either. An empty passphrase is one.
 * @throws E_ENVIRONMENT_EMPTY when the variable is not set at all, E_FILE_UNREADABLE, E_FILE_TOO_LARGE.
 */
export async function readPassphrase(source: string | undefined, host: Host): Promise<Uint8Array | undefined> {
  if (source === undefined) {
    const fallback = host.env["COSIGN_PASSWORD"];
    return fallback === undefined ? undefined : Buffer.from(fallback, "utf8");
  }
  if (source.startsWith(ENV)) {
    const name = checkedName(source.slice(ENV.length));
    const value = host.env[name];
    if (value === undefined) throw emptyVariable(name);
    return Buffer.from(value, "utf8");
  }
  const bytes = await readSecretFile(source, "--passphrase", host);
  const end = bytes.at(-1) === 0x0a ? (bytes.at(-2) === 0x0d ? 2 : 1) : 0;
  return bytes.subarray(0, bytes.length - end);
}

/**
 * The bytes of a file that holds a secret.
 * @throws E_FILE_UNREADABLE, which does not show a name that is not there; E_FILE_TOO_LARGE.
 */
export async function readSecretFile(path: string, flag: string, host: Host): Promise<Uint8Array> {
  if (await host.files.exists(path)) return host.files.read(path, LIMITS.passphrase);
  throw new CountersignError("E_FILE_UNREADABLE", `${flag} names no file that is there`, {
    hint: "write env://NAME or a path, never the secret itself, which is why what was written is not shown",
  });
}

/**
 * The value of an environment variable, without white space at its ends.
 * @throws E_ENVIRONMENT_EMPTY; E_USAGE when `name` is no variable's name, which is then not shown.
 */
export function readVariable(name: string, host: Host): string {
  const value = host.env[checkedName(name)]?.trim();
  if (!value) throw emptyVariable(name);
  return value;
}

function checkedName(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name)) return name;
  // Not shown: who writes a secret behind env:// by mistake must not find it in a log.
  throw new CountersignError("E_USAGE", "what stands behind env:// is not the name of an environment variable", {
    hint: "write env://NAME with letters, digits and underscores, without a dollar sign",
  });
}

function emptyVariable(name: string): CountersignError {
  return new CountersignError("E_ENVIRONMENT_EMPTY", `the environment variable ${name} is empty or not set`, {
    hint: "set it; on GitLab a protected variable exists only on protected branches and tags, on GitHub a secret is empty in runs from forks",
  });
}

/** PEM as it stands or with its line breaks mended, else base64 of PEM or DER, wrapped or not. */
function decodeVariable(name: string, value: string): Uint8Array {
  if (value.includes("-----BEGIN ")) return Buffer.from(value.includes("\n") ? value : mendLines(value), "utf8");
  const packed = value.replace(/\s+/g, "");
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(packed)) {
    const bytes = Buffer.from(packed, "base64");
    if (bytes[0] === 0x30 || bytes.includes("-----BEGIN ") || isOpenPgp(bytes)) return bytes;
  }
  throw new CountersignError("E_KEY_INVALID", `the environment variable ${name} holds neither PEM nor base64 of it`, {
    hint: /^[./~]\S*$/.test(value)
      ? `it looks like a path, as CI variables of type file are: write "$${name}" instead of env://${name}`
      : "store the PEM text itself, or what `base64 < key.pem` prints",
  });
}

/** Shells and web forms turn line breaks into spaces, into `\n`, or into nothing. */
function mendLines(value: string): string {
  return value
    .replaceAll("\\r", "")
    .replaceAll("\\n", "\n")
    .replace(/\s*(-----(?:BEGIN|END) [A-Z0-9 ]+-----)\s*/g, "\n$1\n");
}
