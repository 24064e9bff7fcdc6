import type { Algorithm } from "../model/algorithm.ts";
import type { SigningOptions } from "../model/format.ts";
import type { FormatName, PublicMaterial } from "../model/signature.ts";
import { isSelfIssued } from "../trust/path-building.ts";

/**
 * Why `cosign verify` 3.1.2 will not accept what is being signed, a sentence each that says what it would accept; empty when it
 * will. Nothing is wrong with such signatures: this program, and other verifiers, take them (docs/differences.md).
 */
export function refusedByCosign(
  format: FormatName,
  algorithm: Algorithm,
  { publicKey, chain }: PublicMaterial,
  { embedChain }: Pick<SigningOptions, "embedChain">,
): readonly string[] {
  if (format !== "cosign" && format !== "bundle") return [];
  const refusals: string[] = [];
  if (!isAccepted(format, algorithm, chain.length > 0)) {
    const told = chain.length > 0 ? undefined : hashFlag(algorithm);
    const unless = told === undefined ? "" : ` unless told by ${told}`;
    const instead = publicKey.algorithms.filter(isUsual).join(" or ");
    const would = instead === "" ? "no algorithm that this key permits: it verifies no RSA-PSS" : instead;
    refusals.push(`${format}: cosign verify does not accept ${algorithm}${unless}; it would accept ${would}`);
  }
  const { modulusLength } = publicKey.key.asymmetricKeyDetails ?? {};
  if (format === "bundle" && chain.length > 0 && modulusLength !== undefined && !rsaSizes.includes(modulusLength)) {
    const sizes = rsaSizes.join(", ");
    refusals.push(
      `bundle: cosign verify does not accept a certificate with an RSA key of ${modulusLength} bits; it would accept ${sizes} bits`,
    );
  }
  const intermediates = chain.slice(1).filter((issuer) => !isSelfIssued(issuer));
  if (format === "bundle" && embedChain && intermediates.length > 0) {
    refusals.push(
      "bundle: cosign 3.1.2 refuses a bundle that holds a chain; it would accept one without --embed-chain",
    );
  }
  return refusals;
}

/** Bits of the RSA keys whose certificates it takes in a bundle. */
const rsaSizes: readonly number[] = [2048, 3072, 4096];

function isAccepted(format: FormatName, algorithm: Algorithm, certified: boolean): boolean {
  if (isUsual(algorithm)) return true;
  // With a certificate in a bundle cosign takes the hash that belongs to the curve too.
  return format === "bundle" && certified && (algorithm === "ecdsa-p384-sha384" || algorithm === "ecdsa-p521-sha512");
}

/** What cosign accepts whatever the format and the trust. */
function isUsual(algorithm: Algorithm): boolean {
  return algorithm === "ed25519" || /^(?:ecdsa-p\d+|rsa-pkcs1)-sha256$/.test(algorithm);
}

/** The flag that makes cosign take another hash, which it does for a key alone. */
function hashFlag(algorithm: Algorithm): string | undefined {
  const hash = /^(?:ecdsa-p\d+|rsa-pkcs1)-(sha\d+)$/.exec(algorithm)?.[1];
  return hash && `--signature-digest-algorithm ${hash}`;
}
