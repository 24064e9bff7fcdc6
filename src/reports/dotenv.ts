import { isDigest } from "../model/digest.ts";
import type { ExitCode } from "../model/error-codes.ts";
import { formatReference, parseReference } from "../oci/reference.ts";
import { dotenvLine } from "./dotenv-encoder.ts";
import { countOf, type ReportView } from "./view.ts";

/**
 * The outcome as a dotenv file, for the jobs and steps that follow: verdict, counts, and of the first image its digest and
 * its reference by digest. Names and values keep GitLab's rules for dotenv reports: no quotes, spaces, comments or empty
 * lines, far below its 5 KiB and 20 variables. A value that needed quoting has no line. `exit`: what the program ends in.
 */
export function dotenvText(view: ReportView, exit: ExitCode): string {
  const first = view.noun === "image" ? view.rows[0] : undefined;
  const digest = first?.digest ?? undefined;
  const reference = first?.reference ?? undefined;
  const values: readonly (readonly [name: string, value: string | undefined])[] = [
    ["COUNTERSIGN_OPERATION", view.operation.replace(" ", "-")],
    ["COUNTERSIGN_EXIT", String(exit)],
    ["COUNTERSIGN_VERDICT", view.verdict],
    ["COUNTERSIGN_DIGEST", digest],
    ["COUNTERSIGN_REFERENCE", reference === undefined || digest === undefined ? undefined : pinned(reference, digest)],
    ["COUNTERSIGN_IMAGES", view.noun === "image" ? String(view.rows.length) : undefined],
    ["COUNTERSIGN_OK", String(countOf(view, "ok"))],
    ["COUNTERSIGN_REFUSED", String(countOf(view, "refused"))],
    ["COUNTERSIGN_UNDETERMINED", String(countOf(view, "undetermined"))],
    ["COUNTERSIGN_SKIPPED", String(countOf(view, "skipped"))],
  ];
  return values.map(([name, value]) => (value === undefined ? "" : (dotenvLine(name, value) ?? ""))).join("");
}

/** The image by its digest alone: a tag beside it may move. */
function pinned(reference: string, digest: string): string | undefined {
  if (!isDigest(digest)) return undefined;
  try {
    return formatReference({ ...parseReference(reference), tag: undefined, digest });
  } catch {
    return undefined;
  }
}
