import type { Certificate, KeyUsage } from "../model/certificate.ts";
import type { ErrorCode } from "../model/error-codes.ts";
import type { Reason } from "../model/signature.ts";
import { nameOf } from "./certificate-signature.ts";
import { ANY_EXTENDED_KEY_USAGE, CODE_SIGNING, EXTENSION } from "./extensions.ts";
import { attributeValues } from "./names.ts";
import { isSelfSigned } from "./path-building.ts";

/** Verifiers whose certificate rules are known here. */
export const VERIFIERS = ["cosign", "notation", "crio"] as const;
export type VerifierName = (typeof VERIFIERS)[number];

/** One rule of one verifier that a chain breaks. */
export interface BrokenRule {
  readonly verifier: VerifierName;
  /** An error: the verifier refuses. A warning: it accepts, but something will surprise. */
  readonly severity: "error" | "warning";
  readonly code: ErrorCode;
  /** Short and stable: `leaf-extended-key-usage`. */
  readonly rule: string;
  /** The certificate that breaks it, as messages call it. */
  readonly certificate: Certificate;
  readonly message: string;
  /** What would mend it: a line of an openssl extension file, or of this program. */
  readonly mend: string;
}

/** Purposes by the names that openssl gives them. */
export const PURPOSES: Readonly<Record<string, string>> = {
  codeSigning: CODE_SIGNING,
  clientAuth: "1.3.6.1.5.5.7.3.2",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  emailProtection: "1.3.6.1.5.5.7.3.4",
  timeStamping: "1.3.6.1.5.5.7.3.8",
  OCSPSigning: "1.3.6.1.5.5.7.3.9",
  anyExtendedKeyUsage: ANY_EXTENDED_KEY_USAGE,
};

/**
 * What a verifier demands of a chain beyond RFC 5280: leaf first, each issued by the next, the root last if it is at hand.
 * Validity, signatures and constraints are buildAndValidatePath's.
 */
export function brokenRules(verifier: VerifierName, chain: readonly Certificate[]): readonly BrokenRule[] {
  const [leaf] = chain;
  if (leaf === undefined) return [];
  const broken: BrokenRule[] = [];
  const add: Add = (severity, code, rule, certificate, message, mend) => {
    broken.push({ verifier, severity, code, rule, certificate, message: `${nameOf(certificate)} ${message}`, mend });
  };
  if (verifier === "notation") notationRules(leaf, chain, add);
  else goRules(verifier, leaf, chain, add);
  return broken;
}

type Add = (
  severity: BrokenRule["severity"],
  code: ErrorCode,
  rule: string,
  certificate: Certificate,
  message: string,
  mend: string,
) => void;

/** cosign, and what checks cosign signatures with the same libraries: containers/image in podman, CRI-O and OpenShift. */
function goRules(verifier: VerifierName, leaf: Certificate, chain: readonly Certificate[], add: Add): void {
  const kinds = new Set(leaf.alternativeNames.map(({ type }) => type));
  if (verifier === "cosign" && leaf.alternativeNames.length === 0) {
    const mend = "subjectAltName = URI:https://ci.example.com/release";
    add(
      "error",
      "E_IDENTITY_MISMATCH",
      "leaf-alternative-name",
      leaf,
      "has no alternative name: no identity matches it",
      mend,
    );
  } else if (verifier === "cosign" && !kinds.has("uri") && !kinds.has("email")) {
    const message = "has neither URI nor e-mail address, the only names that cosign reads beside a bundle";
    add(
      "warning",
      "E_IDENTITY_MISMATCH",
      "leaf-name-for-bundles",
      leaf,
      message,
      "subjectAltName = URI:https://ci.example.com/release",
    );
  }
  if (verifier === "crio" && !kinds.has("email") && !kinds.has("dns")) {
    const message =
      "has neither an e-mail address nor a host name, by which policy.json knows signers (subjectEmail, subjectHostname)";
    add("error", "E_IDENTITY_MISMATCH", "leaf-email", leaf, message, "subjectAltName = email:release@example.com");
  }
  const type = leaf.publicKey.asymmetricKeyType;
  if (type === "rsa-pss") {
    const message = "has a key that is bound to RSA-PSS, which cosign does not verify";
    add("error", "E_KEY_UNSUPPORTED", "leaf-key", leaf, message, "countersign pki issue … --key-type p256");
  }
  const bits = leaf.publicKey.asymmetricKeyDetails?.modulusLength;
  if (verifier === "cosign" && type === "rsa" && bits !== undefined && ![2048, 3072, 4096].includes(bits)) {
    const message = `has an RSA key of ${bits} bits: in a bundle cosign takes 2048, 3072 and 4096`;
    add("warning", "E_KEY_UNSUPPORTED", "leaf-key-size", leaf, message, "countersign pki issue … --key-type rsa3072");
  }
  for (const issuer of chain.slice(1)) {
    if (issuer.notBefore <= leaf.notBefore && leaf.notBefore <= issuer.notAfter) continue;
    if (verifier !== "cosign") continue;
    const message = `is not valid at ${instant(leaf.notBefore)}, the start of the leaf, at which cosign builds its chain`;
    add(
      "error",
      "E_CERTIFICATE_NOT_YET_VALID",
      "issuer-at-leaf-start",
      issuer,
      message,
      "issue the leaf again, now that its issuers are valid",
    );
  }
}

const leafForbids: readonly KeyUsage[] = [
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
];
const purposesForbidden = ["serverAuth", "clientAuth", "emailProtection", "timeStamping", "OCSPSigning"];

/** Notary Project signature specification, certificate requirements. */
function notationRules(leaf: Certificate, chain: readonly Certificate[], add: Add): void {
  const usageLine = "keyUsage = critical, digitalSignature";
  if (leaf.keyUsage === undefined || !isCritical(leaf, EXTENSION.keyUsage)) {
    add("error", "E_CERTIFICATE_USAGE", "leaf-key-usage", leaf, "has no critical key usage", usageLine);
  } else if (!leaf.keyUsage.has("digitalSignature")) {
    add("error", "E_CERTIFICATE_USAGE", "leaf-key-usage", leaf, "does not permit digitalSignature", usageLine);
  }
  const excess = leafForbids.filter((usage) => leaf.keyUsage?.has(usage));
  if (excess.length > 0) {
    const message = `permits ${excess.join(", ")}, which notation forbids a leaf`;
    add("error", "E_CERTIFICATE_USAGE", "leaf-key-usage", leaf, message, usageLine);
  }
  const foreign = purposesForbidden.filter((name) => leaf.extendedKeyUsage?.includes(PURPOSES[name] ?? ""));
  if (foreign.length > 0) {
    const message = `names ${foreign.join(", ")}, which notation forbids a leaf`;
    add("error", "E_CERTIFICATE_USAGE", "leaf-extended-key-usage", leaf, message, "extendedKeyUsage = codeSigning");
  }
  if (leaf.extendedKeyUsage?.includes(ANY_EXTENDED_KEY_USAGE)) {
    const message = "names anyExtendedKeyUsage, which the specification forbids a leaf and notation itself lets pass";
    add("warning", "E_CERTIFICATE_USAGE", "leaf-extended-key-usage", leaf, message, "extendedKeyUsage = codeSigning");
  }
  if (leaf.basicConstraints?.ca) {
    const message = "is a certificate authority, which notation lets sign nothing";
    add(
      "error",
      "E_CERTIFICATE_CONSTRAINT",
      "leaf-basic-constraints",
      leaf,
      message,
      "basicConstraints = critical, CA:FALSE",
    );
  }
  if (!notationKey(leaf)) {
    const message = "has a key that notation knows no algorithm for";
    add("error", "E_KEY_UNSUPPORTED", "leaf-key", leaf, message, "countersign pki issue … --key-type p256");
  }
  for (const issuer of chain.slice(1)) {
    if (issuer.basicConstraints?.ca && !isCritical(issuer, EXTENSION.basicConstraints)) {
      const message = "is an authority whose basic constraints are not critical";
      add(
        "error",
        "E_CERTIFICATE_CONSTRAINT",
        "issuer-basic-constraints",
        issuer,
        message,
        "basicConstraints = critical, CA:TRUE",
      );
    }
    if (!issuer.keyUsage?.has("keyCertSign") || !isCritical(issuer, EXTENSION.keyUsage)) {
      const message = "is an authority without critical key usage keyCertSign";
      add(
        "error",
        "E_CERTIFICATE_USAGE",
        "issuer-key-usage",
        issuer,
        message,
        "keyUsage = critical, keyCertSign, cRLSign",
      );
    }
  }
  const last = chain.at(-1);
  if (last !== undefined && !isSelfSigned(last)) {
    const message = "ends the chain and is no root: notation wants the root inside the signature";
    add("error", "E_CERTIFICATE_MISSING", "chain-root", last, message, "add the root to the certificates handed over");
  }
  const absent = Object.entries({ C: "2.5.4.6", ST: "2.5.4.8", O: "2.5.4.10" })
    .filter(([, type]) => attributeValues(leaf.subject, type).length === 0)
    .map(([name]) => name);
  if (absent.length > 0) {
    const message = `has no ${absent.join(", ")} in its subject: no x509.subject identity of a trust policy matches it, only *`;
    add(
      "warning",
      "E_IDENTITY_MISMATCH",
      "leaf-subject",
      leaf,
      message,
      "--subject 'CN=release,O=Example,ST=Bern,C=CH'",
    );
  }
}

function notationKey({ publicKey }: Certificate): boolean {
  const { namedCurve, modulusLength } = publicKey.asymmetricKeyDetails ?? {};
  if (publicKey.asymmetricKeyType === "ec") return ["prime256v1", "secp384r1", "secp521r1"].includes(namedCurve ?? "");
  return publicKey.asymmetricKeyType === "rsa" && [2048, 3072, 4096].includes(modulusLength ?? 0);
}

function isCritical(certificate: Certificate, id: string): boolean {
  return certificate.extensions.some(({ oid, critical }) => oid === id && critical);
}

function instant(at: Date): string {
  return at.toISOString().replace(".000Z", "Z");
}

/** What would mend a reason that buildAndValidatePath gave. */
export function mendOf({ code, message }: Reason): string {
  if (code === "E_CERTIFICATE_USAGE") {
    if (message.includes("keyCertSign")) return "keyUsage = critical, keyCertSign, cRLSign";
    if (message.includes("digitalSignature")) return "keyUsage = critical, digitalSignature";
    return "extendedKeyUsage = codeSigning";
  }
  return mends[code] ?? "issue it again with: countersign pki issue …";
}

const mends: Partial<Record<ErrorCode, string>> = {
  E_CERTIFICATE_EXPIRED: "issue it again: openssl x509 … -days N, or countersign pki issue … --days N",
  E_CERTIFICATE_NOT_YET_VALID: "wait, correct this machine's clock, or issue it again with an earlier start",
  E_CERTIFICATE_CONSTRAINT: "basicConstraints = critical, CA:TRUE (without pathlen), and names that the issuers permit",
  E_CERTIFICATE_SIGNATURE: "issue it again by the issuer at hand, with -sha256 or better",
  E_CERTIFICATE_SELF_SIGNED: "sign with a leaf that an authority issued: countersign pki issue …",
  E_CERTIFICATE_UNTRUSTED: "hand over the missing issuers too",
  E_KEY_WEAK: "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
};
