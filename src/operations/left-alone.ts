import type { Subject } from "../model/descriptor.ts";
import type { Requirement } from "../model/policy.ts";
import type { Reference } from "../oci/reference.ts";
import type { Repository } from "../oci/repository.ts";
import type { Problem } from "../reports/report.ts";
import type { Session } from "./session.ts";
import { verifyImage } from "./verify-image.ts";

/** Why an image is not signed: it carries no valid signature of those asked for, or where one may stand could not be looked at. */
export type LeftAlone = { readonly skipped: "unsigned" | "untrusted" } | { readonly unseen: readonly Problem[] };

/**
 * Whether a signature that `signedBy` holds for stands at an image, in any format and place: undefined when it does. Never throws for
 * what a registry answers or fails to answer.
 */
export async function leftAlone(
  session: Session,
  repository: Repository,
  reference: Reference,
  subject: Subject,
  signedBy: Requirement,
): Promise<LeftAlone | undefined> {
  const wanted = { reference, digest: subject.digest, fetched: subject };
  const { verdict, errors } = await verifyImage(session, repository, wanted, signedBy);
  if (verdict === "trusted") return undefined;
  return verdict === "undetermined" ? { unseen: errors } : { skipped: verdict };
}
