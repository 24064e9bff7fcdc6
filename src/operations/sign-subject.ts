import { ALGORITHMS } from "../model/algorithm.ts";
import type { Subject } from "../model/descriptor.ts";
import { CountersignError } from "../model/errors.ts";
import type { Format, SigningOptions } from "../model/format.ts";
import type { Trust } from "../model/policy.ts";
import type { Place, Prepared, PublicMaterial, Signer, Stored } from "../model/signature.ts";
import type { Repository } from "../oci/repository.ts";
import type { SignReport } from "../reports/report.ts";
import type { Store } from "../stores/store.ts";
import { matchAlgorithm } from "../trust/verify-signature.ts";
import { collect } from "./collect.ts";
import type { Session } from "./session.ts";
import { storesOf } from "./stores.ts";

/** What became of one format of one subject. */
export type SubjectSignature =
  | { readonly kind: "stored"; readonly signature: SignReport["images"][number]["signatures"][number] }
  | { readonly kind: "failed"; readonly format: string; readonly error: unknown };

interface Signing {
  readonly signer: Signer;
  readonly formats: readonly Format[];
  readonly options: SigningOptions;
}

/** Signs one subject in each format, side by side. Never throws: a format that fails leaves the others standing. */
export function signSubject(
  session: Session,
  repository: Repository,
  subject: Subject,
  signing: Signing,
  material: PublicMaterial,
): Promise<readonly SubjectSignature[]> {
  const stores = storesOf(repository, session.host);
  return Promise.all(
    signing.formats.map(async (format): Promise<SubjectSignature> => {
      try {
        const signature = await signFormat(session, stores.of(format.name), format, subject, signing, material);
        return { kind: "stored", signature };
      } catch (error) {
        return { kind: "failed", format: format.name, error };
      }
    }),
  );
}

/** Prepare, look whether it is there, sign, assemble, check, store, read back, check again. */
async function signFormat(
  session: Session,
  store: Store,
  format: Format,
  subject: Subject,
  signing: Signing,
  material: PublicMaterial,
): Promise<SignReport["images"][number]["signatures"][number]> {
  const prepared = format.prepare(subject, material, signing.options);
  const report = (place: Place, added: boolean) => ({
    format: format.name,
    place: { kind: place.kind, name: place.name, digest: place.digest ?? null },
    added,
    algorithm: prepared.algorithm,
    signer: signerOf(material),
  });

  const own = await findOwn(store, format, subject, prepared, material);
  if (own !== undefined) return report(own, false);

  const signature = await signing.signer.sign(prepared);
  const artefact = format.assemble(prepared, signature, material, signing.options);
  const trust = ownTrust(material);
  const unstored: Stored = { ...artefact, place: { kind: "tag", name: "(not stored)" } };
  await ensureVerifies(format, unstored, subject, trust, session.host.now());

  const entry = await store.append(subject, artefact);
  const stored = await store.fetch(entry, subject.digest);
  if (!Buffer.from(stored.bytes).equals(artefact.bytes)) {
    throw new CountersignError("E_STORED_DIFFERS", `${entry.place.name} reads back other bytes than were stored`, {
      hint: "something between here and the registry changes what it stores; sign again once it is mended",
    });
  }
  await ensureVerifies(format, stored, subject, trust, session.host.now());
  return report(entry.place, true);
}

/** The place of a signature over the same bytes by the same key and leaf, when there is one: adding another would say nothing new. */
async function findOwn(
  store: Store,
  format: Format,
  subject: Subject,
  prepared: Prepared,
  material: PublicMaterial,
): Promise<Place | undefined> {
  const leaf = material.chain[0]?.fingerprint;
  const { kept, failures } = await collect([store], [format], subject.digest, async (evidence) => {
    if ("reason" in evidence) return undefined;
    if (!Buffer.from(evidence.signed).equals(prepared.bytes)) return undefined;
    if (evidence.certificates[0]?.fingerprint !== leaf) return undefined;
    const matched = await matchAlgorithm(material.publicKey, ALGORITHMS, evidence.signed, evidence.signature);
    return matched === undefined ? undefined : evidence.place;
  });
  const [failure] = failures;
  // Unable to see what is there, writing could lose or repeat it.
  if (failure !== undefined && failure.code !== "E_LIMIT") {
    throw new CountersignError(failure.code, `${failure.place}: ${failure.message}`, {
      hint: failure.hint,
      retry: failure.retry,
    });
  }
  return kept.find((place) => place !== undefined);
}

async function ensureVerifies(format: Format, stored: Stored, subject: Subject, trust: Trust, at: Date): Promise<void> {
  const evidence = format.read(stored);
  const reasons =
    "reason" in evidence ? [evidence.reason] : (await format.check(evidence, subject.digest, trust, at)).reasons;
  const [reason] = reasons;
  if (reason !== undefined) {
    throw new CountersignError(
      reason.code,
      `what was signed does not verify (${stored.place.name}): ${reason.message}`,
      {
        hint: "nothing that does not verify counts; check the key and its certificates",
      },
    );
  }
}

/** Trust in nothing but what signs: the key itself, or the top of its own chain where there is one above the leaf. */
function ownTrust(material: PublicMaterial): Trust {
  const issuers = material.chain.slice(1);
  const top = issuers.at(-1);
  if (top === undefined)
    return { keys: [material.publicKey], anchors: [], intermediates: [], allowedAlgorithms: ALGORITHMS };
  return { keys: [], anchors: [top], intermediates: issuers.slice(0, -1), allowedAlgorithms: ALGORITHMS };
}

function signerOf(material: PublicMaterial): SignReport["images"][number]["signatures"][number]["signer"] {
  const leaf = material.chain[0];
  if (leaf === undefined) return { subject: null, sans: [], issuer: null, fingerprint: material.publicKey.fingerprint };
  return {
    subject: leaf.subject.text,
    sans: leaf.alternativeNames.map(({ value }) => value),
    issuer: leaf.oidcIssuer ?? null,
    fingerprint: leaf.fingerprint,
  };
}
