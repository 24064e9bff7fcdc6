import type { z } from "zod";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import type { EnvelopeOrder, FinishedEnvelope } from "../model/signature.ts";
import type { Host } from "../platform/host.ts";
import { createRetrier, type Outcome } from "../platform/retry.ts";
import { printable, withoutSecrets } from "../platform/server-words.ts";
import {
  CONTRACT_VERSION,
  describedKey,
  ENVELOPE_SIGNER,
  generatedEnvelope,
  generatedSignature,
  type KeySpec,
  pluginFailure,
  pluginMetadata,
  RAW_SIGNER,
} from "./notation-plugin-messages.ts";

export interface NotationPluginOptions {
  /** As its folder is called. */
  readonly name: string;
  /** Its executable, as findPlugin found it. */
  readonly path: string;
  readonly keyId: string;
  readonly config: Readonly<Record<string, string>>;
  /** Environment variables that it sees beside those that every program sees. */
  readonly passEnv: readonly string[];
  /** Milliseconds for one command of it. */
  readonly timeout: number;
}

/** A program that speaks the notation plugin protocol. What it answers is well-formed and about the key asked for; nothing is verified here. */
export interface NotationPlugin {
  /** What it makes; raw signatures where it can do both, as notation chooses. @throws E_SIGNER_FAILED also when it can do neither. */
  makes(): Promise<"signatures" | "envelopes">;
  describeKey(): Promise<KeySpec>;
  /** The plugin hashes `payload` itself. The certificates are DER. */
  generateSignature(payload: Uint8Array, keySpec: KeySpec): Promise<PluginSignature>;
  generateEnvelope(order: EnvelopeOrder): Promise<FinishedEnvelope>;
}

export interface PluginSignature {
  readonly signature: Uint8Array;
  /** `RSASSA-PSS-SHA-256`, as the plugin says. */
  readonly algorithm: string;
  /** Base64 of DER, leaf first. */
  readonly certificates: readonly string[];
}

/** What the protocol hashes for a key of each kind. */
export const PLUGIN_HASHES: Readonly<Record<KeySpec, "SHA-256" | "SHA-384" | "SHA-512">> = {
  "RSA-2048": "SHA-256",
  "RSA-3072": "SHA-384",
  "RSA-4096": "SHA-512",
  "EC-256": "SHA-256",
  "EC-384": "SHA-384",
  "EC-521": "SHA-512",
};

/** A signature or an envelope, a chain and some names; the protocol permits 64 MiB, which nothing of that needs. Bytes. */
const OUTPUT_LIMIT = 1024 * 1024;

/** Where notation keeps plugins: each in a folder of its name. The first that is there wins. */
export function pluginFolders({ env, homeDirectory }: Pick<Host, "env" | "homeDirectory">): readonly string[] {
  const own = env["NOTATION_LIBEXEC"] || env["NOTATION_CONFIG"];
  if (own) return [`${own}/plugins`];
  const config = env["XDG_CONFIG_HOME"];
  return [
    `${config || `${homeDirectory}/.config`}/notation/plugins`,
    `${homeDirectory}/Library/Application Support/notation/plugins`,
  ];
}

/**
 * The executable of a plugin: FOLDER/NAME/notation-NAME.
 * @param folder in place of notation's own
 * @throws E_USAGE for what is no plugin's name, E_COMMAND when there is none.
 */
export async function findPlugin(name: string, folder: string | undefined, host: Host): Promise<string> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) {
    throw new CountersignError("E_USAGE", `${JSON.stringify(name.slice(0, 100))} is no name of a notation plugin`, {
      hint: "write notation-plugin:NAME?id=KEY, with the name that `notation plugin list` shows",
    });
  }
  const folders = folder === undefined ? pluginFolders(host) : [folder];
  for (const each of folders) {
    const path = `${each}/${name}/notation-${name}`;
    if (await host.files.exists(path)) return path;
  }
  throw new CountersignError("E_COMMAND", `there is no ${name}/notation-${name} in ${folders.join(" or ")}`, {
    hint: "install it with `notation plugin install`, or name the folder that holds it with --plugin-dir",
  });
}

/**
 * A client of one key of one plugin. THROTTLED and TIMEOUT are tried again, bounded and with back-off.
 *
 * Its functions throw E_COMMAND when it cannot be started, E_TIMEOUT, E_SIGNER_THROTTLED, E_SIGNER_DENIED (ACCESS_DENIED),
 * E_SIGNER_FAILED for every other failure, E_SIGNER_ANSWER for an answer that is not the protocol's, too long, or about another
 * key.
 */
export function createNotationPlugin(host: Host, options: NotationPluginOptions): NotationPlugin {
  const { name, keyId, config } = options;
  const by = `notation-plugin:${name}`;
  const retrier = createRetrier(host, { throttledCode: "E_SIGNER_THROTTLED" });
  const pluginConfig = Object.keys(config).length === 0 ? {} : { pluginConfig: config };

  // Some plugins repeat what they were handed.
  const secrets = options.passEnv.map((each) => host.env[each]);

  const attempt = async (command: string, request: unknown): Promise<Outcome<Uint8Array>> => {
    const { exitCode, stdout, stderr } = await host
      .run({
        argv: [options.path, command],
        stdin: Buffer.from(JSON.stringify(request), "utf8"),
        passEnv: options.passEnv,
        timeout: options.timeout,
        outputLimit: OUTPUT_LIMIT,
      })
      .catch((error: unknown) => {
        throw asSigners(by, command, error);
      });
    if (exitCode === 0) return { done: stdout };
    const failure = failureOf(by, command, exitCode, stderr, secrets);
    if (!failure.retry) throw failure;
    return { again: { error: failure, throttled: failure.code === "E_SIGNER_THROTTLED" } };
  };

  const ask = async <T>(command: string, request: unknown, answer: z.ZodType<T>): Promise<T> => {
    const bytes = await retrier.run(by, () => attempt(command, request));
    const parsed = answer.safeParse(readJson(bytes));
    if (parsed.success) return parsed.data;
    const where = parsed.error.issues.map(({ path }) => path.join(".") || "the whole").join(", ");
    throw rubbish(`${by} ${command} answered what is not the protocol's: ${printable(where)}`);
  };

  const sameKey = (command: string, answered: string) => {
    if (answered !== keyId) throw rubbish(`${by} ${command} answered for another key, ${printable(answered)}`);
  };

  return {
    async makes() {
      const metadata = await ask("get-plugin-metadata", pluginConfig, pluginMetadata);
      const lack = whatItLacks(name, metadata);
      if (lack !== undefined) {
        throw new CountersignError("E_SIGNER_FAILED", `${by} ${lack}`, {
          exit: 2,
          hint: "use a plugin that signs; `notation plugin list` shows what each can do",
        });
      }
      return metadata.capabilities.includes(RAW_SIGNER) ? "signatures" : "envelopes";
    },
    async describeKey() {
      const request = { contractVersion: CONTRACT_VERSION, keyId, ...pluginConfig };
      const described = await ask("describe-key", request, describedKey);
      sameKey("describe-key", described.keyId);
      return described.keySpec;
    },
    async generateSignature(payload, keySpec) {
      const answer = await ask(
        "generate-signature",
        {
          contractVersion: CONTRACT_VERSION,
          keyId,
          keySpec,
          hashAlgorithm: PLUGIN_HASHES[keySpec],
          payload: Buffer.from(payload).toString("base64"),
          ...pluginConfig,
        },
        generatedSignature,
      );
      sameKey("generate-signature", answer.keyId);
      return {
        signature: new Uint8Array(Buffer.from(answer.signature, "base64")),
        algorithm: answer.signingAlgorithm,
        certificates: answer.certificateChain,
      };
    },
    async generateEnvelope({ payload, payloadType, envelopeType, lifetime }) {
      const answer = await ask(
        "generate-envelope",
        {
          contractVersion: CONTRACT_VERSION,
          keyId,
          payloadType,
          signatureEnvelopeType: envelopeType,
          payload: Buffer.from(payload).toString("base64"),
          ...(lifetime !== undefined && { expiryDurationInSeconds: lifetime / 1000 }),
          ...pluginConfig,
        },
        generatedEnvelope,
      );
      if (answer.signatureEnvelopeType !== envelopeType) {
        const made = printable(answer.signatureEnvelopeType);
        throw rubbish(`${by} generate-envelope made an envelope of type ${made}; asked for was ${envelopeType}`);
      }
      return {
        bytes: new Uint8Array(Buffer.from(answer.signatureEnvelope, "base64")),
        annotations: answer.annotations ?? {},
      };
    },
  };
}

function whatItLacks(name: string, metadata: z.infer<typeof pluginMetadata>): string | undefined {
  if (metadata.name !== name) return `calls itself ${printable(metadata.name)}`;
  const { supportedContractVersions: versions, capabilities } = metadata;
  if (!versions.includes(CONTRACT_VERSION))
    return `speaks version ${printable(versions.join(", "))} of the protocol, not 1.0`;
  if (!capabilities.includes(RAW_SIGNER) && !capabilities.includes(ENVELOPE_SIGNER))
    return `does not sign: it can ${printable(capabilities.join(", "))}`;
  return undefined;
}

function failureOf(
  by: string,
  command: string,
  exitCode: number,
  stderr: Uint8Array,
  secrets: readonly (string | undefined)[],
): CountersignError {
  const quote = (text: string) => printable(withoutSecrets(text, secrets));
  const told = pluginFailure.safeParse(readJson(stderr));
  if (!told.success) {
    const said = quote(Buffer.from(stderr).toString("utf8"));
    const message = `${by} ${command} ended with exit status ${exitCode}${said && `: ${said}`}`;
    return new CountersignError("E_SIGNER_FAILED", message, { hint: seesLittle });
  }
  const { errorCode, errorMessage = "" } = told.data;
  const message = `${by} ${command}: ${quote(`${errorCode} ${errorMessage}`)}`;
  switch (errorCode) {
    case "THROTTLED":
      return new CountersignError("E_SIGNER_THROTTLED", message, { hint: "wait, or lower --signer-concurrency" });
    case "TIMEOUT":
      return new CountersignError("E_SIGNER_FAILED", message, { hint: "try again later", retry: true });
    case "ACCESS_DENIED":
      return new CountersignError("E_SIGNER_DENIED", message, { hint: `check its credentials; ${seesLittle}` });
    default:
      return new CountersignError("E_SIGNER_FAILED", message, {
        hint: "check id and configuration in --signer notation-plugin:NAME?id=KEY&name=value",
      });
  }
}

const seesLittle = "it sees only PATH, HOME, TMPDIR, LANG and the proxies' variables unless --pass-env names more";

function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}

function rubbish(message: string): CountersignError {
  return new CountersignError("E_SIGNER_ANSWER", message, { hint: "update the plugin, or tell who makes it" });
}

/** A plugin that does not end is ended, and not begun again: with time that long it may be waiting for a person. */
function asSigners(by: string, command: string, error: unknown): unknown {
  if (!isCountersignError(error)) return error;
  const { code, message, cause } = error;
  if (code === "E_LIMIT") return rubbish(`${by} ${command} printed more than the ${OUTPUT_LIMIT} bytes that are read`);
  if (code !== "E_TIMEOUT") return error;
  return new CountersignError("E_TIMEOUT", message, {
    cause,
    retry: false,
    hint: "it was ended, with all that it had started; where it needs longer, raise --signer-timeout",
  });
}
