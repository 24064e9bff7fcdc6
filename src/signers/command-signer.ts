import { createHash } from "node:crypto";
import { ALGORITHMS, type Algorithm } from "../model/algorithm.ts";
import type { Certificate } from "../model/certificate.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import type { Prepared, PublicMaterial, Signer } from "../model/signature.ts";
import type { Host } from "../platform/host.ts";
import { createSemaphore, type Semaphore } from "../platform/parallel.ts";
import { printable, withoutSecrets } from "../platform/server-words.ts";
import { hashOf } from "../trust/public-keys.ts";
import type { SignatureOutput } from "../trust/signature-encoding.ts";
import { fillPlaceholders } from "./command-line.ts";
import { acceptSignature, answeredCertificates, refuseAnotherKey, signingKeyOf } from "./external-signature.ts";
import { REHEARSAL } from "./rehearsal.ts";

export interface SigningCommand {
  /** Program and arguments, with placeholders. */
  readonly argv: readonly [string, ...string[]];
  /** What its standard input is: the bytes to sign, or their hash, which must not be hashed again. */
  readonly input: "message" | "digest";
  readonly output: SignatureOutput;
  /** Environment variables that it sees beside those that every program sees. */
  readonly passEnv: readonly string[];
  /** Milliseconds. */
  readonly timeout: number;
  /** Runs of it at once. */
  readonly concurrency: number;
}

/** Bytes that are read of standard output, and of standard error. */
export const COMMAND_OUTPUT_LIMIT = 64 * 1024;

/** For messages and reports. Arguments are not shown: they may hold a PIN. */
export function commandLabel(argv: SigningCommand["argv"]): string {
  return `exec:${argv[0].replace(/^.*\//, "")}`;
}

/**
 * A signer that is a program: the bytes go to its standard input, the signature comes from its standard output, alone or in the JSON of
 * command-answer.ts. `{algorithm}`, `{hash}`, `{HASH}` (in capitals) and `{encoding}` in its arguments stand for what is asked.
 *
 * `sign` throws E_COMMAND when it cannot be started, E_TIMEOUT, E_SIGNER_FAILED for an exit status other than 0, E_SIGNER_ANSWER for
 * no signature, or too much, E_SIGNATURE_INVALID, E_CERTIFICATE_KEY_MISMATCH, E_ALGORITHM_UNSUPPORTED for a digest of what
 * takes none.
 */
export function createCommandSigner(host: Host, command: SigningCommand, material: PublicMaterial): Signer {
  const by = commandLabel(command.argv);
  const places = createSemaphore(command.concurrency);
  return {
    label: by,
    describe: async () => material,
    async sign(prepared) {
      const { written, certificates } = await ask(host, command, places, prepared);
      refuseAnotherKey(by, material.publicKey, certificates);
      return acceptSignature({ by, written, output: command.output, publicKey: material.publicKey, prepared });
    },
  };
}

/**
 * The certificates of a program that answers them beside its signature, from a signature over the rehearsal text.
 * @param algorithm what it signs with; without it SHA-256 is asked for, and whatever the key permits is taken
 * @returns certificates in the order of the answer, the one whose key signed among them
 * @throws what `sign` throws, E_CERTIFICATE_MISSING (exit status 2) when it answers none.
 */
export async function rehearseCommand(
  host: Host,
  command: SigningCommand,
  algorithm: Algorithm | undefined,
): Promise<{ readonly publicKey: PublicMaterial["publicKey"]; readonly certificates: readonly Certificate[] }> {
  const by = commandLabel(command.argv);
  if (algorithm === undefined && command.argv.some((word) => /\{(?:algorithm|encoding)\}/.test(word))) {
    throw new CountersignError("E_USAGE", `${by} is to be told the algorithm, but its key is not known yet`, {
      hint: "add --signing-algorithm, or name its key by --certificate or --public-key",
    });
  }
  const asked = { bytes: REHEARSAL, algorithm: algorithm ?? "rsa-pkcs1-sha256", encoding: "raw" } as const;
  const { written, certificates } = await ask(host, command, createSemaphore(1), asked);
  if (certificates.length === 0) {
    throw new CountersignError("E_CERTIFICATE_MISSING", `${by} answers no certificates, and none are named`, {
      exit: 2,
      hint: "name its key by --certificate (and --certificate-chain) or --public-key, or let it answer JSON with certificates",
    });
  }
  const allowed = algorithm === undefined ? ALGORITHMS : [algorithm];
  const { output } = command;
  return {
    publicKey: await signingKeyOf({ by, written, output, certificates, bytes: REHEARSAL, allowed }),
    certificates,
  };
}

interface Answer {
  readonly written: Uint8Array;
  readonly certificates: readonly Certificate[];
}

async function ask(
  host: Host,
  command: SigningCommand,
  places: Semaphore,
  prepared: Pick<Prepared, "bytes" | "algorithm" | "encoding">,
): Promise<Answer> {
  const by = commandLabel(command.argv);
  const stdin = command.input === "digest" ? digestOf(by, prepared) : prepared.bytes;
  const release = await places.acquire();
  try {
    const { exitCode, stdout, stderr } = await host
      .run({
        argv: fillPlaceholders(command.argv, placeholders(prepared)),
        stdin,
        passEnv: command.passEnv,
        timeout: command.timeout,
        outputLimit: COMMAND_OUTPUT_LIMIT,
      })
      .catch((error: unknown) => {
        throw asSigners(by, error);
      });
    if (exitCode !== 0) {
      const said = printable(withoutSecrets(Buffer.from(stderr).toString("utf8"), handedOver(host, command)));
      throw new CountersignError("E_SIGNER_FAILED", `${by} ended with exit status ${exitCode}${said && `: ${said}`}`, {
        hint: "run it by hand; it sees only PATH, HOME, TMPDIR, LANG and the proxies' variables unless --pass-env names more",
      });
    }
    return await readAnswer(by, stdout);
  } finally {
    release();
  }
}

/** Some programs repeat what they were handed. */
function handedOver({ env }: Host, { passEnv }: SigningCommand): readonly (string | undefined)[] {
  return passEnv.map((name) => env[name]);
}

function placeholders({ algorithm, encoding }: Pick<Prepared, "algorithm" | "encoding">): Record<string, string> {
  const hash = hashOf(algorithm) ?? "";
  return { algorithm, encoding: encoding === "p1363" ? "der" : encoding, hash, HASH: hash.toUpperCase() };
}

function digestOf(by: string, { bytes, algorithm }: Pick<Prepared, "bytes" | "algorithm">): Uint8Array {
  const hash = hashOf(algorithm);
  if (hash !== undefined) return createHash(hash).update(bytes).digest();
  throw new CountersignError("E_ALGORITHM_UNSUPPORTED", `${algorithm} signs no digest, and ${by} is given one`, {
    hint: "leave --signer-input digest out",
  });
}

/** Octets that begin with a brace by chance are no JSON. */
async function readAnswer(by: string, stdout: Uint8Array): Promise<Answer> {
  const text = Buffer.from(stdout).toString("utf8").trim();
  const json = text.startsWith("{") ? parsed(text) : undefined;
  if (json === undefined) return { written: stdout, certificates: [] };
  const { readCommandAnswer } = await import("./command-answer.ts");
  const { signature, certificates = [] } = readCommandAnswer(by, json);
  return { written: Buffer.from(signature, "utf8"), certificates: answeredCertificates(by, certificates) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asSigners(by: string, error: unknown): unknown {
  if (!isCountersignError(error)) return error;
  const { code, message, cause } = error;
  if (code === "E_LIMIT") {
    return new CountersignError(
      "E_SIGNER_ANSWER",
      `${by} printed more than the ${COMMAND_OUTPUT_LIMIT} bytes that are read`,
      {
        cause: error,
        hint: "it must print the signature, and nothing else",
      },
    );
  }
  if (code !== "E_TIMEOUT") return error;
  return new CountersignError("E_TIMEOUT", message, {
    cause,
    hint: "it was ended, with all that it had started; where it needs longer, raise --signer-timeout",
  });
}
