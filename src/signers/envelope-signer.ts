import { CountersignError } from "../model/errors.ts";
import type { PublicMaterial, Signer } from "../model/signature.ts";
import { createSemaphore } from "../platform/parallel.ts";
import type { NotationPlugin } from "../services/notation-plugin.ts";

export interface EnvelopeSignerOptions {
  /** For reports: `notation-plugin:signer`. */
  readonly label: string;
  readonly plugin: Pick<NotationPlugin, "generateEnvelope">;
  /** Whose envelopes alone are taken; absent: whoever's it makes. */
  readonly material: PublicMaterial | undefined;
  /** Envelopes asked for at once. */
  readonly concurrency: number;
}

/**
 * A signer by a notation plugin that makes whole envelopes (SIGNATURE_GENERATOR.ENVELOPE). It signs no prepared bytes: `describe` and
 * `sign` throw E_SIGNER_FAILED, exit status 2, wherever something else than a Notary envelope is wanted.
 */
export function createEnvelopeSigner({ label, plugin, material, concurrency }: EnvelopeSignerOptions): Signer {
  const places = createSemaphore(concurrency);
  const refuse = async () => {
    throw new CountersignError("E_SIGNER_FAILED", `${label} makes whole envelopes, and signs nothing else`, {
      exit: 2,
      hint: "sign by it with --format notation or notation-cose alone, or use a plugin that signs raw bytes",
    });
  };
  return {
    label,
    describe: refuse,
    sign: refuse,
    envelopes: {
      material,
      async make(order) {
        const release = await places.acquire();
        try {
          return await plugin.generateEnvelope(order);
        } finally {
          release();
        }
      },
    },
  };
}
