import { ALGORITHMS, type Algorithm, isAlgorithm } from "../model/algorithm.ts";
import type { Certificate } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Authority, IdentityRule, Requirement, TextRule, Trust } from "../model/policy.ts";
import type { PublicKey } from "../model/signature.ts";
import type { Host } from "../platform/host.ts";
import { readKeyMaterial } from "../signers/key-source.ts";
import { readPublicKeyPem } from "../trust/describe-key.ts";
import { isOpenPgp } from "../trust/openpgp/detect.ts";
import { exactRule, patternRule } from "../trust/text-rules.ts";
import { about } from "./about.ts";
import { annotationsOf } from "./arguments.ts";
import { addCompatOption, compatOf, compatReaders } from "./compat-option.ts";
import type { OptionList } from "./option-list.ts";
import { type OptionValues, oneOf, text, texts } from "./option-values.ts";
import { addRevocationOptions, loadRevocation, revocationReaders } from "./revocation-options.ts";
import { addTimestampTrustOptions, loadTimestampTrust, timestampTrustReaders } from "./timestamp-options.ts";

const list = (value: string, before: string[] | undefined) => [...(before ?? []), value];

export const trustReaders = {
  key: texts,
  gpgKey: texts,
  caRoots: texts,
  caIntermediates: texts,
  certificateIdentity: text,
  certificateIdentityRegexp: text,
  certificateSubject: text,
  certificateSubjectRegexp: text,
  certificateFingerprint: text,
  certificateOidcIssuer: text,
  certificateOidcIssuerRegexp: text,
  ...timestampTrustReaders,
  ...revocationReaders,
  annotation: texts,
  requireReference: oneOf(["none", "repository", "exact"]),
  allowAlgorithms: text,
  ...compatReaders,
};

export function addTrustOptions<List extends OptionList>(command: List): List {
  command
    .optionsGroup("Trust:")
    .option("--key <source>", "public key: a path, env://NAME or -; any of several counts (repeatable)", list)
    .option(
      "--gpg-key <source>",
      "OpenPGP public key blocks whose signatures count: a path, env://NAME or - (repeatable)",
      list,
    )
    .option("--ca-roots <file>", "certificates that paths must end in, PEM or DER (repeatable)", list)
    .option(
      "--ca-intermediates <file>",
      "certificates that help to build paths; never an end of one (repeatable)",
      list,
    )
    .optionsGroup("Who may sign (every rule given must hold):")
    .option("--certificate-identity <name>", "an alternative name of the certificate, of any kind")
    .option("--certificate-identity-regexp <re2>", "the same by RE2, over the whole name")
    .option("--certificate-subject <dn>", "its subject, RFC 4514: CN=release,O=Example")
    .option("--certificate-subject-regexp <re2>", "the same by RE2, over the whole name")
    .option("--certificate-fingerprint <sha256>", "its SHA-256 fingerprint")
    .option("--certificate-oidc-issuer <url>", "the issuer extension that Fulcio writes")
    .option(
      "--certificate-oidc-issuer-regexp <re2>",
      "the same by RE2, over the whole text; no extension is the empty text",
    );
  addRevocationOptions(addTimestampTrustOptions(command))
    .optionsGroup("What else must hold:")
    .option("-a, --annotation <key=value>", "signed with this value (repeatable)", list)
    .addOption(
      command
        .createOption("--require-reference <how>", "the name inside the signature must be the image's")
        .choices(["none", "repository", "exact"])
        .default("none"),
    )
    .option("--allow-algorithms <names>", "by comma; all that keys permit without it");
  return addCompatOption(command);
}

export type TrustOptions = OptionValues<typeof trustReaders>;

/**
 * What must hold, from flags. Reads every file named, before the first request.
 * @throws E_USAGE when nothing is trusted, or rules contradict each other; the codes of keys, certificates and patterns.
 */
export async function loadRequirement(
  host: Host,
  options: TrustOptions,
): Promise<{ readonly requirement: Requirement; readonly warnings: readonly string[] }> {
  const keys = options.key ?? [];
  const roots = options.caRoots ?? [];
  const blocks = options.gpgKey ?? [];
  if (keys.length === 0 && roots.length === 0 && blocks.length === 0) {
    throw new CountersignError("E_USAGE", "nothing is trusted: no signature could count", {
      hint: "name a public key with --key, OpenPGP ones with --gpg-key, or your certificate authority with --ca-roots and who may sign with --certificate-identity",
    });
  }
  const identity = await identityRule(options);
  if (keys.length + blocks.length > 0 && (roots.length > 0 || identity !== undefined)) {
    const flag = keys.length > 0 ? "--key" : "--gpg-key";
    throw new CountersignError("E_USAGE", `${flag} and the certificate flags exclude each other`, {
      hint: "trust a key, or a certificate authority with identities; verify twice to demand both",
    });
  }
  const keyrings =
    blocks.length === 0
      ? undefined
      : await (await import("./openpgp-options.ts")).loadKeyrings(host, blocks, "--gpg-key");
  const trust: Trust = {
    keys: await Promise.all(keys.map((source) => publicKey(host, source))),
    anchors: await certificates(host, roots, "--ca-roots"),
    intermediates: await certificates(host, options.caIntermediates ?? [], "--ca-intermediates"),
    ...(keyrings && { openpgp: keyrings.certificates }),
    allowedAlgorithms: algorithms(options.allowAlgorithms),
    compat: compatOf(options),
    timestamps: await loadTimestampTrust(host, options),
    revocation: await loadRevocation(host, options),
  };
  const authority: Authority = {
    name: keys.length > 0 ? "key" : blocks.length > 0 ? "OpenPGP key" : "certificate authority",
    trust,
    identities: identity === undefined ? [] : [identity],
    annotations: annotationsOf(options.annotation ?? []),
    reference: options.requireReference,
  };
  const warnings =
    roots.length > 0 && identity === undefined
      ? [
          "no identity is asked for: whoever holds a code-signing certificate under these roots counts; add --certificate-identity",
        ]
      : (keyrings?.warnings ?? []);
  return { requirement: { authority }, warnings };
}

/** Beside a policy, which says itself whom it trusts. @throws E_USAGE */
export function refuseTrustFlags(options: TrustOptions): void {
  const given = Object.entries(trustReaders).find(
    ([name]) => !besidePolicy.has(name) && options[name as keyof TrustOptions] !== undefined,
  );
  if (given === undefined) return;
  const flag = `--${given[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new CountersignError("E_USAGE", `${flag} stands beside a trust policy, which says itself whom it trusts`, {
    hint: `leave ${flag} out, or the policy`,
  });
}

/** What a policy leaves open; commander has filled in the default of --require-reference. */
const besidePolicy: ReadonlySet<string> = new Set([
  "annotation",
  "requireReference",
  "compat",
  ...Object.keys(revocationReaders),
]);

async function publicKey(host: Host, source: string): Promise<PublicKey> {
  const { bytes, label } = await readKeyMaterial(source, host, LIMITS.certificateFile);
  if (isOpenPgp(bytes)) {
    throw new CountersignError("E_USAGE", `--key ${label}: this is an OpenPGP key`, {
      hint: "name public key blocks with --gpg-key",
    });
  }
  return about(
    `--key ${label}`,
    async () => readPublicKeyPem(bytes) ?? (await import("../trust/public-keys.ts")).parsePublicKey(bytes),
  );
}

async function certificates(host: Host, sources: readonly string[], flag: string): Promise<readonly Certificate[]> {
  if (sources.length === 0) return [];
  const { parseCertificates } = await import("../trust/certificate.ts");
  const read = await Promise.all(
    sources.map(async (source) => {
      const { bytes, label } = await readKeyMaterial(source, host, LIMITS.certificateFile);
      return about(`${flag} ${label}`, async () => parseCertificates(bytes));
    }),
  );
  return read.flat();
}

async function identityRule(options: TrustOptions): Promise<IdentityRule | undefined> {
  const name = await textRule("--certificate-identity", options.certificateIdentity, options.certificateIdentityRegexp);
  const subject = await textRule("--certificate-subject", options.certificateSubject, options.certificateSubjectRegexp);
  const issuer = await textRule(
    "--certificate-oidc-issuer",
    options.certificateOidcIssuer,
    options.certificateOidcIssuerRegexp,
  );
  const given = options.certificateFingerprint;
  const fingerprint =
    given === undefined ? undefined : (await import("../trust/identities.ts")).normalizeFingerprint(given);
  const rules = { name, subject, issuer, fingerprint };
  return Object.values(rules).some((rule) => rule !== undefined) ? rules : undefined;
}

async function textRule(
  flag: string,
  exact: string | undefined,
  pattern: string | undefined,
): Promise<TextRule | undefined> {
  if (exact !== undefined && pattern !== undefined) {
    throw new CountersignError("E_USAGE", `${flag} and ${flag}-regexp exclude each other`, { hint: "leave one out" });
  }
  if (exact === "" || pattern === "") {
    throw new CountersignError("E_USAGE", `${flag} is empty`, {
      hint: "name who may sign; an empty variable in CI often looks like this",
    });
  }
  if (exact !== undefined) return exactRule(exact);
  return pattern === undefined ? undefined : patternRule(pattern);
}

function algorithms(text: string | undefined): readonly Algorithm[] {
  if (text === undefined) return ALGORITHMS;
  const names = text.split(",").map((name) => name.trim());
  return names.map((name) => {
    if (isAlgorithm(name)) return name;
    throw new CountersignError("E_USAGE", `--allow-algorithms: ${JSON.stringify(name)} is no algorithm`, {
      hint: `name some of ${ALGORITHMS.join(", ")}`,
    });
  });
}
