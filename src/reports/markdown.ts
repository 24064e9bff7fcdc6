import { markdownCode, markdownText } from "./markdown-encoder.ts";
import type { Outcome } from "./outcome.ts";
import { counted, type ReportView, type Row, type RowReason, totalsText, worstFirst } from "./view.ts";

const marks: Readonly<Record<Outcome, string>> = { ok: "✅", refused: "❌", undetermined: "❔", skipped: "➖" };

const MOST_SIGNATURES = 5;
const MOST_REASONS = 50;
/** Bytes kept free for the lines that say what is left out. */
const RESERVE = 1024;

/**
 * A report as GitHub-flavoured Markdown: a table with a row an image, refused ones first, then what went wrong with
 * each, folded. At most `limit` bytes of UTF-8 (4 KiB or more): what does not fit is left out, and a line says how much.
 */
export function markdownSummary(view: ReportView, limit: number): string {
  const rows = worstFirst(view);
  const heading = `### ${marks[rows[0]?.outcome ?? "ok"]} countersign ${view.operation}: ${totalsText(view)}\n`;
  const note = view.note === undefined ? "" : `\n${markdownText(view.note)}\n`;
  const warnings = view.warnings.map((warning) => `> ⚠️ ${markdownText(warning)}\n>\n`);

  const page = createPage(limit - RESERVE);
  page.add([`${heading}${note}`], 1);
  if (rows.length > 0) {
    const noun = view.noun.replace(/^./, (letter) => letter.toUpperCase());
    page.add([`\n| | ${noun} | Outcome | Digest | Signatures |\n|---|---|---|---|---|\n`], 1);
    page.add(rows.map(tableRow), 0.5, (count) => counted(count, view.noun));
  }
  if (warnings.length > 0) page.add(["\n", ...warnings], 0.25, (count) => counted(count, "warning"));
  page.add(rows.flatMap(folded), 1, (count) => `reasons of ${counted(count, view.noun)}`);
  return page.text();
}

function tableRow({ outcome, name, state, digest, signatures }: Row): string {
  const shown = signatures.slice(0, MOST_SIGNATURES).map((signature) => markdownText(signature));
  if (signatures.length > shown.length) shown.push(`and ${signatures.length - shown.length} more`);
  const digestCell = digest === null || name.endsWith(digest) ? "" : markdownCode(digest);
  return `| ${marks[outcome]} | ${markdownCode(name)} | ${markdownText(state)} | ${digestCell} | ${shown.join("<br>")} |\n`;
}

/** What went wrong with an image, behind its name; of a good one only which places could not be looked at. */
function folded({ outcome, name, state, reasons }: Row): string[] {
  const told = outcome === "ok" ? reasons.filter(({ ofSignature }) => !ofSignature) : reasons;
  if (told.length === 0) return [];
  const items = told.slice(0, MOST_REASONS).map(reasonItem);
  if (told.length > items.length) items.push(`- and ${counted(told.length - items.length, "more reason")}\n`);
  const summary = `${marks[outcome]} ${markdownCode(name)}: ${markdownText(state)}`;
  return [`\n<details><summary>${summary}</summary>\n\n${items.join("")}\n</details>\n`];
}

function reasonItem({ code, message, hint, place }: RowReason): string {
  const where = place === null ? "" : `${markdownText(place)}: `;
  const mend = hint === null ? "" : `<br>mend: ${markdownText(hint)}`;
  return `- ${markdownCode(code)} ${where}${markdownText(message)}${mend}\n`;
}

/** Text up to a number of bytes. */
function createPage(limit: number) {
  let text = "";
  let size = 0;
  return {
    /** Adds blocks while they fit into `share` of the room left; then `missing` says what did not. */
    add(blocks: readonly string[], share: number, missing = (count: number) => counted(count, "block")) {
      const end = size + (limit - size) * share;
      for (const [index, block] of blocks.entries()) {
        const length = Buffer.byteLength(block);
        if (size + length > end) {
          text += `\n**${missing(blocks.length - index)} left out: this page is full; the JSON report has all.**\n`;
          return;
        }
        text += block;
        size += length;
      }
    },
    text: () => text,
  };
}
