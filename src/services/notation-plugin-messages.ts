import { z } from "zod";

/** Messages of the notation plugin protocol, contract version 1.0 (notaryproject/specifications, specs/plugin-extensibility.md), as far as signing needs them. */
export const CONTRACT_VERSION = "1.0";
export const RAW_SIGNER = "SIGNATURE_GENERATOR.RAW";
export const ENVELOPE_SIGNER = "SIGNATURE_GENERATOR.ENVELOPE";

export const KEY_SPECS = ["RSA-2048", "RSA-3072", "RSA-4096", "EC-256", "EC-384", "EC-521"] as const;
export type KeySpec = (typeof KEY_SPECS)[number];

/** What the protocol hashes for a key of each kind. */
export const KEY_HASHES: Readonly<Record<KeySpec, "SHA-256" | "SHA-384" | "SHA-512">> = {
  "RSA-2048": "SHA-256",
  "RSA-3072": "SHA-384",
  "RSA-4096": "SHA-512",
  "EC-256": "SHA-256",
  "EC-384": "SHA-384",
  "EC-521": "SHA-512",
};

export const pluginMetadata = z.object({
  name: z.string(),
  version: z.string(),
  supportedContractVersions: z.array(z.string()),
  capabilities: z.array(z.string()),
});

export const describedKey = z.object({ keyId: z.string(), keySpec: z.enum(KEY_SPECS) });

export const generatedSignature = z.object({
  keyId: z.string(),
  signature: z.base64().min(1),
  signingAlgorithm: z.string(),
  certificateChain: z.array(z.base64().min(1)).min(1).max(64),
});

export const generatedEnvelope = z.object({
  signatureEnvelope: z.base64().min(1),
  signatureEnvelopeType: z.string(),
  annotations: z.record(z.string().min(1).max(255), z.string().max(4096)).nullish(),
});

export const pluginFailure = z.object({ errorCode: z.string(), errorMessage: z.string().optional() });
