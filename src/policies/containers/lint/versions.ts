import { type Consumer, isSince } from "./consumers.ts";
import type { LintFinding } from "./finding.ts";

interface Feature {
  readonly since: string;
  /** What it would write instead, for a consumer that is older. */
  readonly mend: string;
}

const split = "give each key a requirement or scope of its own, or all of them one file";
const fulcio = "leave such requirements to newer consumers";

/** Members of requirements that not every version knows, by the type of requirement (the versions that containers/image first had them in). */
const features: Readonly<Record<string, Readonly<Record<string, Feature>>>> = {
  signedBy: { keyPaths: { since: "5.22.0", mend: split } },
  sigstoreSigned: {
    type: { since: "5.22.0", mend: "sign with an OpenPGP key too, and write signedBy" },
    keyPaths: { since: "5.32.2", mend: split },
    keyDatas: { since: "5.32.2", mend: split },
    fulcio: { since: "5.24.0", mend: fulcio },
    rekorPublicKeyPath: { since: "5.24.0", mend: fulcio },
    rekorPublicKeyData: { since: "5.24.0", mend: fulcio },
    rekorPublicKeyPaths: { since: "5.32.2", mend: fulcio },
    rekorPublicKeyDatas: { since: "5.32.2", mend: fulcio },
    pki: { since: "5.34.1", mend: "name the signer's key, keyPath, in place of its authority" },
  },
  remapIdentity: { type: { since: "5.9.0", mend: "write exactRepository, or sign the image anew where it is" } },
};

/** What of a requirement, as it is written, an older consumer does not know: it refuses the whole document for it. */
export function lintVersions(written: unknown, place: string, consumers: readonly Consumer[]): readonly LintFinding[] {
  if (typeof written !== "object" || written === null) return [];
  const type = "type" in written && typeof written.type === "string" ? written.type : "";
  const known = Object.hasOwn(features, type) ? features[type] : undefined;
  const own = Object.entries(known ?? {}).flatMap(([member, feature]) =>
    member in written ? consumers.flatMap((consumer) => tooOld(consumer, type, member, feature, place)) : [],
  );
  const identity = "signedIdentity" in written ? written.signedIdentity : undefined;
  return [...own, ...lintVersions(identity, `${place}.signedIdentity`, consumers)];
}

function tooOld(
  consumer: Consumer,
  type: string,
  member: string,
  feature: Feature,
  place: string,
): readonly LintFinding[] {
  if (isSince(consumer, feature.since)) return [];
  const what = member === "type" ? type : `${member} of ${type}`;
  return [
    {
      severity: "error",
      rule: "unknown-member",
      consumer: consumer.name,
      place: `${place}.${member}`,
      message: `${what} is known since containers/image ${feature.since}; ${consumer.name} has ${consumer.library.join(".")} and refuses the whole document`,
      mend: feature.mend,
    },
  ];
}
