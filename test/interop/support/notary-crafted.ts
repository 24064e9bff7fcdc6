/** Notary signatures put together by hand, as no program here makes them, and put into a registry with the referrers API. */
import { constants, type KeyObject, sign, X509Certificate } from "node:crypto";
import { encode, Tag } from "cbor2";
import { type PushedImage, putBlob, putManifest } from "./image.ts";
import { fetchBlob, fetchManifest } from "./planted.ts";

export const PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json";
export const SIGNATURE_TYPE = "application/vnd.cncf.notary.signature";
export const ENVELOPE_TYPES = { jws: "application/jose+json", cose: "application/cose" } as const;
const SCHEME = "io.cncf.notary.signingScheme";
const TIME = "io.cncf.notary.signingTime";

/** The descriptor of an image in a payload, with whatever shall be different. */
export function payloadOf({ mediaType, digest, size }: PushedImage, change: object = {}): string {
  return JSON.stringify({ targetArtifact: { digest, mediaType, size, ...change } });
}

/** A protected header of JWS as notation writes it, with whatever shall be different; undefined takes a member out. */
export function jwsHeader(change: object = {}): object {
  const signingTime = new Date().toISOString().replace(/\.\d+/, "");
  return { alg: "ES256", crit: [SCHEME], cty: PAYLOAD_TYPE, [SCHEME]: "notary.x509", [TIME]: signingTime, ...change };
}

/** The same of COSE. */
export function coseHeader(
  change: readonly (readonly [string | number, unknown])[] = [],
): Map<string | number, unknown> {
  return new Map<string | number, unknown>([
    [1, -7],
    [2, [SCHEME]],
    [3, PAYLOAD_TYPE],
    [SCHEME, "notary.x509"],
    [TIME, new Tag(1, Math.floor(Date.now() / 1000))],
    ...change,
  ]);
}

export interface CraftedSigner {
  readonly key: KeyObject;
  /** PEM, one after the other. */
  readonly chain: string;
}

const base64url = (text: string | Uint8Array) => Buffer.from(text).toString("base64url");

export interface CraftedJws {
  /** As text, where it is not to be what JSON.stringify makes. */
  readonly header: object | string;
  readonly payload: string;
  /** Changes texts of the envelope before they are signed: base64url that is another's. */
  readonly encode?: (text: string) => string;
  /** Members beside or in place of those of the envelope. */
  readonly members?: object;
}

export function craftJws(
  { header, payload, encode: respell = base64url, members }: CraftedJws,
  by: CraftedSigner,
): Buffer {
  const protectedHeader = respell(typeof header === "string" ? header : JSON.stringify(header));
  const body = respell(payload);
  const signature = signBy(by.key, Buffer.from(`${protectedHeader}.${body}`));
  const x5c = ders(by.chain).map((der) => der.toString("base64"));
  const envelope = { payload: body, protected: protectedHeader, header: { x5c }, signature: base64url(signature) };
  return Buffer.from(JSON.stringify({ ...envelope, ...members }));
}

export interface CraftedCose {
  readonly header: Map<string | number, unknown> | Uint8Array;
  readonly payload: string;
  readonly tag?: number;
  readonly chain?: unknown;
}

export function craftCose({ header, payload, tag = 18, chain }: CraftedCose, by: CraftedSigner): Buffer {
  const protectedHeader = header instanceof Uint8Array ? Uint8Array.from(header) : encode(header, { cde: true });
  const body = Uint8Array.from(Buffer.from(payload));
  const signed = encode(["Signature1", protectedHeader, new Uint8Array(), body]);
  const signature = Uint8Array.from(signBy(by.key, Buffer.from(signed)));
  const unprotected = new Map([[33, chain ?? ders(by.chain).map((der) => Uint8Array.from(der))]]);
  return Buffer.from(encode(new Tag(tag, [protectedHeader, unprotected, body, signature])));
}

/** By what the specification has for P-256 or RSA 2048. */
function signBy(key: KeyObject, bytes: Uint8Array): Buffer {
  if (key.asymmetricKeyType === "ec") return sign("sha256", bytes, { key, dsaEncoding: "ieee-p1363" });
  return sign("sha256", bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
}

function ders(pem: string): Buffer[] {
  return (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (one) => new X509Certificate(one).raw,
  );
}

/** Puts an envelope beside an image, in a registry with the referrers API. */
export async function plantEnvelope(
  image: PushedImage,
  bytes: Buffer,
  mediaType: string = ENVELOPE_TYPES.jws,
  manifest: object = {},
): Promise<PushedImage> {
  const [host = ""] = image.reference.split("/");
  const { repository, digest, size } = image;
  const config = { mediaType: SIGNATURE_TYPE, ...(await putBlob(host, repository, "{}")) };
  const layer = { mediaType, ...(await putBlob(host, repository, Uint8Array.from(bytes))) };
  const document = {
    schemaVersion: 2,
    mediaType: image.mediaType,
    config,
    layers: [layer],
    subject: { mediaType: image.mediaType, digest, size },
    annotations: { "io.cncf.notary.x509chain.thumbprint#S256": "[]" },
    ...manifest,
  };
  return putManifest(host, repository, document, image.mediaType);
}

/** The envelopes that stand beside an image, in a registry with the referrers API. */
export async function keptEnvelopes(image: PushedImage): Promise<readonly { bytes: Buffer; mediaType: string }[]> {
  const [host = ""] = image.reference.split("/");
  const answer = await fetch(`http://${host}/v2/${image.repository}/referrers/${image.digest}`);
  const { manifests } = (await answer.json()) as { manifests: readonly { digest: string; artifactType?: string }[] };
  const ours = manifests.filter(({ artifactType }) => artifactType === SIGNATURE_TYPE);
  return Promise.all(
    ours.map(async ({ digest }) => {
      const layer = (await fetchManifest(host, image.repository, digest))?.layers[0];
      if (layer === undefined) throw new Error(`${digest} has no layer`);
      return { bytes: await fetchBlob(host, image.repository, layer.digest), mediaType: layer.mediaType };
    }),
  );
}
