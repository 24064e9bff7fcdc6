/** What must hold: checked as it is measured, told in the table, and decides how the benchmark ends. */
export interface Bound {
  readonly what: string;
  readonly measured: number;
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** One part of the benchmark. */
export interface Section {
  readonly title: string;
  /** What was measured and how, in a sentence or two. */
  readonly note: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly bounds: readonly Bound[];
}

export function holds({ measured, atMost, atLeast }: Bound): boolean {
  return measured <= (atMost ?? Number.POSITIVE_INFINITY) && measured >= (atLeast ?? Number.NEGATIVE_INFINITY);
}

export function describeBound(bound: Bound): string {
  const limit = bound.atMost === undefined ? `at least ${bound.atLeast}` : `at most ${bound.atMost}`;
  const measured = Number.isInteger(bound.measured) ? String(bound.measured) : bound.measured.toFixed(2);
  return `${holds(bound) ? "holds" : "BROKEN"}: ${bound.what}: ${measured}, ${limit}`;
}

/** A section as Markdown, its bounds below its table. */
export function renderSection({ title, note, head, rows, bounds }: Section): string {
  const widths = head.map((name, column) => Math.max(...[head, ...rows].map((row) => (row[column] ?? name).length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  const table = [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)];
  return [`## ${title}`, note, table.join("\n"), bounds.map((bound) => `- ${describeBound(bound)}`).join("\n")].join(
    "\n\n",
  );
}

export function milliseconds(value: number): string {
  return value < 9_950 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}
