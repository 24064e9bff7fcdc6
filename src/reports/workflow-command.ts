import { oneLine } from "./terminal.ts";

/**
 * A workflow command of GitHub Actions, one line with its end: `::error title=…::…`. `lines` are shown as lines of one
 * message. What is in them and in the title can end neither line, property nor command
 * (the runner's own escapes: `%`, CR and LF, in a property `:` and `,` too).
 */
export function workflowCommand(
  command: "error" | "warning" | "notice",
  { title, lines }: { readonly title: string; readonly lines: readonly string[] },
): string {
  return `::${command} title=${property(title)}::${lines.map(data).join("%0A")}\n`;
}

function data(text: string): string {
  return oneLine(text, 1000).replaceAll("%", "%25");
}

function property(text: string): string {
  return oneLine(text, 200).replaceAll("%", "%25").replaceAll(":", "%3A").replaceAll(",", "%2C");
}
