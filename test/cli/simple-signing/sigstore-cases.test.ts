import { createHash, createPublicKey, type KeyObject, randomUUID, sign } from "node:crypto";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST, SIMPLE_SIGNING } from "../../../src/model/media-types.ts";
import { buildImageManifest } from "../../../src/oci/build-manifest.ts";
import { askImagePolicy } from "../../interop/support/image-policy.ts";
import { describeWithPeer } from "../../interop/support/peers.ts";
import { storageSink } from "../../support/images.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { ANY_PURPOSE, authority, type CertificateSpec, type Issued, issue, signer } from "../../trust/support/pki.ts";
import { publicKeyPem } from "../support/keys.ts";
import { type SimpleSigning, startSimpleSigning } from "../support/simple-signing.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const DAY = 86_400_000;
const now = Date.now();
const today = { notBefore: new Date(now - DAY), notAfter: new Date(now + DAY) };
const root = issue({ ...authority("Root"), ...today });
const intermediate = issue({ ...authority("Intermediate"), ...today, issuer: root });
const strange = issue({ ...authority("Root"), ...today });
const leafOf = (spec: CertificateSpec = {}): Issued => issue({ ...signer(), ...today, issuer: intermediate, ...spec });
const leaf = leafOf({
  alternativeNames: [
    ["email", "release@example.com"],
    ["dns", "ci.example.com"],
    ["email", "team@example.com"],
    ["ip", "0a000001"],
  ],
});

let world: SimpleSigning;
beforeAll(async () => {
  world = await startSimpleSigning();
});
afterAll(() => world.close());

const SIGNATURE = "dev.cosignproject.cosign/signature";
const CERTIFICATE = "dev.sigstore.cosign/certificate";
const CHAIN = "dev.sigstore.cosign/chain";

/** What hangs under the signature tag of the image that was signed. */
interface Layer {
  readonly key?: KeyObject;
  readonly payload?: string;
  readonly mediaType?: string;
  /** Put over those of a good signature; undefined takes one away. */
  readonly annotations?: Readonly<Record<string, string | undefined>>;
  /** Of the signature's base64. */
  readonly write?: (base64: string) => string;
}

interface Case {
  readonly number: string;
  readonly title: string;
  readonly layers: () => readonly Layer[];
  /** The requirement, beside its type and `signedIdentity`. */
  readonly policy: () => object;
  /** Absent: accepted. */
  readonly code?: string;
  /** containers/image 5.39; the same as here unless told. */
  readonly allowed?: boolean;
}

const byKey = () => ({ keyData: base64(publicKeyPem(leaf.key)) });
const byPki = (more: object = {}) => ({
  pki: { caRootsData: base64(root.pem), subjectEmail: "release@example.com", ...more },
});
const base64 = (content: string | Uint8Array) => Buffer.from(content).toString("base64");
const chain = () => intermediate.pem + root.pem;
const certified = (by: Issued = leaf, issuers: string | undefined = chain()): Layer => ({
  key: by.key,
  annotations: { [CERTIFICATE]: by.pem, [CHAIN]: issuers },
});
const helped = { caIntermediatesData: base64(intermediate.pem) };

const cases: readonly Case[] = [
  { number: "53", title: "a signature as it should be, by a key", layers: () => [{}], policy: byKey },
  {
    number: "53",
    title: "a layer without its signature annotation",
    layers: () => [{ annotations: { [SIGNATURE]: undefined } }],
    policy: byKey,
    code: "E_SIGNATURE_MALFORMED",
  },
  {
    number: "53",
    title: "no entry of a log, where the policy asks for one: no log is asked in this version",
    layers: () => [{}],
    policy: () => ({ ...byKey(), rekorPublicKeyData: base64(publicKeyPem(leaf.key)) }),
    code: "E_POLICY_UNSUPPORTED",
  },
  {
    number: "53",
    title: "no certificate, where the policy asks for one",
    layers: () => [{}],
    policy: () => byPki(helped),
    code: "E_CERTIFICATE_MISSING",
  },
  {
    number: "54",
    title: "a signature that is not base64",
    layers: () => [{ write: () => "%%%%" }],
    policy: byKey,
    code: "E_SIGNATURE_MALFORMED",
  },
  {
    number: "54",
    title: "base64 with too much padding",
    layers: () => [{ write: (text) => `${text}=` }],
    policy: byKey,
    code: "E_SIGNATURE_MALFORMED",
  },
  {
    number: "54",
    title: "base64 with something behind it",
    layers: () => [{ write: (text) => text.replace(/=*$/, "!") }],
    policy: byKey,
    code: "E_SIGNATURE_MALFORMED",
  },
  {
    number: "54",
    title: "base64 with a line end in it",
    layers: () => [{ write: (text) => `${text.slice(0, 8)}\n${text.slice(8)}` }],
    policy: byKey,
  },
  {
    number: "55",
    title: "an entry of a log for another payload: no log is asked in this version",
    layers: () => [{ annotations: { "dev.sigstore.cosign/bundle": '{"SignedEntryTimestamp":"AAAA","Payload":{}}' } }],
    policy: () => ({ ...byKey(), rekorPublicKeyDatas: [base64(publicKeyPem(leaf.key))] }),
    code: "E_POLICY_UNSUPPORTED",
  },
  {
    number: "56",
    title: "a certificate without an OIDC issuer under fulcio, which is not verified in this version",
    layers: () => [certified()],
    policy: () => ({
      fulcio: {
        caData: base64(root.pem),
        oidcIssuer: "https://token.example.com",
        subjectEmail: "release@example.com",
      },
      rekorPublicKeyData: base64(publicKeyPem(leaf.key)),
    }),
    code: "E_POLICY_UNSUPPORTED",
  },
  {
    number: "57",
    title: "a certificate that has expired",
    layers: () => [certified(leafOf({ notBefore: new Date(now - 3 * DAY), notAfter: new Date(now - DAY) }))],
    policy: () => byPki(helped),
    code: "E_CERTIFICATE_EXPIRED",
  },
  {
    number: "57",
    title: "a certificate of tomorrow",
    layers: () => [certified(leafOf({ notBefore: new Date(now + DAY), notAfter: new Date(now + 2 * DAY) }))],
    policy: () => byPki(helped),
    code: "E_CERTIFICATE_NOT_YET_VALID",
  },
  {
    number: "58",
    title: "one of several email addresses",
    layers: () => [certified()],
    policy: () => byPki({ ...helped, subjectEmail: "team@example.com" }),
  },
  {
    number: "58",
    title: "another email address",
    layers: () => [certified()],
    policy: () => byPki({ ...helped, subjectEmail: "releases@example.com" }),
    code: "E_IDENTITY_MISMATCH",
  },
  {
    number: "58",
    title: "an email address in another case",
    layers: () => [certified()],
    policy: () => byPki({ ...helped, subjectEmail: "Release@example.com" }),
    code: "E_IDENTITY_MISMATCH",
  },
  {
    number: "58",
    title: "the host, and no email address asked for",
    layers: () => [certified()],
    policy: () => byPki({ ...helped, subjectEmail: undefined, subjectHostname: "ci.example.com" }),
  },
  {
    number: "58",
    title: "another host",
    layers: () => [certified()],
    policy: () => byPki({ ...helped, subjectEmail: undefined, subjectHostname: "example.com" }),
    code: "E_IDENTITY_MISMATCH",
  },
  {
    number: "58",
    title: "the email address, but another host",
    layers: () => [certified()],
    policy: () => byPki({ ...helped, subjectHostname: "cd.example.com" }),
    code: "E_IDENTITY_MISMATCH",
  },
  {
    number: "58",
    title: "both the email address and the host",
    layers: () => [certified()],
    policy: () => byPki({ ...helped, subjectHostname: "ci.example.com" }),
  },
  {
    number: "58",
    title: "a host that a wildcard of the certificate covers",
    layers: () => [certified(leafOf({ alternativeNames: [["dns", "*.example.com"]] }))],
    policy: () => byPki({ ...helped, subjectEmail: undefined, subjectHostname: "ci.example.com" }),
  },
  {
    number: "58",
    title: "an address",
    layers: () => [certified()],
    policy: () => byPki({ ...helped, subjectEmail: undefined, subjectHostname: "10.0.0.1" }),
  },
  {
    number: "58",
    title: "an address with a zero in front, which is none",
    layers: () => [certified()],
    policy: () => byPki({ ...helped, subjectEmail: undefined, subjectHostname: "010.0.0.1" }),
    code: "E_IDENTITY_MISMATCH",
  },
  {
    number: "59",
    title: "no chain beside the signature, and the intermediate in the policy",
    layers: () => [certified(leaf, undefined)],
    policy: () => byPki(helped),
  },
  {
    number: "59",
    title: "no chain anywhere",
    layers: () => [{ key: leaf.key, annotations: { [CERTIFICATE]: leaf.pem } }],
    policy: () => byPki(),
    code: "E_CERTIFICATE_UNTRUSTED",
  },
  {
    number: "59",
    title: "the chain beside the signature alone, its root last",
    layers: () => [certified()],
    policy: () => byPki(),
  },
  {
    number: "59",
    title: "the chain beside the signature without its root",
    layers: () => [certified(leaf, intermediate.pem)],
    policy: () => byPki(),
    allowed: false,
  },
  {
    number: "59",
    title: "a chain to another root of the same name",
    layers: () => [certified(leaf, intermediate.pem + strange.pem)],
    policy: () => byPki({ caRootsData: base64(strange.pem) }),
    code: "E_CERTIFICATE_UNTRUSTED",
  },
  {
    number: "59",
    title: "a leaf that stands among the roots",
    layers: () => [certified(leaf, undefined)],
    policy: () => byPki({ caRootsData: base64(leaf.pem) }),
    code: "E_CERTIFICATE_SELF_SIGNED",
    allowed: true,
  },
  {
    number: "59",
    title: "a leaf for any purpose",
    layers: () => [certified(leafOf({ extendedKeyUsage: [ANY_PURPOSE] }))],
    policy: () => byPki(helped),
    code: "E_CERTIFICATE_USAGE",
    allowed: true,
  },
  {
    number: "59",
    title: "another certificate behind the signer's",
    layers: () => [{ key: leaf.key, annotations: { [CERTIFICATE]: leaf.pem + intermediate.pem } }],
    policy: () => byPki(helped),
    allowed: false,
  },
  {
    number: "59",
    title: "text behind the signer's certificate",
    layers: () => [{ key: leaf.key, annotations: { [CERTIFICATE]: `${leaf.pem}text` } }],
    policy: () => byPki(helped),
    allowed: false,
  },
  {
    number: "59",
    title: "text behind the chain",
    layers: () => [certified(leaf, `${chain()}text`)],
    policy: () => byPki(helped),
    allowed: false,
  },
  {
    number: "60",
    title: "a key in DER",
    layers: () => [{}],
    policy: () => ({ keyData: base64(createPublicKey(leaf.key).export({ type: "spki", format: "der" })) }),
    code: "E_POLICY_KEY",
  },
  {
    number: "60",
    title: "a certificate in place of a key",
    layers: () => [{}],
    policy: () => ({ keyData: base64(leaf.pem) }),
    code: "E_POLICY_KEY",
  },
  {
    number: "60",
    title: "roots in DER",
    layers: () => [certified()],
    policy: () => byPki({ ...helped, caRootsData: base64(root.der) }),
    code: "E_POLICY_KEY",
  },
  {
    number: "60",
    title: "roots under another label",
    layers: () => [certified()],
    policy: () => byPki({ ...helped, caRootsData: base64(root.pem.replaceAll("CERTIFICATE", "X509 CERTIFICATE")) }),
    code: "E_POLICY_KEY",
  },
  {
    number: "60",
    title: "intermediates in DER",
    layers: () => [certified()],
    policy: () => byPki({ caIntermediatesData: base64(intermediate.der) }),
    code: "E_POLICY_KEY",
  },
  {
    number: "41",
    title: "a layer that is no signature, and nothing else",
    layers: () => [{ mediaType: "application/vnd.example.sbom" }],
    policy: byKey,
    code: "",
  },
  {
    number: "41",
    title: "a layer that is no signature before one that is",
    layers: () => [{ mediaType: "application/vnd.example.sbom", annotations: { [SIGNATURE]: undefined } }, {}],
    policy: byKey,
  },
  {
    number: "41",
    title: "a signature that is broken before one that is not",
    layers: () => [{ write: () => "%%%%" }, {}],
    policy: byKey,
  },
];

/** An image, and these layers under its signature tag. */
async function signedBy(layers: readonly Layer[], manifestType = OCI_MANIFEST): Promise<string> {
  const name = `sigstore/${randomUUID()}`;
  const { digest } = await world.push(name, { tag: "1" });
  const image = `${world.host}/${name}:1`;
  const sink = storageSink(world.registry.storage, name);
  const descriptor = async (bytes: Uint8Array, mediaType: string) => ({
    mediaType,
    digest: await sink.putBlob(bytes),
    size: bytes.length,
  });
  const made = layers.map(async ({ key = leaf.key, payload = payloadOf(image, digest), ...layer }) => {
    const { write = (text: string) => text, mediaType = SIMPLE_SIGNING, annotations = {} } = layer;
    const value = write(sign("sha256", Buffer.from(payload), key).toString("base64"));
    const all = Object.entries({ [SIGNATURE]: value, ...annotations });
    const kept = all.filter((entry): entry is [string, string] => entry[1] !== undefined);
    return { ...(await descriptor(Buffer.from(payload), mediaType)), annotations: Object.fromEntries(kept) };
  });
  const bytes = buildImageManifest({
    mediaType: manifestType,
    config: await descriptor(Buffer.from(JSON.stringify({ rootfs: { type: "layers", diff_ids: [] } })), OCI_CONFIG),
    layers: await Promise.all(made),
  });
  await sink.putManifest(`${digest.replace(":", "-")}.sig`, { bytes, mediaType: manifestType });
  return image;
}

function payloadOf(image: string, digest: string): string {
  const identity = { "docker-reference": image };
  const critical = {
    identity,
    image: { "docker-manifest-digest": digest },
    type: "cosign container image signature",
  };
  return JSON.stringify({ critical, optional: null });
}

describeWithPeer("image-policy", "sigstoreSigned by key and by pki, here and in containers/image 5.39", () => {
  it.each(cases)("($number) $title", async ({ layers, policy, code, allowed }) => {
    const image = await signedBy(layers());
    const document = { default: [{ type: "sigstoreSigned", ...policy() }] };
    const { exit, report } = await world.verify(document, image);
    const said = report.images.flatMap(({ errors, signatures }) => [
      ...errors.map((error) => error.code),
      ...signatures.flatMap((signature) => signature.reasons.map((reason) => reason.code)),
    ]);
    expect(exit, JSON.stringify(report.images, null, 1)).toBe(code === undefined ? 0 : 1);
    if (code !== undefined) expect(said).toEqual(code === "" ? [] : expect.arrayContaining([code]));
    const text = JSON.stringify(document);
    const file = world.file(`${createHash("sha256").update(text).digest("hex")}.json`, text);
    const [theirs] = await askImagePolicy([
      { policy: file, image: `docker://${image}`, registriesD: world.registriesD },
    ]);
    expect(theirs?.parsed).toBe(true);
    expect(theirs?.allowed, theirs?.error).toBe(allowed ?? code === undefined);
  });

  it("looks for signatures where registries.d has not said that there are any; containers/image does not", async () => {
    const image = await signedBy([{}]);
    const document = { default: [{ type: "sigstoreSigned", ...byKey() }] };
    const nothing = temporaryFolder();
    expect((await world.verify(document, image, "--registries-d", nothing)).exit).toBe(0);
    const policy = world.file("unsaid.json", JSON.stringify(document));
    const [theirs] = await askImagePolicy([{ policy, image: `docker://${image}`, registriesD: nothing }]);
    expect(theirs?.allowed).toBe(false);
  });

  it("reads signatures out of a manifest of Docker's kind; containers/image does not", async () => {
    const image = await signedBy([{}], DOCKER_MANIFEST);
    const document = { default: [{ type: "sigstoreSigned", ...byKey() }] };
    expect((await world.verify(document, image)).exit).toBe(0);
    const policy = world.file("docker.json", JSON.stringify(document));
    const [theirs] = await askImagePolicy([{ policy, image: `docker://${image}`, registriesD: world.registriesD }]);
    expect(theirs).toMatchObject({ allowed: false, error: expect.stringContaining("unexpected MIME type") });
  });
});
