import type { SecureContext, SecureContextOptions } from "node:tls";
import { CountersignError } from "../model/errors.ts";

/** Trust and identity for TLS, as PEM text. */
export interface TlsMaterial {
  /** Trusted beside the default roots. */
  readonly ca?: string | undefined;
  /** Client certificate (leaf first) with its key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly passphrase?: string | undefined;
  /** Trusts whatever the server shows. Only when the caller asks in so many words. */
  readonly insecureSkipVerify?: boolean | undefined;
}

/**
 * The secure context for connections, made once: parsing the default roots takes milliseconds. Undefined when Node's own
 * will do.
 *
 * @throws E_CONFIG_INVALID when the PEM cannot be used, or when certificate and key do not come together.
 */
export async function secureContext(material: TlsMaterial): Promise<SecureContext | undefined> {
  const { ca, cert, key, passphrase } = material;
  if ((cert === undefined) !== (key === undefined)) {
    throw new CountersignError("E_CONFIG_INVALID", "a client certificate needs its key, and a key its certificate", {
      hint: "give both --registry-client-cert and --registry-client-key",
    });
  }
  if (ca === undefined && cert === undefined) return undefined;
  const tls = await import("node:tls");
  const options: SecureContextOptions = { minVersion: "TLSv1.2" };
  if (ca !== undefined) options.ca = [...(await defaultRoots(tls)), ca];
  if (cert !== undefined) Object.assign(options, { cert, key, passphrase });
  try {
    if (ca !== undefined && !ca.includes("-----BEGIN CERTIFICATE-----")) throw new Error("no certificate in it");
    return tls.createSecureContext(options);
  } catch (cause) {
    const what = cert === undefined ? "the registry CA" : "the registry CA or client certificate and key";
    throw new CountersignError("E_CONFIG_INVALID", `${what} cannot be used`, {
      cause,
      hint: "give PEM files: certificates, and the key that belongs to the client certificate",
    });
  }
}

/**
 * What Node trusts when told nothing: naming a `ca` would replace it, and with it NODE_EXTRA_CA_CERTS. Node below 22.15
 * cannot tell its defaults, so there the variable's file is read again.
 */
async function defaultRoots(tls: typeof import("node:tls")): Promise<readonly string[]> {
  const { getCACertificates } = tls as { getCACertificates?: (type: "default") => string[] };
  if (getCACertificates) return getCACertificates("default");
  const extra = process.env["NODE_EXTRA_CA_CERTS"];
  if (!extra) return tls.rootCertificates;
  const { readFile } = await import("node:fs/promises");
  const text = await readFile(extra, "utf8").catch(() => "");
  return text.includes("-----BEGIN CERTIFICATE-----") ? [...tls.rootCertificates, text] : tls.rootCertificates;
}
