import { constants, createPublicKey, type KeyObject, sign } from "node:crypto";
import { ALGORITHMS } from "../../../src/model/algorithm.ts";
import type { Subject } from "../../../src/model/descriptor.ts";
import { digestOf } from "../../../src/model/digest.ts";
import type { Format, SigningOptions } from "../../../src/model/format.ts";
import { OCI_MANIFEST } from "../../../src/model/media-types.ts";
import type { Trust } from "../../../src/model/policy.ts";
import type {
  Artefact,
  Evidence,
  Finding,
  Place,
  Prepared,
  PublicMaterial,
  Stored,
} from "../../../src/model/signature.ts";
import { publicKeyFrom } from "../../../src/trust/public-keys.ts";
import { NOW, type Pki } from "../../trust/support/pki.ts";

export const subject: Subject = {
  repository: "registry.example.com/team/app",
  digest: digestOf(Buffer.from("an image")),
  mediaType: OCI_MANIFEST,
  size: 8,
};
export const otherDigest = digestOf(Buffer.from("another image"));
export const place: Place = { kind: "tag", name: "in a test" };
export const plain: SigningOptions = { annotations: {} };

export function bareKey(key: KeyObject): PublicMaterial {
  return { publicKey: publicKeyFrom(createPublicKey(key)), chain: [] };
}

/** `issuers`: how many of the leaf's issuers come with it; all of them, the root too, unless told. */
export function certified({ key, chain }: Pki, issuers = chain.length - 1): PublicMaterial {
  return { publicKey: publicKeyFrom(createPublicKey(key)), chain: chain.slice(0, issuers + 1) };
}

/** The signature over prepared bytes, by what their algorithm says. */
export function signPrepared(
  { bytes, algorithm, encoding }: Pick<Prepared, "bytes" | "algorithm" | "encoding">,
  key: KeyObject,
) {
  const hash = /sha\d+$/.exec(algorithm)?.[0];
  if (encoding === "der") return new Uint8Array(sign(hash, bytes, { key, dsaEncoding: "der" }));
  if (encoding === "p1363") return new Uint8Array(sign(hash, bytes, { key, dsaEncoding: "ieee-p1363" }));
  if (!algorithm.startsWith("rsa-pss-")) return new Uint8Array(sign(hash, bytes, key));
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return new Uint8Array(sign(hash, bytes, { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }));
}

export function makeArtefact(
  format: Format,
  key: KeyObject,
  material: PublicMaterial,
  options: SigningOptions = plain,
  about: Subject = subject,
): Artefact {
  const prepared = format.prepare(about, material, options);
  return format.assemble(prepared, signPrepared(prepared, key), material, options);
}

export function stored({ mediaType, artifactType, bytes, annotations }: Artefact): Stored {
  return { place, mediaType, artifactType, bytes, annotations };
}

/** @throws when the artefact cannot be decoded. */
export function evidenceOf(format: Format, artefact: Artefact): Evidence {
  const read = format.read(stored(artefact));
  if ("reason" in read) throw new Error(`${read.reason.code}: ${read.reason.message}`);
  return read;
}

export function trusting(change: Partial<Trust>): Trust {
  return { keys: [], anchors: [], intermediates: [], allowedAlgorithms: ALGORITHMS, ...change };
}

export function check(format: Format, artefact: Artefact, trust: Partial<Trust>, at = NOW): Promise<Finding> {
  return format.check(evidenceOf(format, artefact), subject.digest, trusting(trust), at);
}

export function codesOf(finding: Finding): string[] {
  return finding.reasons.map(({ code }) => code);
}
