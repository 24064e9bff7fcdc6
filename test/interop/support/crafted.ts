/** Signatures that no program would make, made by node:crypto alone. */
import { constants, createHash, createPublicKey, type KeyObject, sign, X509Certificate } from "node:crypto";
import type { PushedImage } from "./image.ts";
import type { KeptSignature } from "./planted.ts";

export interface Crafting {
  readonly key: KeyObject;
  /** SHA-256 unless told; of no meaning to Ed25519. */
  readonly hash?: "sha256" | "sha384" | "sha512";
  readonly pss?: boolean;
  /** PEM; the leaf first. */
  readonly certificate?: string;
  /** PEM, as it shall stand in cosign's annotation. */
  readonly chain?: string;
}

/** The simple-signing payload of an image, as cosign writes it. */
export function payloadOf(image: PushedImage, type = "cosign container image signature"): string {
  const reference = image.reference.slice(0, image.reference.indexOf("@"));
  const critical = {
    identity: { "docker-reference": reference },
    image: { "docker-manifest-digest": image.digest },
    type,
  };
  return JSON.stringify({ critical, optional: null });
}

/** A signature of the legacy format over this payload. */
export function craftLegacy(payload: string, { certificate, chain, ...crafting }: Crafting): KeptSignature {
  return {
    format: "cosign",
    mediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
    blob: Buffer.from(payload),
    annotations: {
      "dev.cosignproject.cosign/signature": signatureOver(Buffer.from(payload), crafting).toString("base64"),
      ...(certificate !== undefined && { "dev.sigstore.cosign/certificate": certificate }),
      ...(chain !== undefined && { "dev.sigstore.cosign/chain": chain }),
    },
  };
}

/** The in-toto statement of an image, as cosign writes it when it signs. */
export function statementOf(image: PushedImage, predicateType = "https://sigstore.dev/cosign/sign/v1"): string {
  return JSON.stringify({
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ digest: { sha256: image.digest.slice("sha256:".length) } }],
    predicateType,
    predicate: {},
  });
}

/** A bundle v0.3 around this statement. */
export function craftBundle(statement: string, { certificate, ...crafting }: Crafting): KeptSignature {
  const payloadType = "application/vnd.in-toto+json";
  const payload = Buffer.from(statement);
  const encoded = Buffer.concat([
    Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `),
    payload,
  ]);
  const spki = createPublicKey(crafting.key).export({ type: "spki", format: "der" });
  const hint = createHash("sha256").update(spki).digest("base64");
  const mediaType = "application/vnd.dev.sigstore.bundle.v0.3+json";
  const bundle = {
    mediaType,
    verificationMaterial:
      certificate === undefined
        ? { publicKey: { hint } }
        : { certificate: { rawBytes: new X509Certificate(certificate).raw.toString("base64") } },
    dsseEnvelope: {
      payload: payload.toString("base64"),
      payloadType,
      signatures: [{ sig: signatureOver(encoded, crafting).toString("base64") }],
    },
  };
  const annotations = {
    "dev.sigstore.bundle.content": "dsse-envelope",
    "dev.sigstore.bundle.predicateType": (JSON.parse(statement) as { predicateType: string }).predicateType,
  };
  return { format: "bundle", mediaType, blob: Buffer.from(JSON.stringify(bundle)), annotations };
}

function signatureOver(data: Uint8Array, { key, hash = "sha256", pss = false }: Crafting): Buffer {
  if (key.asymmetricKeyType === "ed25519") return sign(null, data, key);
  const padding = pss ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } : {};
  return sign(hash, data, { key, ...padding });
}
