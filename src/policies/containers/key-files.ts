import type { Certificate } from "../../model/certificate.ts";
import { CountersignError } from "../../model/errors.ts";
import type { PublicKey } from "../../model/signature.ts";
import { parseCertificates } from "../../trust/certificate.ts";
import { parsePem } from "../../trust/pem.ts";
import { parsePublicKey } from "../../trust/public-keys.ts";

/** Keys and certificates of sigstoreSigned, as containers/image reads them: PEM alone, of fewer kinds than are taken elsewhere. */

const keyLabels: readonly string[] = ["PUBLIC KEY", "RSA PUBLIC KEY"];

/** @throws E_KEY_INVALID, E_KEY_UNSUPPORTED, E_KEY_WEAK. */
export function parsePolicyKey(bytes: Uint8Array): PublicKey {
  const [block] = parsePem(bytes, 16, "E_KEY_INVALID");
  if (block === undefined) {
    throw new CountersignError("E_KEY_INVALID", "no PEM is there, which containers/image reads keys in alone", {
      hint: "write it in PEM: openssl pkey -pubin -inform DER -in FILE",
    });
  }
  // A private key is told of by the reader of all keys.
  if (keyLabels.includes(block.label) || block.label.endsWith("PRIVATE KEY")) return parsePublicKey(bytes);
  const label = JSON.stringify(block.label.slice(0, 64));
  throw new CountersignError("E_KEY_INVALID", `containers/image reads no key out of a PEM block ${label}`, {
    hint: "write the key alone: openssl x509 -in FILE -noout -pubkey",
  });
}

/** @throws E_CERTIFICATE_INVALID. */
export function parsePolicyCertificates(bytes: Uint8Array): readonly Certificate[] {
  if (parsePem(bytes).every(({ label }) => label === "CERTIFICATE") && bytes[0] !== 0x30) {
    return parseCertificates(bytes);
  }
  throw new CountersignError(
    "E_CERTIFICATE_INVALID",
    "containers/image reads certificates out of PEM blocks CERTIFICATE alone",
    {
      hint: "write them so: openssl x509 -inform DER -in FILE",
    },
  );
}
