import { ALGORITHMS, type Algorithm } from "../../model/algorithm.ts";
import type { Certificate } from "../../model/certificate.ts";
import { CountersignError, isCountersignError } from "../../model/errors.ts";
import type { OpenPgpCertificate } from "../../model/openpgp.ts";
import type { Authority, Requirement, Trust } from "../../model/policy.ts";
import type { PublicKey } from "../../model/signature.ts";
import type { Requirements } from "./document.ts";
import type { Source } from "./members.ts";
import type { PolicyRequirement, SignedBy } from "./policy-requirement.ts";
import type { SigstoreKeys, SigstorePki, SigstoreSigned } from "./sigstore-requirement.ts";

/** The keys and certificates that a policy names, read already; each throws why one could not be. */
export interface Keyring {
  openpgp(source: Source): readonly OpenPgpCertificate[];
  publicKey(source: Source): PublicKey;
  certificates(source: Source): readonly Certificate[];
}

export interface Setting {
  readonly keyring: Keyring;
  /** Annotations that must be signed beside. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly compat?: Trust["compat"];
  /** What the requirements are called in reasons: where they stand. */
  readonly place: string;
}

/** What a policy refuses every image for, whatever is signed. */
export interface Refusal {
  readonly refused: CountersignError;
}

/** containers/image verifies by SHA-256 alone, whatever the key. */
const sigstoreAlgorithms: readonly Algorithm[] = [
  "ecdsa-p256-sha256",
  "ecdsa-p384-sha256",
  "ecdsa-p521-sha256",
  "rsa-pkcs1-sha256",
  "ed25519",
];

/**
 * What must hold under a list of requirements: all of them; `skip` where none asks for a signature. The first that refuses whatever is
 * signed refuses: `reject`, what this program does not verify, and keys that cannot be had, as containers/image has it.
 */
export function evaluate(requirements: Requirements, setting: Setting): Requirement | "skip" | Refusal {
  try {
    const authorities = requirements.flatMap((requirement, at) =>
      authoritiesOf(requirement, `${setting.place}[${at}] ${requirement.type}`, setting),
    );
    const [only] = authorities;
    if (only === undefined) return "skip";
    return authorities.length === 1 ? only : { all: authorities };
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    return { refused: error };
  }
}

function authoritiesOf(
  requirement: PolicyRequirement,
  name: string,
  setting: Setting,
): readonly { authority: Authority }[] {
  switch (requirement.type) {
    case "insecureAcceptAnything":
      return [];
    case "reject":
      throw rejected(setting.place);
    case "signedBaseLayer":
      throw unsupported(name, "signedBaseLayer, which no program verifies", "remove that requirement");
    case "signedBy":
      return [{ authority: openpgpAuthority(requirement, name, setting) }];
    case "sigstoreSigned":
      return [{ authority: sigstoreAuthority(requirement, name, setting) }];
  }
}

function openpgpAuthority({ keyType, keys, signedIdentity }: SignedBy, name: string, setting: Setting): Authority {
  if (keyType !== "GPGKeys") {
    throw unsupported(name, `keys of the type ${keyType}, which no program verifies`, "write the keyType GPGKeys");
  }
  const openpgp = keys.flatMap((source) => held(name, source, () => setting.keyring.openpgp(source)));
  if (openpgp.length === 0) {
    throw new CountersignError("E_POLICY_KEY", `${name}: it names no key`, { hint: "name the signer's public key" });
  }
  return {
    name,
    trust: { keys: [], anchors: [], intermediates: [], openpgp, allowedAlgorithms: ALGORITHMS, compat: setting.compat },
    identities: [],
    annotations: setting.annotations,
    reference: signedIdentity,
    formats: ["openpgp"],
  };
}

function sigstoreAuthority(
  { by, rekorKeys, signedIdentity }: SigstoreSigned,
  name: string,
  setting: Setting,
): Authority {
  if (by.kind === "fulcio") {
    throw unsupported(name, "a certificate of Fulcio's, which is not verified in this version", "verify it by podman");
  }
  if (rekorKeys.length > 0) {
    throw unsupported(
      name,
      "an entry in a log of Rekor's, which is not verified in this version",
      "verify it by podman",
    );
  }
  const { identities, ...whom } = by.kind === "keys" ? byKeys(by, name, setting) : byPki(by, name, setting);
  return {
    name,
    trust: { intermediates: [], ...whom, allowedAlgorithms: sigstoreAlgorithms, compat: setting.compat },
    identities,
    annotations: setting.annotations,
    reference: signedIdentity,
    strictPayload: true,
    formats: ["cosign"],
  };
}

function byKeys({ keys }: SigstoreKeys, name: string, { keyring }: Setting) {
  return {
    keys: keys.map((source) => held(name, source, () => keyring.publicKey(source))),
    anchors: [],
    identities: [],
  };
}

function byPki(
  { roots, intermediates, subjectEmail, subjectHostname }: SigstorePki,
  name: string,
  { keyring }: Setting,
) {
  const certificates = (source: Source) => held(name, source, () => keyring.certificates(source));
  return {
    keys: [],
    anchors: certificates(roots),
    intermediates: intermediates === undefined ? [] : certificates(intermediates),
    identities: [{ email: subjectEmail, hostname: subjectHostname }],
  };
}

/** Keys that cannot be had are not trusted: nothing is by that requirement, though another key of it might have done. */
function held<T>(name: string, source: Source, get: () => T): T {
  try {
    return get();
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    const what = "path" in source ? source.path : "the key in the policy";
    throw new CountersignError("E_POLICY_KEY", `${name}: ${what}: ${error.message}`, {
      hint: "path" in source ? "put the key where the policy names it" : "write it anew: base64 of the key's file",
      cause: error,
    });
  }
}

function rejected(place: string): CountersignError {
  return new CountersignError("E_POLICY_REJECTS", `the policy rejects every image here (${place})`, {
    hint: "use an image that the policy allows, or add a scope for this one",
  });
}

function unsupported(name: string, what: string, hint: string): CountersignError {
  return new CountersignError("E_POLICY_UNSUPPORTED", `${name}: the policy asks for ${what}`, { hint });
}
