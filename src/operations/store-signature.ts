import { certificateIdentity, keyIdentity } from "../formats/check.ts";
import { openPgpIdentity } from "../formats/openpgp/check.ts";
import { ALGORITHMS } from "../model/algorithm.ts";
import type { Subject } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import type { Format, SigningOptions } from "../model/format.ts";
import type { TimestampTrust, Trust } from "../model/policy.ts";
import type {
  Artefact,
  Evidence,
  FormatName,
  Place,
  Prepared,
  PublicMaterial,
  SignerIdentity,
  Stored,
  Witness,
} from "../model/signature.ts";
import type { SignReport } from "../reports/report.ts";
import type { Store } from "../stores/store.ts";
import { decodeSignature } from "../trust/signature-encoding.ts";
import { verifyTimeStamp } from "../trust/time-stamp.ts";
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
  readonly witnessing?: Witnessing | undefined;
}

/** Who vouches for the time of signatures, and whose time stamps must hold in what is stored; absent: the authority is not pinned. */
export interface Witnessing {
  readonly witness: Witness;
  readonly trust?: TimestampTrust | undefined;
}

/**
 * The artefact of a signature, witnessed where that is asked for, checked as a verifier checks it: signature, certificates and their
 * path, time stamp, subject, type. The signature itself is checked before a witness is shown it.
 * @param now the clock: a time stamp is later than whatever was before it.
 * @throws the code of the first reason why it would not count; what the witness throws.
 */
export async function assembleVerified(task: SigningTask, signature: Uint8Array, now: () => Date): Promise<Artefact> {
  const { format, prepared, material, options, witnessing } = task;
  const artefact = format.assemble(prepared, signature, material, options);
  const unstored = (made: Artefact): Stored => ({ ...made, place: { kind: "tag", name: "not stored" } });
  await ensureVerifies(format, unstored(artefact), prepared.subject, ownTrust(material), now());
  if (witnessing === undefined) return artefact;
  const testimony = await witnessing.witness.attest(signature, prepared.algorithm);
  const witnessed = format.assemble(prepared, signature, material, options, [testimony]);
  await ensureVerifies(format, unstored(witnessed), prepared.subject, trustOf(task), now());
  return witnessed;
}

/**
 * The place of a signature that says the same by the same key, leaf and algorithm, when there is one, with a time stamp where one is
 * asked for: adding another would say nothing new.
 * @throws when what is stored could not be seen: writing could lose or repeat it.
 */
export async function findOwn(store: Store, task: SigningTask): Promise<Place | undefined> {
  const { format, prepared, material, witnessing } = task;
  const leaf = material.chain[0]?.fingerprint;
  const { kept, failures } = await collect(
    [store],
    () => [format],
    prepared.subject,
    async (evidence) => {
      if ("reason" in evidence) return undefined;
      const repeats = format.restates ?? sameBytes;
      if (!repeats(evidence, prepared, material)) return undefined;
      if (evidence.certificates[0]?.fingerprint !== leaf) return undefined;
      if (!isWitnessed(evidence, witnessing)) return undefined;
      const { publicKey } = material;
      const signature = decodeSignature(evidence.signature, evidence.encoding, publicKey);
      if (signature === undefined) return undefined;
      const matched = await matchAlgorithm(
        publicKey,
        [prepared.algorithm],
        evidence.presented ?? evidence.signed,
        signature,
      );
      return matched === undefined ? undefined : evidence.place;
    },
  );
  const [failure] = failures;
  if (failure !== undefined && failure.code !== "E_LIMIT") {
    throw new CountersignError(failure.code, `${failure.place}: ${failure.message}`, {
      hint: failure.hint,
      retry: failure.retry,
    });
  }
  return kept.find((place) => place !== undefined);
}

function sameBytes({ signed }: Evidence, { bytes }: Prepared): boolean {
  return Buffer.from(signed).equals(bytes);
}

/**
 * Stores an artefact that was checked, reads it back and checks it again; resolves to where it stands.
 * @throws what the store throws; E_STORED_DIFFERS; the code of the first reason why what was read back would not count.
 */
export async function storeAndReadBack(
  store: Store,
  task: SigningTask,
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
  await ensureVerifies(task.format, stored, subject.digest, trustOf(task), at);
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
    signer: signerOf(format, material),
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

function isWitnessed(evidence: Evidence, witnessing: Witnessing | undefined): boolean {
  if (witnessing === undefined) return true;
  const verify = (token: Uint8Array) => verifyTimeStamp(token, evidence.signature, witnessing.trust);
  return evidence.timestamps?.some((token) => verify(token).ok) ?? false;
}

/** What must hold of what is stored: the own signature, and the time stamp where its authority is pinned. */
function trustOf({ material, witnessing }: SigningTask): Trust {
  return { ...ownTrust(material), timestamps: witnessing?.trust };
}

/** Trust in nothing but what signs: the key itself, or the top of its own chain where there is one above the leaf. */
export function ownTrust(material: PublicMaterial): Trust {
  const issuers = material.chain.slice(1);
  const openpgp = material.openpgp && [material.openpgp.certificate];
  const top = issuers.at(-1);
  if (top === undefined)
    return { keys: [material.publicKey], anchors: [], intermediates: [], openpgp, allowedAlgorithms: ALGORITHMS };
  return { keys: [], anchors: [top], intermediates: issuers.slice(0, -1), openpgp, allowedAlgorithms: ALGORITHMS };
}

/** What of a signer's material is in signatures of a format: openpgp knows no X.509 certificates. */
export function materialFor({ name }: Format, material: PublicMaterial): PublicMaterial {
  return name === "openpgp" ? { ...material, chain: [] } : material;
}

export function signerOf({ name }: Format, material: PublicMaterial): SignatureReport["signer"] {
  const { sans, ...identity } = identityOf(name, material);
  return { ...identity, sans: [...sans] };
}

function identityOf(format: FormatName, { openpgp, chain, publicKey }: PublicMaterial): SignerIdentity {
  if (format === "openpgp" && openpgp !== undefined) return openPgpIdentity(openpgp.certificate);
  const [leaf] = chain;
  return leaf === undefined ? keyIdentity(publicKey) : certificateIdentity(leaf);
}
