import { oneLine } from "./terminal.ts";

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/**
 * Foreign text as one line of XML 1.0 character data, or of an attribute's value in either kind of quotes. What is no XML
 * character at all (section 2.2), and cannot be written as a reference either, is shown as `\u{hex}`.
 */
export function xmlText(text: string, limit = 400): string {
  return oneLine(text, limit)
    .replace(/[\ufffe\uffff]/g, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`)
    .replace(/[&<>"']/g, (mark) => entities[mark] ?? "");
}
