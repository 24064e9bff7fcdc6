import { formatNamed } from "../formats/registry.ts";
import type { Certificate } from "../model/certificate.ts";
import type { Digest } from "../model/digest.ts";
import { LIMITS } from "../model/limits.ts";
import {
  BUNDLE_PREDICATE_TYPE,
  COSIGN_CERTIFICATE,
  COSIGN_SIGN_PREDICATE,
  LOOKASIDE_SIGSTORE,
  NOTATION_SIGNATURE,
} from "../model/media-types.ts";
import type { Evidence } from "../model/signature.ts";
import { formatReference, parseReference, type Reference } from "../oci/reference.ts";
import type { Repository } from "../oci/repository.ts";
import { mapConcurrently } from "../platform/parallel.ts";
import type { ListReport } from "../reports/report.ts";
import { parseCertificates } from "../trust/certificate.ts";
import { problemOf, problemOfFailure } from "./problem.ts";
import { descendants, resolve } from "./resolve.ts";
import type { Session } from "./session.ts";
import { storesOf } from "./stores.ts";
import { expandTargets, type Targets } from "./targets.ts";

export interface ListRequest {
  readonly targets: Targets;
  readonly recursive: boolean;
}

type ImageReport = ListReport["images"][number];
type Attachment = ImageReport["attachments"][number];
type Findings = { readonly attachments: readonly Attachment[]; readonly errors: ImageReport["errors"] };

/** Everything attached to images, in any format, known or not: tags, referrers API, fallback index. Verifies nothing. */
export async function list(session: Session, request: ListRequest): Promise<ListReport> {
  const { references, unlisted } = await expandTargets(session, request.targets);
  let done = 0;
  const images = await mapConcurrently(references, session.concurrency, async (text) => {
    const reports = await listReference(session, text, request.recursive);
    done += 1;
    session.progress.finished(done, references.length, text);
    return reports;
  });
  const unseen = unlisted.map(({ reference, error }) => failed(reference, error));
  const warnings = [...(session.lookasides?.warnings() ?? [])];
  return { schemaVersion: 1, operation: "list", verified: false, images: [...images.flat(), ...unseen], warnings };
}

async function listReference(session: Session, text: string, recursive: boolean): Promise<readonly ImageReport[]> {
  try {
    const reference = parseReference(text);
    const repository = session.open(reference);
    const top = await resolve(repository, reference);
    const pinned = recursive ? [top, ...(await descendants(repository, top.manifest))] : [top];
    return await Promise.all(
      pinned.map(async ({ subject: { digest } }) => {
        const named = digest === top.subject.digest ? text : formatReference({ ...reference, tag: undefined, digest });
        const found = await Promise.all([
          ...(["sig", "att", "sbom"] as const).map((suffix) => tagged(repository, digest, suffix)),
          referring(session, repository, digest),
          simple(session, repository, reference, digest),
        ]);
        const attachments = found.flatMap((part) => part.attachments);
        return { reference: named, digest, attachments, errors: found.flatMap((part) => part.errors) };
      }),
    );
  } catch (error) {
    return [failed(text, error)];
  }
}

function failed(reference: string, error: unknown): ImageReport {
  return { reference, digest: null, attachments: [], errors: [problemOf(error)] };
}

const kinds = { sig: "signature", att: "attestation", sbom: "sbom" } as const;

/** What cosign keeps under a tag made of the digest: a layer is an attachment. */
async function tagged(repository: Repository, digest: Digest, suffix: keyof typeof kinds): Promise<Findings> {
  const tag = `${digest.replace(":", "-")}.${suffix}`;
  try {
    const manifest = await repository.getManifest(tag);
    const layers = manifest?.content.layers ?? [];
    const attachments = layers.map((layer): Attachment => {
      const pem = layer.annotations?.[COSIGN_CERTIFICATE];
      return {
        kind: kinds[suffix],
        format: suffix === "sig" ? "cosign" : suffix === "att" ? "dsse" : null,
        place: { kind: "tag", name: tag, digest: layer.digest },
        mediaType: layer.mediaType,
        artifactType: null,
        size: layer.size,
        signer: pem ? claimedSigner(certificatesIn(pem)[0]) : null,
        annotations: { ...layer.annotations },
      };
    });
    return { attachments, errors: [] };
  } catch (error) {
    return { attachments: [], errors: [problemOf(error, `tag ${tag}`)] };
  }
}

/** What names the image as its subject, by the referrers API and by the fallback tag. */
async function referring(session: Session, repository: Repository, digest: Digest): Promise<Findings> {
  const store = storesOf(repository, session.host).of("bundle");
  const { entries, failures } = await store.list(digest);
  const errors = failures.map(problemOfFailure);
  const attachments = await mapConcurrently(entries, 16, async (entry, at): Promise<Attachment> => {
    const { descriptor, place } = entry;
    const artifactType = descriptor.artifactType ?? null;
    const common = {
      place: { kind: place.kind, name: place.name, digest: descriptor.digest },
      mediaType: descriptor.mediaType,
      artifactType,
      size: descriptor.size,
      annotations: { ...descriptor.annotations },
    };
    const isNotary = artifactType === NOTATION_SIGNATURE;
    if (!isNotary && !bundle.recognises(entry)) return { ...common, kind: "referrer", format: null, signer: null };
    // What a bundle is stands inside it, and so does who signed; beyond the limit its annotation is believed.
    let type = descriptor.annotations?.[BUNDLE_PREDICATE_TYPE];
    let format: Attachment["format"] = isNotary ? "notation" : "bundle";
    let signer: Attachment["signer"] = null;
    if (at < LIMITS.signatures) {
      try {
        const stored = await store.fetch(entry, digest);
        const read = (notary.find((each) => each.holds?.(stored)) ?? (isNotary ? notary[0] : bundle)).read(stored);
        if ("reason" in read) errors.push({ ...problemless, ...read.reason, place: `${place.kind} ${place.name}` });
        else {
          format = read.format;
          type = read.claims.type;
          signer = claimedSigner(read.certificates[0], read.keyHint);
        }
      } catch (error) {
        errors.push(problemOf(error, `${place.kind} ${place.name}`));
      }
    }
    const isSignature = format !== "bundle" || type === COSIGN_SIGN_PREDICATE;
    return { ...common, kind: isSignature ? "signature" : "attestation", format, signer };
  });
  return { attachments, errors };
}

/** Simple signatures, and what stands among them: in the registry's extension, else in the lookaside that is named. */
async function simple(
  session: Session,
  repository: Repository,
  reference: Reference,
  digest: Digest,
): Promise<Findings> {
  const { lookasides } = session;
  const store = storesOf(repository, session.host, { lookasides, reference, demandsSimple: false }).simple;
  const { entries, failures } = await store.list(digest);
  const errors = failures.map(problemOfFailure);
  const attachments = await mapConcurrently(entries, 16, async (entry): Promise<Attachment> => {
    const { descriptor, place } = entry;
    const { mediaType, size } = descriptor;
    const common = {
      place: { kind: place.kind, name: place.name, digest: descriptor.digest },
      ...{ mediaType, size, artifactType: null, annotations: {} },
    };
    if (mediaType === LOOKASIDE_SIGSTORE) return { ...common, kind: "signature", format: "cosign", signer: null };
    if (!openpgp.recognises(entry)) return { ...common, kind: "referrer", format: null, signer: null };
    try {
      const read = openpgp.read(await store.fetch(entry, digest));
      if (!("reason" in read)) return { ...common, kind: "signature", format: read.format, signer: claimedKey(read) };
      errors.push({ ...problemless, ...read.reason, place: `${place.kind} ${place.name}` });
    } catch (error) {
      errors.push(problemOf(error, `${place.kind} ${place.name}`));
    }
    return { ...common, kind: "signature", format: openpgp.name, signer: null };
  });
  return { attachments, errors };
}

/** Older programs name the key by its ID alone. */
function claimedKey({ openpgp }: Evidence): Attachment["signer"] {
  if (openpgp?.issuerFingerprint !== undefined) {
    return { subject: null, fingerprint: `openpgp4fpr:${openpgp.issuerFingerprint}` };
  }
  return openpgp?.issuerKeyId === undefined ? null : { subject: null, fingerprint: openpgp.issuerKeyId };
}

const openpgp = formatNamed("openpgp");
const bundle = formatNamed("bundle");
const notary = [formatNamed("notation"), formatNamed("notation-cose")] as const;
const problemless = { hint: null, retry: false } as const;

/** The signer as the attachment claims it: its leaf's names, or the hint of a bare key. */
function claimedSigner(leaf: Certificate | undefined, keyHint?: string): Attachment["signer"] {
  if (leaf === undefined) return keyHint === undefined ? null : { subject: null, fingerprint: fingerprintOf(keyHint) };
  return {
    subject: leaf.subject.text,
    sans: leaf.alternativeNames.map(({ value }) => value),
    issuer: leaf.oidcIssuer ?? null,
    fingerprint: leaf.fingerprint,
  };
}

/** cosign's hint is the base64 of what reports call a key's fingerprint; another hint stays as it is. */
function fingerprintOf(keyHint: string): string {
  const hash = Buffer.from(keyHint, "base64");
  return hash.length === 32 ? `sha256:${hash.toString("hex")}` : keyHint;
}

/** Certificates of an annotation that anyone could have written; what cannot be read names nobody. */
function certificatesIn(pem: string): readonly Certificate[] {
  try {
    return parseCertificates(Buffer.from(pem));
  } catch {
    return [];
  }
}
