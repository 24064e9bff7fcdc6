/** Media types and annotation keys of the registered formats, each said once. */

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_EMPTY = "application/vnd.oci.empty.v1+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json";
export const DOCKER_SCHEMA_1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/**
 * An OpenPGP simple signature, as stores hand it to formats. A name of this program's own: neither a lookaside file nor the registry's
 * extension declares a media type.
 */
export const OPENPGP_SIGNATURE = "application/vnd.countersign.openpgp-signature";
/** cosign pkg/types/media.go: layer of the legacy `.sig` tag. */
export const SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json";
export const COSIGN_SIGNATURE = "dev.cosignproject.cosign/signature";
export const COSIGN_CERTIFICATE = "dev.sigstore.cosign/certificate";
/** JSON: `{"SignedRFC3161Timestamp": …}`, base64 of a TimeStampResp. */
export const COSIGN_TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp";
export const COSIGN_CHAIN = "dev.sigstore.cosign/chain";

/** Sigstore bundle v0.3 (sigstore/protobuf-specs, cosign specs/BUNDLE_SPEC.md). */
export const SIGSTORE_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
export const SIGSTORE_BUNDLE_PREFIX = "application/vnd.dev.sigstore.bundle";
export const BUNDLE_CONTENT = "dev.sigstore.bundle.content";
export const BUNDLE_PREDICATE_TYPE = "dev.sigstore.bundle.predicateType";
export const IN_TOTO_PAYLOAD = "application/vnd.in-toto+json";
export const IN_TOTO_STATEMENT = "https://in-toto.io/Statement/v1";
export const COSIGN_SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1";

export const NOTATION_SIGNATURE = "application/vnd.cncf.notary.signature";
export const NOTATION_PAYLOAD = "application/vnd.cncf.notary.payload.v1+json";
export const NOTATION_THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256";
export const JWS_ENVELOPE = "application/jose+json";
export const COSE_ENVELOPE = "application/cose";
export const OCI_CREATED = "org.opencontainers.image.created";

const manifests = new Set([OCI_MANIFEST, DOCKER_MANIFEST]);
const indexes = new Set([OCI_INDEX, DOCKER_MANIFEST_LIST]);

export function isIndexType(mediaType: string): boolean {
  return indexes.has(mediaType);
}

export function isManifestType(mediaType: string): boolean {
  return manifests.has(mediaType);
}
