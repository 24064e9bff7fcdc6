import { createPublicKey, type KeyObject } from "node:crypto";
import { afterEach, describe } from "vitest";
import { formatNamed } from "../../../src/formats/registry.ts";
import { type Digest, digestOf } from "../../../src/model/digest.ts";
import { COSIGN_SIGNATURE, SIMPLE_SIGNING } from "../../../src/model/media-types.ts";
import type { Artefact, FormatName, PublicMaterial } from "../../../src/model/signature.ts";
import { bareKey, certified, signPrepared } from "../../formats/support/signing.ts";
import { type PushedImage, pushImage, storageSink } from "../../support/images.ts";
import { type StartedRegistry, startRegistry } from "../../support/start-registry.ts";
import {
  authority,
  type CertificateSpec,
  createPki,
  DAY,
  issue,
  makeKey,
  NOW,
  type Pki,
  SERVER_AUTH,
  signer,
} from "../../trust/support/pki.ts";
import { attachAsReferrer, attachAsTag, signatureOf, type Target } from "../support/attach.ts";
import { publicKeyPem } from "../support/keys.ts";
import { createMachine } from "../support/machine.ts";
import { type BadInput, refuses, type Surroundings } from "../support/refusals.ts";

const machine = createMachine();
const pki = createPki();
const key = makeKey("p256");
const publicKey = machine.file("cosign.pub", publicKeyPem(key));
const roots = machine.file("root.pem", pki.root.pem);
const otherRoots = machine.file("other.pem", createPki().root.pem);

const started: StartedRegistry[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

interface Signing {
  readonly key: KeyObject;
  readonly material: PublicMaterial;
}
const byKey: Signing = { key, material: bareKey(key) };
const byPki: Signing = { key: pki.key, material: certified(pki) };
const ofPki = (made: Pki, issuers?: number): Signing => ({ key: made.key, material: certified(made, issuers) });
const formats = ["cosign", "bundle"] as const;

/** The one signature of an image. */
type Forge = (target: Target, image: PushedImage, format: FormatName) => Artefact | Promise<Artefact>;

async function signedBy(forge: Forge, format: FormatName): Promise<Surroundings> {
  const registry = await startRegistry();
  started.push(registry);
  const target = { registry, repository: "app" };
  const image = await pushImage(storageSink(registry.storage, "app"), { tag: "1", seed: "app" });
  const artefact = await forge(target, image, format);
  if (format === "cosign") await attachAsTag(target, image.digest, [artefact]);
  else await attachAsReferrer(target, image.descriptor, artefact);
  return { machine, registry };
}

const verify =
  (...flags: string[]) =>
  ({ registry }: Surroundings) => ["verify", ...flags, `${registry?.host}/app:1`];
const withKey = verify("--key", publicKey);
const withRoots = verify("--ca-roots", roots);

type Row = Pick<BadInput, "name" | "args" | "code" | "says"> & {
  readonly forge: Forge;
  readonly in?: readonly FormatName[];
};

function untrusted(rows: readonly Row[]): void {
  for (const { forge, in: kinds = formats, name, ...row } of rows) {
    for (const format of kinds) {
      refuses({ ...row, name: `${name}, ${format}`, exit: 1, verdict: "untrusted" }, () => signedBy(forge, format));
    }
  }
}

const good =
  (signing: Signing): Forge =>
  (target, image, format) =>
    signatureOf(format, target, image, signing);
const leafLike = (leaf: CertificateSpec): Forge => {
  const made = issue({ ...signer(), issuer: pki.intermediates[0], ...leaf });
  const chain = [made.certificate, ...pki.chain.slice(1)];
  return good({ key: made.key, material: { publicKey: evenIfWeak(made.key), chain } });
};

/** A public key that the program itself would refuse to sign with. */
function evenIfWeak(key: KeyObject): PublicMaterial["publicKey"] {
  if (key.asymmetricKeyType !== "rsa") return bareKey(key).publicKey;
  const publicKey = createPublicKey(key);
  const spki = publicKey.export({ type: "spki", format: "der" });
  return { key: publicKey, spki, fingerprint: digestOf(spki), algorithms: ["rsa-pkcs1-sha256"] };
}

describe("a certificate that does not vouch", () => {
  const alone = issue(signer("alone"));
  untrusted([
    {
      name: "an expired leaf",
      args: withRoots,
      forge: leafLike({ notAfter: new Date(NOW.getTime() - DAY) }),
      code: "E_CERTIFICATE_EXPIRED",
      says: "release",
    },
    {
      name: "a leaf from tomorrow",
      args: withRoots,
      forge: leafLike({ notBefore: new Date(NOW.getTime() + DAY) }),
      code: "E_CERTIFICATE_NOT_YET_VALID",
      says: "release",
    },
    {
      name: "a leaf for servers",
      args: withRoots,
      forge: leafLike({ extendedKeyUsage: [SERVER_AUTH] }),
      code: "E_CERTIFICATE_USAGE",
      says: "codeSigning",
    },
    {
      name: "a leaf for key agreement",
      args: withRoots,
      forge: leafLike({ keyUsage: ["keyAgreement"] }),
      code: "E_CERTIFICATE_USAGE",
      says: "digitalSignature",
    },
    {
      name: "a leaf that a stranger signed",
      args: withRoots,
      forge: leafLike({ signedBy: makeKey("p256") }),
      code: "E_CERTIFICATE_SIGNATURE",
      says: "release",
    },
    {
      name: "a leaf with a critical extension nobody knows",
      args: withRoots,
      forge: leafLike({ extensions: [{ oid: "1.2.3.4", critical: true, value: Buffer.from([5, 0]) }] }),
      code: "E_CERTIFICATE_CONSTRAINT",
      says: "1.2.3.4",
    },
    { name: "a weak key", args: withRoots, forge: leafLike({ keyKind: "rsa1024" }), code: "E_KEY_WEAK", says: "1024" },
    {
      name: "a leaf signed by itself",
      args: withRoots,
      forge: good({ key: alone.key, material: { ...bareKey(alone.key), chain: [alone.certificate] } }),
      code: "E_CERTIFICATE_SELF_SIGNED",
      says: "alone",
    },
    {
      name: "a leaf that is its own root",
      args: verify("--ca-roots", machine.file("alone.pem", alone.pem)),
      forge: good({ key: alone.key, material: { ...bareKey(alone.key), chain: [alone.certificate] } }),
      code: "E_CERTIFICATE_SELF_SIGNED",
      says: "alone",
    },
    {
      name: "another root",
      args: verify("--ca-roots", otherRoots),
      forge: good(byPki),
      code: "E_CERTIFICATE_UNTRUSTED",
    },
    {
      name: "its own root brought along",
      args: withRoots,
      forge: good(ofPki(createPki({ root: { ...authority("Root") } }))),
      code: "E_CERTIFICATE_UNTRUSTED",
    },
    { name: "an intermediate left out", args: withRoots, forge: good(ofPki(pki, 0)), code: "E_CERTIFICATE_UNTRUSTED" },
    { name: "no certificate at all", args: withRoots, forge: good(byKey), code: "E_CERTIFICATE_MISSING" },
  ]);
});

describe("a signer who was not asked for", () => {
  const roots1 = ["--ca-roots", roots];
  untrusted([
    {
      name: "another key",
      args: withKey,
      forge: good({ key: makeKey("p256"), material: bareKey(makeKey("p256")) }),
      code: "E_KEY_MISMATCH",
    },
    {
      name: "another identity",
      args: verify(...roots1, "--certificate-identity", "release@example.org"),
      forge: good(byPki),
      code: "E_IDENTITY_MISMATCH",
      says: "release@example.org",
    },
    {
      name: "an identity that only contains it",
      args: verify(...roots1, "--certificate-identity-regexp", "release"),
      forge: good(byPki),
      code: "E_IDENTITY_MISMATCH",
      says: "release",
    },
    {
      name: "another subject",
      args: verify(...roots1, "--certificate-subject", "CN=release"),
      forge: good(byPki),
      code: "E_IDENTITY_MISMATCH",
      says: "CN=release",
    },
    {
      name: "another fingerprint",
      args: verify(...roots1, "--certificate-fingerprint", "0".repeat(64)),
      forge: good(byPki),
      code: "E_IDENTITY_MISMATCH",
      says: "0000",
    },
    {
      name: "another issuer",
      args: verify(...roots1, "--certificate-oidc-issuer", "https://gitlab.com"),
      forge: good(byPki),
      code: "E_IDENTITY_MISMATCH",
      says: "https://gitlab.com",
    },
    {
      name: "an algorithm that is not allowed",
      args: verify("--key", publicKey, "--allow-algorithms", "ecdsa-p256-sha384,ed25519"),
      forge: good(byKey),
      code: "E_ALGORITHM_NOT_ALLOWED",
      says: "ecdsa-p256-sha256",
    },
    {
      name: "annotations that were not signed",
      args: verify("--key", publicKey, "-a", "branch=main"),
      forge: good(byKey),
      code: "E_ANNOTATION_MISMATCH",
      says: "branch",
    },
    {
      name: "an annotation of cosign's spelling",
      args: verify("--key", publicKey, "--annotations", "branch=main"),
      forge: good(byKey),
      code: "E_ANNOTATION_MISMATCH",
      says: "branch",
    },
    {
      name: "another annotation",
      args: verify("--key", publicKey, "-a", "branch=main"),
      forge: (target, image, format) => signatureOf(format, target, image, byKey, { annotations: { branch: "dev" } }),
      code: "E_ANNOTATION_MISMATCH",
      says: '"dev"',
    },
    {
      name: "no reference to compare",
      in: ["bundle"],
      args: verify("--key", publicKey, "--require-reference", "repository"),
      forge: good(byKey),
      code: "E_REFERENCE_MISMATCH",
      says: "names no reference",
    },
    {
      name: "another repository",
      in: ["cosign"],
      args: verify("--key", publicKey, "--require-reference", "repository"),
      forge: (target, image, format) => signatureOf(format, { ...target, repository: "staging" }, image, byKey),
      code: "E_REFERENCE_MISMATCH",
      says: "staging",
    },
    {
      name: "a repository where a reference is required",
      in: ["cosign"],
      args: verify("--key", publicKey, "--require-reference", "exact"),
      forge: good(byKey),
      code: "E_REFERENCE_MISMATCH",
      says: "app:1",
    },
  ]);
});

describe("a signature that was tampered with", () => {
  const elsewhere: Forge = async (target, _, format) => {
    const other = await pushImage(storageSink(target.registry.storage, "app"), { tag: "2", seed: "other" });
    return signatureOf(format, target, other, byKey);
  };
  const changed =
    (change: (artefact: Artefact) => Artefact): Forge =>
    (target, image, format) =>
      change(signatureOf(format, target, image, byKey));
  const annotated = (annotations: Record<string, string>) =>
    changed((artefact) => ({ ...artefact, annotations: { ...artefact.annotations, ...annotations } }));
  const rewritten: Forge = async (target, image, format) => {
    const other = await pushImage(storageSink(target.registry.storage, "app"), { tag: "2", seed: "other" });
    const artefact = signatureOf(format, target, other, byKey);
    return { ...artefact, bytes: replaced(artefact.bytes, other.digest, image.digest, format) };
  };
  untrusted([
    { name: "another image's signature", args: withKey, forge: elsewhere, code: "E_SUBJECT_MISMATCH", says: "sha256:" },
    {
      name: "a payload rewritten to name this image",
      in: ["cosign"],
      args: withKey,
      forge: rewritten,
      code: "E_KEY_MISMATCH",
    },
    {
      name: "a statement rewritten to name this image",
      in: ["bundle"],
      args: withKey,
      forge: rewritten,
      code: "E_SIGNATURE_INVALID",
    },
    {
      name: "a signature that is no base64",
      in: ["cosign"],
      args: withKey,
      forge: annotated({ [COSIGN_SIGNATURE]: "~~~" }),
      code: "E_SIGNATURE_MALFORMED",
      says: "not base64",
    },
    {
      name: "an empty signature",
      in: ["cosign"],
      args: withKey,
      forge: annotated({ [COSIGN_SIGNATURE]: "" }),
      code: "E_SIGNATURE_MALFORMED",
      says: "empty",
    },
    {
      name: "a signature of zeros",
      in: ["cosign"],
      args: withKey,
      forge: annotated({ [COSIGN_SIGNATURE]: Buffer.alloc(70).toString("base64") }),
      code: "E_KEY_MISMATCH",
    },
    {
      name: "a certificate that is none",
      in: ["cosign"],
      args: withKey,
      forge: annotated({
        "dev.sigstore.cosign/certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
      }),
      code: "E_CERTIFICATE_INVALID",
    },
    {
      name: "a bundle that is no JSON",
      in: ["bundle"],
      args: withKey,
      forge: changed((artefact) => ({ ...artefact, bytes: Buffer.from("{") })),
      code: "E_SIGNATURE_MALFORMED",
      says: "JSON",
    },
    {
      name: "an empty bundle",
      in: ["bundle"],
      args: withKey,
      forge: changed((artefact) => ({ ...artefact, bytes: Buffer.from("{}") })),
      code: "E_SIGNATURE_MALFORMED",
    },
    {
      name: "a blob of another type",
      in: ["bundle"],
      args: withKey,
      forge: changed((artefact) => ({ ...artefact, mediaType: "application/vnd.dsse.envelope.v1+json" })),
      code: "E_FORMAT_UNSUPPORTED",
      says: "application/vnd.dsse.envelope.v1+json",
    },
  ]);
});

describe("something signed that is no image signature", () => {
  const payload =
    (change: (document: { critical: Record<string, unknown> }) => unknown): Forge =>
    (target, image) => {
      const original = JSON.parse(Buffer.from(signatureOf("cosign", target, image, byKey).bytes).toString());
      return signed(Buffer.from(JSON.stringify(change(original))));
    };
  const raw =
    (text: string): Forge =>
    () =>
      signed(Buffer.from(text));
  const cosign = { in: ["cosign"], args: withKey } as const;
  untrusted([
    {
      ...cosign,
      name: "another critical.type",
      forge: payload(({ critical }) => ({ critical: { ...critical, type: "atomic container signature" } })),
      code: "E_PAYLOAD_TYPE",
      says: "atomic container signature",
    },
    {
      ...cosign,
      name: "something critical nobody knows",
      forge: payload(({ critical }) => ({ critical: { ...critical, until: "tomorrow" } })),
      code: "E_PAYLOAD_MALFORMED",
      says: "critical",
    },
    { ...cosign, name: "no payload", forge: raw(""), code: "E_PAYLOAD_MALFORMED", says: "JSON" },
    { ...cosign, name: "a payload that is a text", forge: raw('"signed"'), code: "E_PAYLOAD_MALFORMED" },
    {
      ...cosign,
      name: "a payload that can be read in two ways",
      forge: raw('{"critical":{},"critical":{}}'),
      code: "E_PAYLOAD_MALFORMED",
      says: "twice",
    },
    {
      in: ["bundle"],
      args: withKey,
      name: "an attestation",
      forge: attestation("https://slsa.dev/provenance/v1"),
      code: "E_PREDICATE_TYPE",
      says: "https://slsa.dev/provenance/v1",
    },
  ]);

  function signed(bytes: Uint8Array): Artefact {
    const signature = signPrepared({ bytes, algorithm: "ecdsa-p256-sha256", encoding: "der" }, key);
    return {
      format: "cosign",
      mediaType: SIMPLE_SIGNING,
      bytes,
      annotations: { [COSIGN_SIGNATURE]: Buffer.from(signature).toString("base64") },
    };
  }
});

/** A bundle whose statement has another predicate, well signed. */
function attestation(predicateType: string): Forge {
  return (target, image) => {
    const format = formatNamed("bundle");
    const { digest, mediaType, bytes } = image;
    const subject = { repository: `${target.registry.host}/app`, digest, mediaType, size: bytes.length };
    const prepared = format.prepare(subject, byKey.material, { annotations: {} });
    const text = Buffer.from(prepared.bytes).toString();
    const statement = text.slice(text.indexOf("{")).replace("https://sigstore.dev/cosign/sign/v1", predicateType);
    const other = {
      ...prepared,
      bytes: Buffer.from(`DSSEv1 28 application/vnd.in-toto+json ${Buffer.byteLength(statement)} ${statement}`),
    };
    return format.assemble(other, signPrepared(other, key), byKey.material, { annotations: {} });
  };
}

/** The signed bytes with one digest in place of another: as they stand, or inside the bundle's base64. */
function replaced(bytes: Uint8Array, from: Digest, to: Digest, format: FormatName): Uint8Array {
  const text = Buffer.from(bytes).toString();
  if (format === "cosign") return Buffer.from(text.replace(from, to));
  const bundle = JSON.parse(text) as { dsseEnvelope: { payload: string } };
  const statement = Buffer.from(bundle.dsseEnvelope.payload, "base64").toString();
  const hex = (digest: Digest) => digest.slice("sha256:".length);
  bundle.dsseEnvelope.payload = Buffer.from(statement.replace(hex(from), hex(to))).toString("base64");
  return Buffer.from(JSON.stringify(bundle));
}
