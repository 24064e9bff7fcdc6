import { annotations } from "../reports/annotations.ts";
import { markdownSummary } from "../reports/markdown.ts";
import { markdownCode, markdownText } from "../reports/markdown-encoder.ts";
import type { ErrorReport, Report } from "../reports/report.ts";
import { viewOf } from "../reports/rows.ts";
import type { ReportView } from "../reports/view.ts";
import { workflowCommand } from "../reports/workflow-command.ts";
import { adviceFor } from "./advice.ts";
import type { CommandName } from "./input-table.ts";
import { isError } from "./outputs.ts";

/** The runner refuses a step's summary beyond 1 MiB; other steps have room of their own. Bytes. */
export const SUMMARY_LIMIT = 1000 * 1024;
/** GitHub shows ten of each kind of a step. */
const ANNOTATIONS = 10;

export interface Rendered {
  /** Workflow commands, a line each. */
  readonly annotations: string;
  readonly summary: string;
}

/** What a run is shown as beside its log, with the mends that a workflow needs. */
export function render(command: CommandName, report: Report | ErrorReport): Rendered {
  return isError(report) ? renderError(command, report) : renderReport(command, report);
}

function renderReport(command: CommandName, report: Report): Rendered {
  const view = withAdvice(command, viewOf(report));
  return { annotations: annotations(view, ANNOTATIONS), summary: markdownSummary(view, SUMMARY_LIMIT) };
}

function withAdvice(command: CommandName, view: ReportView): ReportView {
  const rows = view.rows.map((row) => ({
    ...row,
    reasons: row.reasons.map((reason) => ({
      ...reason,
      hint: adviceFor(command, reason) ?? reason.hint,
    })),
  }));
  return { ...view, rows };
}

function renderError(command: CommandName, { error }: ErrorReport): Rendered {
  const { code, message } = error;
  const mend = adviceFor(command, error) ?? error.hint;
  const title = `countersign ${command}: ${code}`;
  return {
    annotations: workflowCommand("error", { title, lines: [message, ...(mend === null ? [] : [`mend: ${mend}`])] }),
    summary: [
      `### ❌ countersign ${command}: nothing was done`,
      `${markdownCode(code)} ${markdownText(message)}`,
      ...(mend === null ? [] : [`Mend: ${markdownText(mend)}`]),
    ]
      .join("\n\n")
      .concat("\n"),
  };
}
