import type { Command } from "commander";
import { ALGORITHMS } from "../model/algorithm.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Requirement } from "../model/policy.ts";
import type { Host } from "../platform/host.ts";
import { readKeyMaterial } from "../signers/key-source.ts";
import { parseCertificates } from "../trust/certificate.ts";
import { isOpenPgp } from "../trust/openpgp/detect.ts";
import { parsePublicKey } from "../trust/public-keys.ts";
import { exactRule } from "../trust/text-rules.ts";
import { about } from "./about.ts";
import { type OptionValues, text, texts } from "./option-values.ts";

export const signedByReaders = { signedBy: texts, signedByCaRoots: texts, signedByIdentity: text };

const list = (value: string, before: string[] | undefined) => [...(before ?? []), value];

/** Options that let only those images be signed that carry another signature already: for changing keys. */
export function addSignedByOptions(command: Command): Command {
  return command
    .optionsGroup("Only what is signed already:")
    .option(
      "--signed-by <source>",
      "by this public key, PEM or OpenPGP: a path, env://NAME or - (repeatable; any of several counts)",
      list,
    )
    .option("--signed-by-ca-roots <file>", "by a certificate under these roots, PEM or DER (repeatable)", list)
    .option("--signed-by-identity <name>", "that has this alternative name; goes with --signed-by-ca-roots");
}

/**
 * What an image must carry to be signed; undefined when the flags ask for nothing.
 * @throws with exit status 2: E_USAGE and the codes of keys and certificates.
 */
export async function loadSignedBy(
  host: Host,
  options: OptionValues<typeof signedByReaders>,
): Promise<Requirement | undefined> {
  const { signedBy = [], signedByCaRoots = [], signedByIdentity: identity } = options;
  if (signedByCaRoots.length === 0 && identity !== undefined) {
    throw new CountersignError("E_USAGE", "--signed-by-identity stands without --signed-by-ca-roots", {
      hint: "name the roots that the certificates must lead to",
    });
  }
  if (identity === "") {
    throw new CountersignError("E_USAGE", "--signed-by-identity is empty", {
      hint: "name who has signed, or leave it out; an empty variable in CI often looks like this",
    });
  }
  if (signedBy.length === 0 && signedByCaRoots.length === 0) return undefined;
  const keys = await Promise.all(
    signedBy.map(async (source) => {
      const { bytes, label } = await readKeyMaterial(source, host, LIMITS.certificateFile);
      return about(`--signed-by ${label}`, async () =>
        isOpenPgp(bytes)
          ? {
              openpgp: (await (await import("../trust/openpgp/keyring.ts")).parseKeyring(bytes, host.now()))
                .certificates,
            }
          : { key: parsePublicKey(bytes) },
      );
    }),
  );
  const openpgp = keys.flatMap((each) => each.openpgp ?? []);
  const anchors = signedByCaRoots.map(async (source) => {
    const { bytes, label } = await readKeyMaterial(source, host, LIMITS.certificateFile);
    return about(`--signed-by-ca-roots ${label}`, async () => parseCertificates(bytes));
  });
  const base = { annotations: {}, reference: "none" } as const;
  const byKey: Requirement = {
    authority: {
      ...base,
      name: "old key",
      trust: {
        keys: keys.flatMap(({ key }) => (key === undefined ? [] : [key])),
        anchors: [],
        intermediates: [],
        ...(openpgp.length > 0 && { openpgp }),
        allowedAlgorithms: ALGORITHMS,
      },
      identities: [],
    },
  };
  const byCertificate: Requirement = {
    authority: {
      ...base,
      name: "old certificate authority",
      trust: {
        keys: [],
        anchors: (await Promise.all(anchors)).flat(),
        intermediates: [],
        allowedAlgorithms: ALGORITHMS,
      },
      identities: identity === undefined ? [] : [{ name: exactRule(identity) }],
    },
  };
  const wanted = [...(signedBy.length > 0 ? [byKey] : []), ...(signedByCaRoots.length > 0 ? [byCertificate] : [])];
  return { any: wanted };
}
