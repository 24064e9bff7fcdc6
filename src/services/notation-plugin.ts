import type { z } from "zod";
import { CountersignError } from "../model/errors.ts";
import type { EnvelopeOrder, FinishedEnvelope } from "../model/signature.ts";
import type { Host } from "../platform/host.ts";
import { printable } from "../platform/server-words.ts";
import { type PluginProgram, pluginCommands, pluginLabel, rubbish } from "./notation-plugin-commands.ts";
import {
  CONTRACT_VERSION,
  describedKey,
  ENVELOPE_SIGNER,
  generatedEnvelope,
  generatedSignature,
  KEY_HASHES,
  type KeySpec,
  pluginMetadata,
  RAW_SIGNER,
} from "./notation-plugin-messages.ts";

export interface NotationPluginOptions extends PluginProgram {
  readonly keyId: string;
  readonly config: Readonly<Record<string, string>>;
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

/** A client of one key of one plugin. Its functions throw what pluginCommands throw; E_SIGNER_ANSWER also for an answer about another key. */
export function createNotationPlugin(host: Host, options: NotationPluginOptions): NotationPlugin {
  const { name, keyId, config } = options;
  const by = pluginLabel(name);
  const ask = pluginCommands(host, options);
  const pluginConfig = Object.keys(config).length === 0 ? {} : { pluginConfig: config };

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
          hashAlgorithm: KEY_HASHES[keySpec],
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
