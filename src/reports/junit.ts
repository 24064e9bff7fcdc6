import { countOf, type ReportView, type Row } from "./view.ts";
import { xmlText } from "./xml-encoder.ts";

const MOST_LINES = 200;

/**
 * A report as JUnit XML: a test case an image, a failure what was refused, an error what could not be told. Names are
 * the images' as the caller wrote them; a name that stands there twice is numbered, for readers that keep only the
 * first. No times: nothing in the document changes but by its outcome.
 */
export function junitXml(view: ReportView): string {
  const name = xmlText(`countersign ${view.operation}`);
  const counts = [
    `tests="${view.rows.length}"`,
    `failures="${countOf(view, "refused")}"`,
    `errors="${countOf(view, "undetermined")}"`,
    `skipped="${countOf(view, "skipped")}"`,
  ].join(" ");
  const seen = new Map<string, number>();
  const cases = view.rows.map((row) => {
    const before = seen.get(row.name) ?? 0;
    seen.set(row.name, before + 1);
    return testCase(view, row, before === 0 ? row.name : `${row.name} (${before + 1})`);
  });
  const said = [...(view.note === undefined ? [] : [view.note]), ...view.warnings.map((text) => `warning: ${text}`)];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${name}" ${counts}>`,
    `  <testsuite name="${name}" ${counts}>`,
    ...cases,
    ...(said.length === 0 ? [] : [`    <system-out>${lines(said)}</system-out>`]),
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}

function testCase(view: ReportView, row: Row, name: string): string {
  const classname = xmlText(`countersign.${view.operation.replace(" ", ".")}`);
  const out = [...(row.digest === null ? [] : [`digest ${row.digest}`]), ...row.signatures];
  return [
    `    <testcase classname="${classname}" name="${xmlText(name)}">`,
    ...result(row),
    ...(out.length === 0 ? [] : [`      <system-out>${lines(out)}</system-out>`]),
    "    </testcase>",
  ].join("\n");
}

function result({ outcome, state, reasons }: Row): string[] {
  if (outcome === "ok") return [];
  const [first] = reasons;
  const message = xmlText(first === undefined ? state : `${state}: ${first.message}`);
  if (outcome === "skipped") return [`      <skipped message="${message}"/>`];
  const element = outcome === "refused" ? "failure" : "error";
  const body = reasons.flatMap(({ code, message, hint, place }) => [
    `${code}: ${place === null ? "" : `${place}: `}${message}`,
    ...(hint === null ? [] : [`  mend: ${hint}`]),
  ]);
  const type = xmlText(first?.code ?? state);
  return [`      <${element} message="${message}" type="${type}">${lines(body)}</${element}>`];
}

function lines(texts: readonly string[]): string {
  const shown = texts.slice(0, MOST_LINES).map((text) => xmlText(text, 1000));
  if (texts.length > shown.length) shown.push(`and ${texts.length - shown.length} more`);
  return shown.join("\n");
}
