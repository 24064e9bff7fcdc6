import type { Outcome } from "./outcome.ts";
import type { Report } from "./report.ts";

/**
 * A report as rows, whatever the operation: what Markdown, JUnit, dotenv and annotations are rendered from. Texts are as the
 * report has them; each sink encodes them for itself.
 */
export interface ReportView {
  readonly operation: Report["operation"];
  /** Of the whole run: of `verify` its verdict, of others the worst outcome. */
  readonly verdict: string;
  /** What a row is, in the singular. */
  readonly noun: "image" | "certificate" | "verifier" | "consumer";
  readonly rows: readonly Row[];
  readonly warnings: readonly string[];
  /** What to know before reading the rows. */
  readonly note?: string;
}

export interface Row {
  /** As the caller named it. */
  readonly name: string;
  /** The reference under which the image of `digest` is to be had; null where the row is no image. */
  readonly reference: string | null;
  readonly digest: string | null;
  readonly outcome: Outcome;
  /** The outcome in the operation's own word: `unsigned`, `unchanged`. */
  readonly state: string;
  /** A line each. */
  readonly signatures: readonly string[];
  readonly reasons: readonly RowReason[];
}

export interface RowReason {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  /** Where: a place that could not be looked at, or the signature that did not count. */
  readonly place: string | null;
  /** It concerns one signature, and others may count. */
  readonly ofSignature: boolean;
}

/** How many rows ended so. */
export function countOf({ rows }: ReportView, outcome: Outcome): number {
  return rows.filter((row) => row.outcome === outcome).length;
}

/** What must be seen comes first, where not everything can be shown. */
export function worstFirst({ rows }: ReportView): readonly Row[] {
  const order: readonly Outcome[] = ["refused", "undetermined", "ok", "skipped"];
  return order.flatMap((outcome) => rows.filter((row) => row.outcome === outcome));
}

/** The outcome in one line of our own words: `3 images: 1 ok, 2 refused`. Nothing foreign is in it. */
export function totalsText(view: ReportView): string {
  const parts = (["ok", "refused", "undetermined", "skipped"] as const).flatMap((outcome) => {
    const count = countOf(view, outcome);
    return count === 0 ? [] : [`${count} ${outcome}`];
  });
  return `${counted(view.rows.length, view.noun)}${parts.length === 0 ? "" : `: ${parts.join(", ")}`}`;
}

/** `1 image`, `2 images`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
