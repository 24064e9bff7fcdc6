import type { SignedIdentity } from "../../model/policy.ts";
import { anyObject, listOf, type Shape, text, Unfit } from "../../model/shape.ts";
import { identityOr, readSignedIdentity } from "./identity-rule.ts";
import { base64, exactlyOne, members, type Source } from "./members.ts";
import { readSigstoreSigned, type SigstoreSigned } from "./sigstore-requirement.ts";

export const KEY_TYPES = ["GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs"] as const;

export interface SignedBy {
  readonly type: "signedBy";
  /** Only the first is verified, here and there; the others refuse every image. */
  readonly keyType: (typeof KEY_TYPES)[number];
  readonly keys: readonly Source[];
  readonly signedIdentity: SignedIdentity;
}

export type PolicyRequirement =
  | { readonly type: "insecureAcceptAnything" }
  | { readonly type: "reject" }
  | { readonly type: "signedBaseLayer"; readonly baseLayerIdentity: SignedIdentity }
  | SignedBy
  | SigstoreSigned;

/** One requirement of a policy.json (policy_config.go). */
export const readRequirement: Shape<PolicyRequirement> = (value, path) => {
  const { type } = anyObject(value, path);
  switch (type) {
    case "insecureAcceptAnything":
    case "reject":
      members(value, path, ["type"]);
      return { type };
    case "signedBaseLayer": {
      const given = members(value, path, ["type", "baseLayerIdentity"]);
      return {
        type,
        baseLayerIdentity: readSignedIdentity(given["baseLayerIdentity"], [...path, "baseLayerIdentity"]),
      };
    }
    case "signedBy":
      return readSignedBy(value, path);
    case "sigstoreSigned":
      return readSigstoreSigned(value, path);
    default:
      throw new Unfit([...path, "type"], `${JSON.stringify(type ?? null).slice(0, 80)} is no type of requirement`);
  }
};

const signedByMembers = ["type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"];

const readSignedBy: Shape<SignedBy> = (value, path) => {
  const given = members(value, path, signedByMembers);
  const keyType = KEY_TYPES.find((each) => each === given["keyType"]);
  if (keyType === undefined) throw new Unfit([...path, "keyType"], `expected one of ${KEY_TYPES.join(", ")}`);
  return {
    type: "signedBy",
    keyType,
    keys: exactlyOne<readonly Source[]>(given, path, {
      keyPath: (one, at) => [{ path: text(1)(one, at) }],
      // An empty list is taken, here and there: nobody's signature counts by it.
      keyPaths: (some, at) => listOf(text())(some, at).map((each) => ({ path: each })),
      keyData: (one, at) => [{ data: base64(one, at) }],
    }),
    signedIdentity: identityOr(given, path),
  };
};
