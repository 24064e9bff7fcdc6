import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import type { Certificate } from "../model/certificate.ts";
import type { Host } from "../platform/host.ts";
import type { PkiReport } from "../reports/pki-report.ts";
import { encryptPrivateKey } from "../trust/encrypt-key.ts";
import { pem } from "./pki-init.ts";

/** PKCS #8 in PEM, encrypted where there is a passphrase. */
export function keyText(key: KeyObject, passphrase: Uint8Array | undefined, host: Host): string {
  if (passphrase !== undefined) return encryptPrivateKey(key, passphrase, host.randomBytes);
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Writes a leaf, its key if that was made here, and the chains as verifiers want them; nothing is written over. */
export async function writeLeaf(
  host: Host,
  out: string,
  parts: {
    readonly leaf: Certificate;
    readonly intermediate: Certificate;
    readonly root: Certificate;
    readonly key: string | undefined;
    readonly encrypted: boolean;
  },
): Promise<PkiReport["files"]> {
  const { key, encrypted } = parts;
  const [leaf, intermediate, root] = [parts.leaf, parts.intermediate, parts.root].map(({ der }) => pem(der));
  if (leaf === undefined || intermediate === undefined || root === undefined) throw new TypeError("no chain");
  const files = [
    ...(key === undefined
      ? []
      : [
          {
            name: "leaf.key",
            text: key,
            mode: 0o600,
            holds: encrypted ? "its key, encrypted" : "its key, NOT encrypted",
          },
        ]),
    { name: "leaf.pem", text: leaf, mode: 0o644, holds: "the leaf: --certificate" },
    {
      name: "cosign-chain.pem",
      text: intermediate + root,
      mode: 0o644,
      holds: "intermediate, root: --certificate-chain, here and in cosign",
    },
    {
      name: "notation-chain.pem",
      text: leaf + intermediate + root,
      mode: 0o644,
      holds: "leaf, intermediate, root: a notation key's certificates",
    },
    {
      name: "kyverno-chain.pem",
      text: root + intermediate,
      mode: 0o644,
      holds: "root, intermediate: certChain of a Kyverno policy",
    },
  ];
  for (const { name, text, mode } of files) {
    await host.files.write(join(out, name), Buffer.from(text), { exclusive: true, mode });
  }
  return files.map(({ name, holds }) => ({ path: join(out, name), holds }));
}
