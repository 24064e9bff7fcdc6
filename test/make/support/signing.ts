import { type KeyObject, sign } from "node:crypto";
import { keyPem, publicKeyPem } from "../../cli/support/keys.ts";
import { pushImage, storageSink } from "../../support/images.ts";
import { type StartedRegistry, startRegistry } from "../../support/start-registry.ts";
import { makeKey } from "../../trust/support/pki.ts";

/** A key with its files, for `createProject`. */
export function keyFiles(): { readonly key: KeyObject; readonly files: Readonly<Record<string, string>> } {
  const key = makeKey("p256");
  return {
    key,
    files: { "cosign.key": keyPem(key), "cosign.pub": publicKeyPem(key), "other.pub": publicKeyPem(makeKey("p256")) },
  };
}

/** A registry that has `app` under these tags. */
export async function registryWith(...tags: readonly string[]): Promise<StartedRegistry> {
  const registry = await startRegistry();
  for (const tag of tags) await pushImage(storageSink(registry.storage, "app"), { tag, seed: tag });
  return registry;
}

/** What somebody with the key does with a payload: a signature over it, DER. */
export function signElsewhere(key: KeyObject, payload: string): string {
  return sign("sha256", Buffer.from(payload), key).toString("base64");
}
