import { openPgpFormat } from "../formats/openpgp/format.ts";
import { digestOf } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import type { SigningOptions } from "../model/format.ts";
import { LIMITS } from "../model/limits.ts";
import type { Signer } from "../model/signature.ts";
import { formatDockerReference, parseDockerReference } from "../oci/docker-reference.ts";
import { manifestType } from "../oci/manifest.ts";
import type { Host } from "../platform/host.ts";
import { assembleVerified, materialFor } from "./store-signature.ts";

/** What Pulp asks of a signing service for containers (pulp_container, ManifestSigningService). */
export interface PulpSignRequest {
  /** Path of the manifest, whose bytes are signed as they are. */
  readonly manifest: string;
  /** What the signature is to name: `registry/repository:tag`; in Pulp's own trial of a service, a bare name. */
  readonly reference: string;
  /** Where the signature goes; nothing may be there. */
  readonly signaturePath: string;
  /** Of the service's key as Pulp knows it: 40 hex digits. */
  readonly fingerprint: string;
  readonly signer: Signer;
  readonly agent: string;
}

/**
 * Signs a manifest file and writes the signature, checked as a verifier checks it, whole or not at all. Asks no registry.
 * @throws with exit status 2: E_KEY_MISMATCH when Pulp means another key, E_REFERENCE_INVALID; E_MANIFEST_UNSUPPORTED for schema 1,
 * E_MANIFEST_INVALID, E_FILE_UNREADABLE, E_FILE_TOO_LARGE, E_FILE_EXISTS; what the signer throws.
 */
export async function pulpSign(host: Pick<Host, "files" | "now">, request: PulpSignRequest): Promise<void> {
  const { files } = host;
  const reference = parseDockerReference(request.reference);
  if (reference === undefined) {
    throw new CountersignError(
      "E_REFERENCE_INVALID",
      `REFERENCE is no reference: ${JSON.stringify(request.reference.slice(0, 160))}`,
      {
        hint: "give the distribution a base path that podman can pull: lower-case letters, digits and . _ - /",
        exit: 2,
      },
    );
  }
  const material = materialFor(openPgpFormat, await request.signer.describe());
  const own = material.openpgp?.certificate.fingerprint;
  if (own !== request.fingerprint.toUpperCase()) {
    throw new CountersignError(
      "E_KEY_MISMATCH",
      `Pulp wants a signature by ${JSON.stringify(request.fingerprint.slice(0, 80))}, and the key here is ${own}`,
      {
        hint: "add the signing service to Pulp for the key that --key names, or name the key it was added for",
        exit: 2,
      },
    );
  }
  const bytes = await files.read(request.manifest, LIMITS.manifest);
  const subject = {
    repository: reference.name,
    digest: digestOf(bytes),
    mediaType: manifestType(bytes),
    size: bytes.length,
  };
  const options: SigningOptions = {
    annotations: {},
    reference: formatDockerReference(reference),
    agent: request.agent,
    at: host.now(),
  };
  const prepared = openPgpFormat.prepare(subject, material, options);
  const signature = await request.signer.sign({
    ...prepared,
    bytes: prepared.presented ?? prepared.bytes,
    repository: subject.repository,
  });
  const task = { format: openPgpFormat, prepared, material, options };
  const artefact = await assembleVerified(task, signature, () => host.now());
  await files.write(request.signaturePath, artefact.bytes, { exclusive: true });
}
