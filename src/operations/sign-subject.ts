import type { Subject } from "../model/descriptor.ts";
import type { Format, SigningOptions } from "../model/format.ts";
import type { PublicMaterial, Signer } from "../model/signature.ts";
import type { Reference } from "../oci/reference.ts";
import type { Repository } from "../oci/repository.ts";
import type { Store } from "../stores/store.ts";
import type { Session } from "./session.ts";
import { signByEnvelope } from "./sign-by-envelope.ts";
import {
  assembleVerified,
  findOwn,
  materialFor,
  type SignatureReport,
  type SigningTask,
  signatureReport,
  storeAndReadBack,
  type Witnessing,
} from "./store-signature.ts";
import { storesOf } from "./stores.ts";

/** What became of one format of one subject. */
export type SubjectSignature =
  | { readonly kind: "stored"; readonly signature: SignatureReport }
  | { readonly kind: "failed"; readonly format: string; readonly error: unknown };

interface Signing {
  readonly signer: Signer;
  readonly formats: readonly Format[];
  readonly options: SigningOptions;
  readonly witnessing?: Witnessing | undefined;
}

/**
 * Signs one subject in each format, side by side. Never throws: a format that fails leaves the others standing.
 * @param material of the signer; undefined where it makes whole envelopes
 * @param reference as the image was named, for lookasides of one tag; its repository alone where it is not told.
 */
export function signSubject(
  session: Session,
  repository: Repository,
  subject: Subject,
  signing: Signing,
  material: PublicMaterial | undefined,
  reference?: Reference,
): Promise<readonly SubjectSignature[]> {
  const stores = storesOf(repository, session.host, { lookasides: session.lookasides, reference });
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
  { signer, options: asked, witnessing }: Signing,
  offered: PublicMaterial | undefined,
): Promise<SignatureReport> {
  const { envelopes, label } = signer;
  if (envelopes !== undefined) {
    return signByEnvelope(session, store, format, subject, { label, envelopes, options: asked });
  }
  if (offered === undefined) throw new TypeError("a signer of prepared bytes has described itself");
  const { host } = session;
  const options = { ...asked, at: host.now() };
  const material = materialFor(format, offered);
  const prepared = format.prepare(subject, material, options);
  const task: SigningTask = { format, prepared, material, options, witnessing };
  const own = await findOwn(store, task);
  if (own !== undefined) return signatureReport(task, own, false);
  const signature = await signer.sign({
    ...prepared,
    bytes: prepared.presented ?? prepared.bytes,
    repository: subject.repository,
  });
  const artefact = await assembleVerified(task, signature, () => host.now());
  const place = await storeAndReadBack(store, task, subject, artefact, host.now());
  return signatureReport(task, place, true);
}
