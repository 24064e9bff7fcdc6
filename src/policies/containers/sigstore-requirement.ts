import type { SignedIdentity } from "../../model/policy.ts";
import { listOf, type Shape, text, Unfit } from "../../model/shape.ts";
import { identityOr } from "./identity-rule.ts";
import { base64, exactlyOne, members, type Source } from "./members.ts";

export interface SigstoreSigned {
  readonly type: "sigstoreSigned";
  readonly by: SigstoreKeys | SigstoreFulcio | SigstorePki;
  /** Logs, by their keys; none: no log is asked about. */
  readonly rekorKeys: readonly Source[];
  readonly signedIdentity: SignedIdentity;
}

export interface SigstoreKeys {
  readonly kind: "keys";
  readonly keys: readonly Source[];
}

export interface SigstoreFulcio {
  readonly kind: "fulcio";
  readonly ca: Source;
  readonly oidcIssuer: string;
  readonly subjectEmail: string;
}

export interface SigstorePki {
  readonly kind: "pki";
  readonly roots: Source;
  readonly intermediates?: Source | undefined;
  /** An email address, and a host, that the certificate must be for; one of the two is always there. */
  readonly subjectEmail?: string | undefined;
  readonly subjectHostname?: string | undefined;
}

const onePath: Shape<Source> = (value, path) => ({ path: text(1)(value, path) });
const oneData: Shape<Source> = (value, path) => ({ data: base64(value, path) });
const paths: Shape<readonly Source[]> = listOf((value, path) => ({ path: text()(value, path) }), 1);
const datas: Shape<readonly Source[]> = listOf(oneData, 1);
const alone =
  (shape: Shape<Source>): Shape<readonly Source[]> =>
  (value, path) => [shape(value, path)];

const rekorMembers = {
  rekorPublicKeyPath: alone(onePath),
  rekorPublicKeyPaths: paths,
  rekorPublicKeyData: alone(oneData),
  rekorPublicKeyDatas: datas,
};

const signers: Readonly<Record<string, Shape<SigstoreSigned["by"]>>> = {
  keyPath: (value, path) => ({ kind: "keys", keys: [onePath(value, path)] }),
  keyPaths: (value, path) => ({ kind: "keys", keys: paths(value, path) }),
  keyData: (value, path) => ({ kind: "keys", keys: [oneData(value, path)] }),
  keyDatas: (value, path) => ({ kind: "keys", keys: datas(value, path) }),
  fulcio: readFulcio,
  pki: readPki,
};

const names = ["type", ...Object.keys(signers), ...Object.keys(rekorMembers), "signedIdentity"];

/** A `sigstoreSigned` requirement (policy_config_sigstore.go). */
export function readSigstoreSigned(value: unknown, path: readonly (string | number)[]): SigstoreSigned {
  const given = members(value, path, names);
  const by = exactlyOne(given, path, signers);
  const logged = Object.keys(rekorMembers).some((name) => Object.hasOwn(given, name));
  const rekorKeys = logged ? exactlyOne(given, path, rekorMembers) : [];
  if (by.kind === "fulcio" && !logged)
    throw new Unfit(path, "fulcio asks for the key of a log: a rekorPublicKey member");
  if (by.kind === "pki" && logged) throw new Unfit(path, "pki and the key of a log exclude each other");
  return { type: "sigstoreSigned", by, rekorKeys, signedIdentity: identityOr(given, path) };
}

function readFulcio(value: unknown, path: readonly (string | number)[]): SigstoreFulcio {
  const given = members(value, path, ["caPath", "caData", "oidcIssuer", "subjectEmail"]);
  return {
    kind: "fulcio",
    ca: exactlyOne(given, path, { caPath: onePath, caData: oneData }),
    oidcIssuer: text(1)(given["oidcIssuer"], [...path, "oidcIssuer"]),
    subjectEmail: text(1)(given["subjectEmail"], [...path, "subjectEmail"]),
  };
}

function readPki(value: unknown, path: readonly (string | number)[]): SigstorePki {
  const intermediates = { caIntermediatesPath: onePath, caIntermediatesData: oneData };
  const given = members(value, path, [
    ...["caRootsPath", "caRootsData", ...Object.keys(intermediates)],
    ...["subjectEmail", "subjectHostname"],
  ]);
  const optionalText = (name: string) =>
    Object.hasOwn(given, name) ? text()(given[name], [...path, name]) || undefined : undefined;
  const helped = Object.keys(intermediates).some((name) => Object.hasOwn(given, name));
  const pki: SigstorePki = {
    kind: "pki",
    roots: exactlyOne(given, path, { caRootsPath: onePath, caRootsData: oneData }),
    intermediates: helped ? exactlyOne(given, path, intermediates) : undefined,
    subjectEmail: optionalText("subjectEmail"),
    subjectHostname: optionalText("subjectHostname"),
  };
  if (pki.subjectEmail === undefined && pki.subjectHostname === undefined) {
    throw new Unfit(path, "subjectEmail or subjectHostname must stand there");
  }
  return pki;
}
