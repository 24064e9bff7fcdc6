import { createHash } from "node:crypto";
import { refusedByCosign } from "../formats/cosign-acceptance.ts";
import type { HashName } from "../model/algorithm.ts";
import type { Format, SigningOptions } from "../model/format.ts";
import type { PublicMaterial } from "../model/signature.ts";
import { formatReference, parseReference } from "../oci/reference.ts";
import type { PayloadReport } from "../reports/report.ts";
import { hashOf } from "../trust/public-keys.ts";
import { resolve } from "./resolve.ts";
import type { Session } from "./session.ts";
import { signedReference } from "./signed-reference.ts";
import { materialFor } from "./store-signature.ts";

export interface PayloadRequest {
  /** As the caller named it; a tag is resolved once. */
  readonly image: string;
  readonly format: Format;
  readonly options: SigningOptions;
  /** Who will sign, where that is known already: then algorithm and encoding are chosen and checked, as `sign` does. */
  readonly material?: PublicMaterial | undefined;
  /** A hash of the bytes to report, for who signs digests; that of the algorithm where there is one. */
  readonly digest?: HashName | undefined;
  readonly warnings: readonly string[];
}

/**
 * The first half of `sign`: the exact bytes that a key elsewhere is to sign for an image, the same for every key, and a
 * report of how. `attach` finishes from the bytes and the signature.
 * @throws E_REFERENCE_INVALID, E_SUBJECT_NOT_FOUND, E_ALGORITHM_UNSUPPORTED, what the registry answers.
 */
export async function payload(
  session: Session,
  request: PayloadRequest,
): Promise<{ readonly bytes: Uint8Array; readonly report: PayloadReport }> {
  const { format } = request;
  const material = request.material && materialFor(format, request.material);
  const reference = parseReference(request.image);
  const signed = request.options.reference ?? signedReference([format], reference);
  const options = { ...request.options, reference: signed, at: session.host.now() };
  const { subject } = await resolve(session.open(reference), reference);
  const prepared = material === undefined ? undefined : format.prepare(subject, material, options);
  const bytes = prepared?.bytes ?? format.signedBytes(subject, options);
  const algorithm = prepared?.algorithm;
  // What is handed to an EdDSA key of OpenPGP is a digest already, SHA-256 as `prepare` chooses it.
  const digested = prepared?.presented === undefined ? undefined : "sha256";
  const hash = algorithm && hashOf(algorithm);
  const refusals =
    material === undefined || algorithm === undefined ? [] : refusedByCosign(format.name, algorithm, material, options);
  const report: PayloadReport = {
    schemaVersion: 1,
    operation: "payload",
    reference: request.image,
    subject: formatReference({ ...reference, tag: undefined, digest: subject.digest }),
    digest: subject.digest,
    format: format.name,
    size: bytes.length,
    signing:
      prepared === undefined
        ? null
        : { algorithm: prepared.algorithm, hash: hash ?? null, encoding: prepared.encoding },
    hashed: hashed(bytes, request.digest ?? digested ?? hash),
    warnings: [...request.warnings, ...refusals, ...(digested === undefined ? [] : [DIGEST_IS_SIGNED])],
  };
  return { bytes, report };
}

const DIGEST_IS_SIGNED =
  "openpgp: an Ed25519 key signs the 32 octets of the SHA-256 digest of these bytes, not the bytes themselves";

function hashed(bytes: Uint8Array, hash: HashName | undefined): PayloadReport["hashed"] {
  if (hash === undefined) return null;
  const digest = createHash(hash).update(bytes).digest();
  return { hash, hex: digest.toString("hex"), base64: digest.toString("base64") };
}
