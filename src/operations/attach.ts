import { signatureEncoding } from "../formats/choose-algorithm.ts";
import { refusedByCosign } from "../formats/cosign-acceptance.ts";
import { describeSignedBytes, type SignedBytes } from "../formats/signed-bytes.ts";
import { asCountersignError, CountersignError } from "../model/errors.ts";
import type { SigningOptions } from "../model/format.ts";
import type { Artefact, FormatName, PublicMaterial } from "../model/signature.ts";
import { dockerName, parseDockerReference } from "../oci/docker-reference.ts";
import { formatReference, parseReference, type Reference } from "../oci/reference.ts";
import type { Repository } from "../oci/repository.ts";
import type { AttachReport } from "../reports/report.ts";
import { encodeSignature } from "../trust/signature-encoding.ts";
import { problemOf } from "./problem.ts";
import { recogniseSignature } from "./recognise-signature.ts";
import { resolve } from "./resolve.ts";
import type { Session } from "./session.ts";
import {
  assembleVerified,
  findOwn,
  materialFor,
  type SigningTask,
  signatureReport,
  storeAndReadBack,
  type Witnessing,
} from "./store-signature.ts";
import { storesOf } from "./stores.ts";

export interface AttachRequest {
  /** Its repository is where the signature goes. Which image it is about the signed bytes say. */
  readonly image: string;
  /** The bytes that were signed, as `payload` or `cosign generate` wrote them. */
  readonly payload: Uint8Array;
  /** Octets or base64, wrapped or not; ECDSA as DER or r‖s. */
  readonly signature: Uint8Array;
  readonly material: PublicMaterial;
  /** What the caller takes the bytes for; told by the bytes themselves where absent. */
  readonly format?: FormatName | undefined;
  readonly options: Omit<SigningOptions, "annotations">;
  readonly witnessing?: Witnessing | undefined;
  readonly warnings: readonly string[];
}

type ImageReport = AttachReport["images"][number];

/**
 * The second half of `sign`: puts together what was signed elsewhere, checks it as a verifier does, stores it beside its image,
 * reads it back and checks it again. What does not verify is refused before the first request.
 * @throws E_PAYLOAD_MALFORMED, E_PAYLOAD_TYPE, E_SIGNATURE_MALFORMED, E_SIGNATURE_INVALID, E_SUBJECT_MISMATCH when the caller
 * names another digest, and the codes of the certificates' path. What the registry answers is in the report.
 */
export async function attach(session: Session, request: AttachRequest): Promise<AttachReport> {
  const signed = describeSignedBytes(request.payload);
  const { format, subject } = signed;
  const material = materialFor(format, request.material);
  if (request.format !== undefined && request.format !== format.name) {
    throw new CountersignError(
      "E_USAGE",
      `--format ${request.format}: the signed bytes are of the format ${format.name}`,
      {
        hint: "leave --format out, or hand over the bytes that were signed for it",
      },
    );
  }
  const reference = parseReference(request.image);
  if (reference.digest !== undefined && reference.digest !== subject) {
    throw new CountersignError(
      "E_SUBJECT_MISMATCH",
      `the signed bytes are about ${subject}, not about ${reference.digest}`,
      { hint: "name the image that was signed, or have this one signed" },
    );
  }
  const presented = format.presented?.(request.payload);
  const { algorithm, signature } = await recogniseSignature(presented ?? request.payload, request.signature, material);
  const options: SigningOptions = { ...request.options, annotations: signed.claims.annotations };
  const prepared = {
    format: format.name,
    subject,
    bytes: request.payload,
    ...(presented && { presented }),
    algorithm,
    encoding: signatureEncoding(algorithm, format),
  };
  const task: SigningTask = { format, prepared, material, options, witnessing: request.witnessing };
  const encoded = encodeSignature(signature, prepared.encoding, material.publicKey);
  const artefact = await assembleVerified(task, encoded, () => session.host.now());

  const repository = session.open(reference);
  const [image, moved] = await Promise.all([
    attachTo(session, { ...reference, tag: undefined, digest: subject }, task, artefact, request.image),
    tagWarnings(repository, reference, subject),
  ]);
  const warnings = [
    ...request.warnings,
    ...refusedByCosign(format.name, algorithm, material, options),
    ...otherName(signed, repository),
    ...moved,
  ];
  return { schemaVersion: 1, operation: "attach", images: [image], warnings };
}

async function attachTo(
  session: Session,
  reference: Reference,
  task: SigningTask,
  artefact: Artefact,
  image: string,
): Promise<ImageReport> {
  const { subject: digest, format } = task.prepared;
  const { host } = session;
  const repository = session.open(reference);
  try {
    const { subject } = await resolve(repository, reference);
    const store = storesOf(repository, host).of(format);
    const own = await findOwn(store, task);
    const place = own ?? (await storeAndReadBack(store, task, subject, artefact, host.now()));
    const status = own === undefined ? "signed" : "unchanged";
    return {
      reference: image,
      digest,
      status,
      signatures: [signatureReport(task, place, own === undefined)],
      errors: [],
    };
  } catch (error) {
    return { reference: image, digest, status: "failed", signatures: [], errors: [problemOf(error)] };
  }
}

/** What the tag names by now, where that is not what was signed. It never decides: the signed bytes do. */
async function tagWarnings(repository: Repository, reference: Reference, subject: string): Promise<readonly string[]> {
  const { tag, digest } = reference;
  if (tag === undefined || digest !== undefined) return [];
  const named = formatReference(reference);
  const signed = `the signature is about ${subject}, and is kept for that`;
  try {
    const manifest = await repository.getManifest(tag);
    if (manifest?.digest === subject) return [];
    return [
      manifest === undefined ? `${named} is not there; ${signed}` : `${named} is ${manifest.digest} by now; ${signed}`,
    ];
  } catch (error) {
    return [`${named} could not be looked at (${asCountersignError(error).code}); ${signed}`];
  }
}

function otherName({ claims }: SignedBytes, { name }: Repository): readonly string[] {
  const reference = claims.reference && (parseDockerReference(claims.reference)?.name ?? claims.reference);
  if (reference === undefined || reference === name || reference === dockerName(name)) return [];
  return [`the signed bytes name the image ${claims.reference}; the signature is kept in ${name}`];
}
