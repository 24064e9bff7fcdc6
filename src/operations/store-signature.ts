import { ALGORITHMS } from "../model/algorithm.ts";
import type { Subject } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import type { Format, SigningOptions } from "../model/format.ts";
import type { Trust } from "../model/policy.ts";
import type { Artefact, Place, Prepared, PublicMaterial, Stored } from "../model/signature.ts";
import type { SignReport } from "../reports/report.ts";
import type { Store } from "../stores/store.ts";
import { matchAlgorithm } from "../trust/verify-signature.ts";
import { collect } from "./collect.ts";

/** One signature, as reports tell what became of it. */
export type SignatureReport = SignReport["images"][number]["signatures"][number];

/** What is being signed, how, and by whom. */
export interface SigningTask {
  readonly format: Format;
  readonly prepared: Prepared;
  readonly material: PublicMaterial;
  readonly options: SigningOptions;
}

/**
 * The artefact of a signature, checked as a verifier checks it: signature, certificates and their path at `at`, subject, type.
 * @throws the code of the first reason why it would not count.
 */
export async function assembleVerified(
  { format, prepared, material, options }: SigningTask,
  signature: Uint8Array,
  at: Date,
): Promise<Artefact> {
  const artefact = format.assemble(prepared, signature, material, options);
  const unstored: Stored = { ...artefact, place: { kind: "tag", name: "not stored" } };
  await ensureVerifies(format, unstored, prepared.subject, ownTrust(material), at);
  return artefact;
}

/**
 * The place of a signature over the same bytes by the same key, leaf and algorithm, when there is one: adding another would
 * say nothing new.
 * @throws when what is stored could not be seen: writing could lose or repeat it.
 */
export async function findOwn(store: Store, { format, prepared, material }: SigningTask): Promise<Place | undefined> {
  const leaf = material.chain[0]?.fingerprint;
  const { kept, failures } = await collect([store], [format], prepared.subject, async (evidence) => {
    if ("reason" in evidence) return undefined;
    if (!Buffer.from(evidence.signed).equals(prepared.bytes)) return undefined;
    if (evidence.certificates[0]?.fingerprint !== leaf) return undefined;
    const { publicKey } = material;
    const matched = await matchAlgorithm(publicKey, [prepared.algorithm], evidence.signed, evidence.signature);
    return matched === undefined ? undefined : evidence.place;
  });
  const [failure] = failures;
  if (failure !== undefined && failure.code !== "E_LIMIT") {
    throw new CountersignError(failure.code, `${failure.place}: ${failure.message}`, {
      hint: failure.hint,
      retry: failure.retry,
    });
  }
  return kept.find((place) => place !== undefined);
}

/**
 * Stores an artefact that was checked, reads it back and checks it again; resolves to where it stands.
 * @throws what the store throws; E_STORED_DIFFERS; the code of the first reason why what was read back would not count.
 */
export async function storeAndReadBack(
  store: Store,
  { format, material }: SigningTask,
  subject: Subject,
  artefact: Artefact,
  at: Date,
): Promise<Place> {
  const entry = await store.append(subject, artefact);
  const stored = await store.fetch(entry, subject.digest);
  if (!Buffer.from(stored.bytes).equals(artefact.bytes)) {
    throw new CountersignError("E_STORED_DIFFERS", `${entry.place.name} reads back other bytes than were stored`, {
      hint: "something between here and the registry changes what it stores; sign again once it is mended",
    });
  }
  await ensureVerifies(format, stored, subject.digest, ownTrust(material), at);
  return entry.place;
}

/** `added`: false when it was there already. */
export function signatureReport(
  { format, prepared, material }: SigningTask,
  place: Place,
  added: boolean,
): SignatureReport {
  return {
    format: format.name,
    place: { kind: place.kind, name: place.name, digest: place.digest ?? null },
    added,
    algorithm: prepared.algorithm,
    signer: signerOf(material),
  };
}

async function ensureVerifies(format: Format, stored: Stored, subject: Digest, trust: Trust, at: Date): Promise<void> {
  const evidence = format.read(stored);
  const reasons = "reason" in evidence ? [evidence.reason] : (await format.check(evidence, subject, trust, at)).reasons;
  const [reason] = reasons;
  if (reason !== undefined) {
    throw new CountersignError(
      reason.code,
      `what was signed does not verify, ${stored.place.name}: ${reason.message}`,
      {
        hint: "nothing that does not verify counts; check the key and its certificates",
      },
    );
  }
}

/** Trust in nothing but what signs: the key itself, or the top of its own chain where there is one above the leaf. */
export function ownTrust(material: PublicMaterial): Trust {
  const issuers = material.chain.slice(1);
  const top = issuers.at(-1);
  if (top === undefined)
    return { keys: [material.publicKey], anchors: [], intermediates: [], allowedAlgorithms: ALGORITHMS };
  return { keys: [], anchors: [top], intermediates: issuers.slice(0, -1), allowedAlgorithms: ALGORITHMS };
}

export function signerOf(material: PublicMaterial): SignatureReport["signer"] {
  const leaf = material.chain[0];
  if (leaf === undefined) return { subject: null, sans: [], issuer: null, fingerprint: material.publicKey.fingerprint };
  return {
    subject: leaf.subject.text,
    sans: leaf.alternativeNames.map(({ value }) => value),
    issuer: leaf.oidcIssuer ?? null,
    fingerprint: leaf.fingerprint,
  };
}
