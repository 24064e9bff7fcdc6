import type { Certificate } from "../../model/certificate.ts";
import { CountersignError } from "../../model/errors.ts";
import type { FormatName, PublicMaterial } from "../../model/signature.ts";
import { nameOf } from "../../trust/certificate-signature.ts";
import { brokenRules } from "../../trust/verifier-rules.ts";

/** Chains whose rules were found to hold: a run signs hundreds of images with one. */
const sound = new WeakSet<readonly Certificate[]>();

/**
 * Holds the certificates of a signing key to the certificate requirements of the signature specification: every verifier will.
 * @throws with exit status 2: E_CERTIFICATE_MISSING without any or without the root, E_CERTIFICATE_USAGE, E_CERTIFICATE_CONSTRAINT and
 * E_KEY_UNSUPPORTED for the rule that the chain breaks; the hint is what mends it.
 */
export function ensureSigningChain(format: FormatName, { chain }: PublicMaterial): void {
  if (sound.has(chain)) return;
  if (chain.length === 0) {
    throw new CountersignError(
      "E_CERTIFICATE_MISSING",
      `the ${format} format signs with a certificate, not a bare key`,
      {
        exit: 2,
        hint: `add --certificate and --certificate-chain with the root; make them with: ${ISSUE}`,
      },
    );
  }
  const errors = brokenRules("notation", chain).filter(({ severity }) => severity === "error");
  const [first] = errors;
  if (first === undefined) {
    sound.add(chain);
    return;
  }
  const message = `${errors.map(({ rule, message }) => `${message} (rule ${rule})`).join("; ")}`;
  const mend =
    first.rule === "chain-root"
      ? "add the root to --certificate-chain: notation wants it inside the signature"
      : `issue it again with ${first.mend}, as "${ISSUE}" does`;
  throw new CountersignError(first.code, `the ${format} format: ${message}`, { exit: 2, hint: mend });
}

const ISSUE = "countersign pki issue";

/** What the specification forbids a signer whose certificates do not hold at the time that it claims. */
export function ensureValidAt(format: FormatName, chain: readonly Certificate[], at: Date): void {
  for (const certificate of chain) {
    if (certificate.notBefore <= at && at <= certificate.notAfter) continue;
    const [code, what] =
      at < certificate.notBefore
        ? (["E_CERTIFICATE_NOT_YET_VALID", "is not valid yet"] as const)
        : (["E_CERTIFICATE_EXPIRED", "has expired"] as const);
    throw new CountersignError(code, `the ${format} format: ${nameOf(certificate)} ${what} at the time of signing`, {
      exit: 2,
      hint: "renew it, or correct this machine's clock",
    });
  }
}
