import type { Outcome } from "./outcome.ts";
import { counted, type ReportView, type Row, type RowReason, worstFirst } from "./view.ts";
import { workflowCommand } from "./workflow-command.ts";

/** Of one annotation. */
const MOST_NAMES = 20;

interface Annotation {
  readonly level: "error" | "warning";
  readonly title: string;
  readonly first: string;
  readonly hint: string | null;
  readonly names: string[];
}

/**
 * What a reader must see of a report, as workflow commands for GitHub Actions, a line each: one for each reason that images
 * share, not for each image, since GitHub shows 10 errors and 10 warnings of a step. At most `limit` errors and `limit`
 * warnings; the last says how many more there are.
 */
export function annotations(view: ReportView, limit: number): string {
  const grouped = new Map<string, Annotation>();
  for (const row of worstFirst(view)) {
    for (const { key, ...annotation } of annotationsOf(view, row)) {
      const same = grouped.get(key);
      if (same === undefined) grouped.set(key, { ...annotation, names: [row.name] });
      else if (same.names.at(-1) !== row.name) same.names.push(row.name);
    }
  }
  const title = `countersign ${view.operation}`;
  const warnings = view.warnings.map((warning): Annotation => {
    return { level: "warning", title, first: warning, hint: null, names: [] };
  });
  const all = [...grouped.values(), ...warnings];
  return (["error", "warning"] as const)
    .flatMap((level) => {
      const own = all.filter((annotation) => annotation.level === level);
      if (own.length <= limit) return own.map((each) => command(view, each));
      const rest = counted(own.length - limit + 1, level === "error" ? "more reason" : "more warning");
      const last = workflowCommand(level, { title, lines: [`${rest}: see the summary or the report`] });
      return [...own.slice(0, limit - 1).map((each) => command(view, each)), last];
    })
    .join("");
}

/** Of a row that is not well its first reason; of one that is, what could not be looked at. */
function annotationsOf({ operation }: ReportView, { outcome, state, reasons }: Row) {
  if (outcome === "skipped") return [];
  if (outcome === "ok") {
    return reasons
      .filter(({ ofSignature }) => !ofSignature)
      .map((reason) => annotation("warning", `countersign ${operation}: ${reason.code}`, reason));
  }
  const [first] = reasons;
  return [annotation("error", `countersign ${operation}: ${headline[outcome]}`, first ?? { code: state, message: "" })];
}

const headline: Readonly<Record<Exclude<Outcome, "ok" | "skipped">, string>> = {
  refused: "refused",
  undetermined: "could not tell",
};

function annotation(
  level: Annotation["level"],
  title: string,
  { code, message, hint = null }: Pick<RowReason, "code" | "message"> & Partial<Pick<RowReason, "hint">>,
) {
  return {
    key: JSON.stringify([level, title, code]),
    level,
    title,
    first: message === "" ? code : `${code}: ${message}`,
    hint,
  };
}

function command({ noun }: ReportView, { level, title, first, hint, names }: Annotation): string {
  const shown = names.slice(0, MOST_NAMES);
  const lines = [
    first,
    ...shown,
    ...(names.length > shown.length ? [`and ${counted(names.length - shown.length, `more ${noun}`)}`] : []),
    ...(hint === null ? [] : [`mend: ${hint}`]),
  ];
  return workflowCommand(level, { title, lines });
}
