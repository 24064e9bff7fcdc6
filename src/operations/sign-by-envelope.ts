import { signatureEncoding } from "../formats/choose-algorithm.ts";
import type { Subject } from "../model/descriptor.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import type { Format, SigningOptions } from "../model/format.ts";
import type { EnvelopeMaker, Evidence, PublicMaterial, Reason, Signer } from "../model/signature.ts";
import type { Store } from "../stores/store.ts";
import { publicKeyFrom } from "../trust/public-keys.ts";
import { REHEARSAL_SUBJECT } from "./rehearse.ts";
import type { Session } from "./session.ts";
import {
  findOwn,
  ownTrust,
  type SignatureReport,
  type SigningTask,
  signatureReport,
  storeAndReadBack,
  type Witnessing,
} from "./store-signature.ts";

interface Asked {
  readonly formats: readonly Format[];
  readonly options: SigningOptions;
  readonly witnessing?: Witnessing | undefined;
}

/**
 * Whether a program that makes whole envelopes can do what is asked of it. Nothing is asked of it yet.
 * @throws with exit status 2: what `order` throws, E_SIGNER_FAILED for formats that it cannot make, E_USAGE for a time stamp, which is its own to ask for.
 */
export function ensureMakes({ label }: Signer, { formats, options, witnessing }: Asked): void {
  const other = formats.find(({ finished }) => finished === undefined);
  if (other !== undefined) {
    throw new CountersignError(
      "E_SIGNER_FAILED",
      `${label} makes whole envelopes, and none of the format ${other.name}`,
      {
        exit: 2,
        hint: "sign by it with --format notation or notation-cose alone, or use a plugin that signs raw bytes",
      },
    );
  }
  for (const { finished } of formats) finished?.order(REHEARSAL_SUBJECT, options);
  if (witnessing === undefined) return;
  throw new CountersignError("E_USAGE", `${label} makes whole envelopes: a time stamp is its own to ask for`, {
    hint: "leave the --timestamp flags out, and set the plugin to time-stamp",
  });
}

/**
 * Has a program make the signature of one subject, and takes what it hands back through all that a verifier asks before anything is
 * stored: it must be what was ordered, verify by its own certificates or the caller's, and ask for nothing that verifiers here do not do.
 * @throws what the program throws; the code of the first reason why the envelope would not count or is not what was asked for.
 */
export async function signByEnvelope(
  { host }: Session,
  store: Store,
  format: Format,
  subject: Subject,
  { label, envelopes, options: asked }: { label: string; envelopes: EnvelopeMaker; options: SigningOptions },
): Promise<SignatureReport> {
  const { finished } = format;
  if (finished === undefined) throw new TypeError(`${format.name} has no finished envelopes`);
  const envelope = await envelopes.make(finished.order(subject, asked));
  const at = host.now();
  const options = { ...asked, at };
  const evidence = format.read({
    place: { kind: "referrer", name: "not stored" },
    mediaType: finished.order(subject, asked).envelopeType,
    bytes: envelope.bytes,
    annotations: {},
  });
  if ("reason" in evidence) throw refused(label, evidence.reason);
  const [departure] = finished.departures(evidence, subject, options);
  if (departure !== undefined) throw refused(label, departure);
  const task = taskOf(label, format, subject, evidence, options);
  const facts = Promise.resolve({ mediaType: subject.mediaType, size: subject.size });
  const reasons = [...otherLeaf(evidence, envelopes.material)];
  // Its own chain must hold in any case, and end where the caller's does.
  for (const material of [task.material, ...(envelopes.material ? [envelopes.material] : [])]) {
    reasons.push(...(await format.check(evidence, subject.digest, ownTrust(material), at, facts)).reasons);
  }
  const [reason] = reasons;
  if (reason !== undefined) throw refused(label, reason);
  const own = await findOwn(store, task);
  if (own !== undefined) return signatureReport(task, own, false);
  const place = await storeAndReadBack(store, task, subject, finished.artefact(envelope, options), at);
  return signatureReport(task, place, true);
}

/** As if the bytes had been prepared here, by who signed. */
function taskOf(
  label: string,
  format: Format,
  subject: Subject,
  { signed, certificates, notary }: Evidence,
  options: SigningOptions,
): SigningTask {
  const [leaf] = certificates;
  if (leaf === undefined || notary === undefined) throw new TypeError("a finished envelope has certificates");
  const { algorithm } = notary;
  const prepared = {
    format: format.name,
    subject: subject.digest,
    bytes: signed,
    algorithm,
    encoding: signatureEncoding(algorithm, format),
  };
  try {
    return { format, prepared, material: { publicKey: publicKeyFrom(leaf.publicKey), chain: certificates }, options };
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    throw refused(label, { code: "E_SIGNER_ANSWER", message: error.message });
  }
}

function otherLeaf({ certificates }: Evidence, named: PublicMaterial | undefined): readonly Reason[] {
  const wanted = named?.chain[0];
  if (wanted === undefined || certificates[0]?.fingerprint === wanted.fingerprint) return [];
  const message = `it was signed with the certificate ${certificates[0]?.fingerprint}, not ${wanted.fingerprint}`;
  return [{ code: "E_CERTIFICATE_KEY_MISMATCH", message }];
}

function refused(label: string, { code, message }: Reason): CountersignError {
  return new CountersignError(code, `${label} handed back an envelope that is refused: ${message}`, {
    hint: "check id and configuration of the plugin, and update it; nothing was stored",
  });
}
