import type { Command } from "commander";
import { CountersignError } from "../model/errors.ts";
import type { Format, SigningOptions } from "../model/format.ts";
import { LIMITS } from "../model/limits.ts";
import type { OpenPgpCertificate } from "../model/openpgp.ts";
import type { PublicMaterial } from "../model/signature.ts";
import { formatDockerReference, parseDockerReference } from "../oci/docker-reference.ts";
import type { Host } from "../platform/host.ts";
import { readKeyMaterial } from "../signers/key-source.ts";
import { about } from "./about.ts";
import { type OptionValues, switched, text } from "./option-values.ts";
import { VERSION } from "./version.ts";

/** Options that only the openpgp format takes. */

export const openPgpReaders = { signIdentity: text, allowNewOpenpgp: switched };

/** What goes into an OpenPGP signature, and which keys may make one. */
export function addOpenPgpOptions(command: Command): Command {
  return command
    .option(
      "--sign-identity <reference>",
      "openpgp: the reference that is signed (default: the tag that the image was named by, else its digest)",
    )
    .option("--allow-new-openpgp", "openpgp: also keys that gpg 2.2 and Pulp before 2.28 cannot read");
}

/** Of a key that is to sign, or of whoever has signed elsewhere. */
export const GPG_KEY_HELP =
  "openpgp: the public key block that the key belongs to, where it is no OpenPGP secret key: a path, env://NAME or -";

type Given = OptionValues<typeof openPgpReaders>;

/**
 * What the flags say to the openpgp format.
 * @throws E_USAGE for flags that would be passed over in silence; E_REFERENCE_INVALID for what no consumer would match.
 */
export function openPgpSigning(
  { signIdentity, allowNewOpenpgp }: Given,
  formats: readonly Format[],
): Pick<SigningOptions, "reference" | "agent"> {
  if (!formats.some(isOpenPgpFormat)) {
    const idle = signIdentity !== undefined ? "--sign-identity" : allowNewOpenpgp ? "--allow-new-openpgp" : undefined;
    if (idle === undefined) return {};
    throw new CountersignError("E_USAGE", `${idle} says nothing to formats other than openpgp`, {
      hint: `add --format openpgp, or leave ${idle} out`,
    });
  }
  const agent = `countersign/${VERSION}`;
  return signIdentity === undefined ? { agent } : { agent, reference: identityOf(signIdentity) };
}

/**
 * What is to know of the key that makes OpenPGP signatures, a sentence each.
 * @throws E_KEY_UNSUPPORTED for a kind that older programs cannot read, unless it is allowed.
 */
export function openPgpRemarks(
  { openpgp }: PublicMaterial,
  formats: readonly Format[],
  { allowNewOpenpgp }: Pick<Given, "allowNewOpenpgp">,
): readonly string[] {
  if (openpgp === undefined || !formats.some(isOpenPgpFormat)) return [];
  const { key, certificate } = openpgp;
  if (key.algorithm === NEW_ED25519 && !allowNewOpenpgp) {
    throw new CountersignError(
      "E_KEY_UNSUPPORTED",
      `gpg 2.2 and Pulp before 2.28 cannot read signatures by ${key.fingerprint}, an Ed25519 key of the new kind`,
      {
        hint: "make a key with: gpg --quick-generate-key NAME ed25519 sign; or add --allow-new-openpgp where every consumer reads it",
      },
    );
  }
  if (key.primary) return [];
  return [
    `openpgp: the subkey ${key.fingerprint} of ${certificate.fingerprint} signs; podman, skopeo and CRI-O with containers/image before 5.37 refuse signatures by subkeys`,
  ];
}

/** RFC 9580 9.1; the Ed25519 of gpg 2.2 is 22. */
const NEW_ED25519 = 27;

export function isOpenPgpFormat({ name }: Format): boolean {
  return name === "openpgp";
}

/** @throws E_USAGE: an OpenPGP message has no place for a time stamp. */
export function refuseWitnessed(formats: readonly Format[], witnessing: unknown): void {
  if (witnessing === undefined || !formats.some(isOpenPgpFormat)) return;
  throw new CountersignError("E_USAGE", "an OpenPGP signature has no place for a time stamp", {
    hint: "leave --timestamp-url out, or sign in another format",
  });
}

/**
 * Public key blocks that `--gpg-key` names, and what of them is passed over.
 * @throws with exit status 2: the codes of files and keys.
 */
export async function loadKeyrings(
  host: Host,
  sources: readonly string[],
  flag: string,
): Promise<{ readonly certificates: readonly OpenPgpCertificate[]; readonly warnings: readonly string[] }> {
  const read = await Promise.all(
    sources.map(async (source) => {
      const { bytes, label } = await readKeyMaterial(source, host, LIMITS.certificateFile);
      const what = `${flag} ${label}`;
      const { certificates, warnings } = await about(what, async () => {
        const { parseKeyring } = await import("../trust/openpgp/keyring.ts");
        return parseKeyring(bytes, host.now());
      });
      return { certificates, warnings: warnings.map((warning) => `${what}: ${warning}`) };
    }),
  );
  return {
    certificates: read.flatMap(({ certificates }) => certificates),
    warnings: read.flatMap(({ warnings }) => warnings),
  };
}

/** In full, with a tag or digest: what is signed is compared to the letter. */
function identityOf(written: string): string {
  const reference = parseDockerReference(written);
  const first = written.split("/")[0] ?? "";
  if (reference === undefined || !written.includes("/") || !(first === "localhost" || /[.:]/.test(first))) {
    throw new CountersignError(
      "E_REFERENCE_INVALID",
      `--sign-identity: ${JSON.stringify(written.slice(0, 160))} is no whole reference`,
      {
        hint: "write it in full, the registry too: registry.example.com/app:1.2",
      },
    );
  }
  if (reference.tag === undefined && reference.digest === undefined) {
    throw new CountersignError(
      "E_REFERENCE_INVALID",
      `--sign-identity: ${written.slice(0, 160)} names a repository alone`,
      {
        hint: "add the tag or digest that consumers pull by: most policies take no signature without one",
      },
    );
  }
  return formatDockerReference(reference);
}
